import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import { type ChildEngine, openChildEngine } from '../../../src/worker/child/remote-engine.ts';
import { defaultLimits, type Limits } from '../../../src/worker/child/supervision.ts';
import type { Engine } from '../../../src/worker/engine/engine.ts';
import { openWasmEngine } from '../../../src/worker/engine/wasm/index.ts';
import { systemOf } from '../../kernels/systems.ts';
import { importable } from '../../setup/build.ts';
import { cases, manyRows } from '../engine/cases.ts';
import { evaluateOn, load, type Options, type Outcome } from '../engine/run.ts';
import { listeningLog, onGradients } from './drills.ts';

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
    for (const { text } of cases.filter((_, n) => n % 13 === 0)) {
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

/** Long enough that a signal arrives in the middle: what a thread has to say waits for more, up to 50 ms. */
const longProblem = systemOf({ ...manyRows, steps: 8000 });
const long: Options = { rows, shards: 6, threads: 1 };

let undisturbed: Outcome;
beforeAll(async () => {
  await using here = openWasmEngine({ precision: 'f32', threads: 1 });
  undisturbed = await evaluateOn(here, longProblem, long);
});

/** Patience of tests: a process may take long to start on a busy machine. */
const quick: Limits = { ...defaultLimits, firstMs: 30_000, leastMs: 3000 };

describe('an engine whose child', () => {
  test('is killed in the middle of an evaluation gives the same bits, each leaf once', async () => {
    const { engine, warnings } = await child();
    const before = engine.pid;
    const kill = (answer: number): void => {
      if (answer === 2) process.kill(engine.pid as number, 'SIGKILL');
    };
    expect(await evaluateOn(onGradients(engine, kill), longProblem, long)).toEqual(undisturbed);
    expect(engine.pid).not.toBe(before);
    expect(warnings).toEqual([
      'CHILD_CRASHED: wasm: its process was ended by SIGKILL; starting it again, 1 of 3',
    ]);
  });

  test('is stopped (SIGSTOP) counts as hung, is killed and replaced, with the same bits', async () => {
    const { engine, warnings } = await child(quick);
    const before = engine.pid as number;
    const stop = (answer: number): void => {
      if (answer === 1) process.kill(before, 'SIGSTOP');
    };
    expect(await evaluateOn(onGradients(engine, stop), longProblem, long)).toEqual(undisturbed);
    expect(warnings).toEqual([
      expect.stringMatching(/^GPU_HUNG: wasm: it made no progress for \S+ s; starting it again, 1 of 3$/),
    ]);
    expect(() => process.kill(before, 0)).toThrow(/ESRCH/);
  });

  test('dies between two evaluations is replaced at the next', async () => {
    const { engine, warnings } = await child();
    const loaded = await load(engine, systemOf(manyRows), many);
    const first = await loaded.evaluate();
    const counted = loaded.session.counters();
    process.kill(engine.pid as number, 'SIGKILL');
    await expect.poll(() => engine.pid).toBeUndefined();
    expect(await loaded.evaluate()).toEqual(first);
    expect(warnings).toHaveLength(1);
    for (const [name, pairs] of counted.pairs)
      expect(loaded.session.counters().pairs.get(name)).toBe(2 * pairs);
  });

  test('dies every time is given up after three restarts', async () => {
    const { engine, warnings } = await child();
    const kill = (): void => {
      process.kill(engine.pid as number, 'SIGKILL');
    };
    const failure = await evaluateOn(onGradients(engine, kill), longProblem, long).catch((e: unknown) => e);
    expect(isSkewflowError(failure, 'DeviceError') && failure.details).toEqual({
      code: 'CHILD_CRASHED',
      restarts: 3,
      bytes: null,
    });
    expect(warnings).toHaveLength(3);
    await expect(evaluateOn(engine, longProblem, long)).rejects.toThrow(/started again 3 times/);
  });

  test('finds the question wrong says so, and is asked on', async () => {
    const { engine, warnings } = await child();
    const loaded = await load(engine, systemOf(manyRows), many);
    const { pid } = engine;
    await expect(
      loaded.session.evaluate(
        {
          inputs: { grid: loaded.grid, fields: new Map() },
          leaves: [17],
          want: 'sums',
          seeds: null,
          sums: null,
          rows: { gradient: [], final: false, trajectory: [], values: false },
        },
        { partial: () => {} },
      ),
    ).rejects.toSatisfy((e) => isSkewflowError(e, 'ProtocolError'));
    await loaded.evaluate();
    expect(engine.pid).toBe(pid);
    expect(warnings).toEqual([]);
  });

  test('is aborted rejects with the reason, and is asked on', async () => {
    const { engine, warnings } = await child();
    const { pid } = engine;
    const stop = new AbortController();
    const aborting: Engine = {
      ...engine,
      load: async (program, plan) => {
        const session = await engine.load(program, plan);
        return {
          ...session,
          evaluate: (request, sink) => {
            setTimeout(() => stop.abort(new Error('enough')), 50);
            return session.evaluate(request, sink, stop.signal);
          },
        };
      },
    };
    await expect(evaluateOn(aborting, longProblem, long)).rejects.toThrow('enough');
    expect(await evaluateOn(engine, longProblem, long)).toEqual(undisturbed);
    expect(engine.pid).toBe(pid);
    expect(warnings).toEqual([]);
  });

  test('brings what the receiver does not want rejects with the receiver’s error, and is asked on', async () => {
    const { engine } = await child();
    const refusing = onGradients(engine, () => {
      throw new Error('no more');
    });
    await expect(evaluateOn(refusing, longProblem, long)).rejects.toThrow('no more');
    expect(await evaluateOn(engine, longProblem, long)).toEqual(undisturbed);
  });

  test('is closed lets the process end by itself', async () => {
    const { code, said } = await inProcess(
      'await engine[Symbol.asyncDispose](); process.stdout.write("closed");',
    );
    expect(said).toMatch(/closed$/);
    expect(code).toBe(0);
  });

  test('has lost its supervisor ends, though it computes', async () => {
    const { child: parent, pid } = await supervisor('setInterval(() => {}, 1000);');
    expect(isRunning(pid)).toBe(true);
    parent.kill('SIGKILL');
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
  });
});

/** A process that opens an engine in a child, prints the child's pid and goes on with `script`. */
async function supervisor(script: string): Promise<{
  readonly child: ReturnType<typeof spawn>;
  readonly pid: number;
  readonly ended: Promise<{ readonly code: number | null; readonly said: string }>;
}> {
  const { url, execArgv } = importable();
  const whole = `
    import { openChildEngine } from ${JSON.stringify(url('worker/child/remote-engine.ts'))};
    const quiet = () => {};
    const log = { error: quiet, warn: quiet, info: quiet, debug: quiet };
    const device = { engine: 'wasm' };
    const engine = await openChildEngine({ device, precision: 'f32', threads: 1, memoryBytes: 2 ** 28, log });
    process.stdout.write(engine.pid + '\\n');
    ${script}`;
  const args = [...execArgv, '--input-type=module', '--eval', whole];
  const started = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  started.stdout.on('data', (data: Buffer) => {
    said += data.toString();
  });
  const ended = once(started, 'close').then(([code]) => ({ code: code as number | null, said }));
  await expect.poll(() => said, { timeout: 30_000 }).toContain('\n');
  return { child: started, pid: Number.parseInt(said, 10), ended };
}

async function inProcess(script: string): Promise<{ readonly code: number | null; readonly said: string }> {
  const { ended } = await supervisor(script);
  return await ended;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
