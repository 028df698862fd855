/** What drills of compute children share: an engine that calls when something was answered, and a log that is read. */
import type { Log } from '../../../src/log.ts';
import type { Engine } from '../../../src/worker/engine/engine.ts';

/** A log, and what it was warned of. */
export function listeningLog(): { readonly log: Log; readonly warnings: string[] } {
  const warnings: string[] = [];
  const ignore = (): void => {};
  return {
    warnings,
    log: { error: ignore, info: ignore, debug: ignore, warn: (_, line) => warnings.push(line) },
  };
}

/** An engine whose evaluations call `act` at every answer of a leaf that came with a gradient, numbered from 1. */
export function onGradients(engine: Engine, act: (answer: number) => void): Engine {
  let answers = 0;
  return {
    ...engine,
    load: async (program, plan) => {
      const session = await engine.load(program, plan);
      return {
        ...session,
        evaluate: (request, sink, signal) =>
          session.evaluate(
            request,
            {
              ...sink,
              partial: (partial) => {
                sink.partial(partial);
                if (request.want === 'gradient') act(++answers);
              },
            },
            signal,
          ),
      };
    },
  };
}
