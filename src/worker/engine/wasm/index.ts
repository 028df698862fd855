/**
 * The WASM engine: compiled kernels in single or double precision, one thread a core.
 */
import { emitProgram } from '../../../kernels/wasm/emit-program.ts';
import type { Engine, Precision } from '../engine.ts';
import { makeCrew } from './crew.ts';
import { relaxedMadd } from './relaxed.ts';
import { makeSession } from './session.ts';

/** Incremented whenever generated code or the order of a sum changes bits. */
const kernelVersion = 1;

export interface WasmEngineOptions {
  readonly precision: Precision;
  /** Threads that will be wanted; the first two start at once, while programs are still compiled. By default none. */
  readonly threads?: number;
}

export function openWasmEngine({ precision, threads = 0 }: WasmEngineOptions): Engine {
  const lane = precision === 'f32' ? 'f32x4' : 'f64x2';
  const relaxed = relaxedMadd();
  const crew = makeCrew();
  if (threads > 0) crew.start(Math.min(threads, 2) - 1);
  let sessions = 0;
  let turn: Promise<unknown> = Promise.resolve();
  return {
    name: 'wasm',
    precision,
    numerics: `wasm/${precision}/${lane}/${relaxed}/${kernelVersion}`,
    load: async (program, plan) => {
      const emitted = emitProgram(program, { lane, fma: relaxed !== 'absent' });
      const module = await WebAssembly.compile(emitted.bytes);
      sessions += 1;
      return makeSession({
        number: sessions,
        program,
        emitted,
        module,
        plan,
        crew,
        inTurn: (work) => {
          const result = turn.then(work);
          turn = result.catch(() => {});
          return result;
        },
      });
    },
    [Symbol.asyncDispose]: () => crew.dismiss(),
  };
}
