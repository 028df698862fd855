import { describe, expect, onTestFinished, test } from 'vitest';
import type { Log } from '../../../src/log.ts';
import { type ChildEngine, openChildEngine } from '../../../src/worker/child/remote-engine.ts';
import { defaultLimits, type Limits } from '../../../src/worker/child/supervision.ts';
import { openWasmEngine } from '../../../src/worker/engine/wasm/index.ts';
import { systemOf } from '../../kernels/systems.ts';
import { cases, manyRows, rowsOf } from '../engine/cases.ts';
import { evaluateOn, load, type Options } from '../engine/run.ts';

/** What was logged as a warning. */
function listeningLog(): { readonly log: Log; readonly warnings: string[] } {
  const warnings: string[] = [];
  const ignore = (): void => {};
  return {
    warnings,
    log: { error: ignore, info: ignore, debug: ignore, warn: (_, line) => warnings.push(line) },
  };
}

async function child(
  limits: Limits = defaultLimits,
): Promise<{ readonly engine: ChildEngine; readonly warnings: string[] }> {
  const { log, warnings } = listeningLog();
  const options = { precision: 'f32', threads: 2, memoryBytes: 2 ** 28, limits, log } as const;
  const engine = await openChildEngine({ ...options, device: { engine: 'wasm' } });
  onTestFinished(() => engine[Symbol.asyncDispose]());
  return { engine, warnings };
}

const rows = { final: true, trajectory: [0, 2], values: true };
const many: Options = { rows, shards: 4, threads: 2 };

describe('an engine in a child', () => {
  test('gives the bits of the same engine in this process, rows and counters too', async () => {
    const { engine } = await child();
    await using here = openWasmEngine({ precision: 'f32', threads: 2 });
    expect(engine.numerics).toBe(here.numerics);
    for (const { text } of cases.filter((_, n) => n % 7 === 0)) {
      const problem = systemOf(text);
      const options: Options = { rows, shards: 2 };
      expect(await evaluateOn(engine, problem, options)).toEqual(await evaluateOn(here, problem, options));
    }
    const [there, local] = [
      await load(engine, systemOf(manyRows), many),
      await load(here, systemOf(manyRows), many),
    ];
    expect(await there.evaluate()).toEqual(await local.evaluate());
    expect(there.session.counters()).toEqual(local.session.counters());
  });
});
