import { describe, expect, it } from 'vitest';
import { schemeNamed } from '../../../src/kernels/schemes/table.ts';
import { acceptedTimes, chooseTimes, type Slope } from '../../../src/kernels/sweep/adaptive.ts';
import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { openReferenceEngine } from '../../../src/worker/engine/reference/engine.ts';
import { evaluateOn } from '../../worker/engine/run.ts';
import { type ProblemText, systemOf } from '../systems.ts';

const dopri5 = schemeNamed('dopri5');
if (dopri5.kind !== 'runge-kutta') throw new Error('dopri5 is a Runge–Kutta method');

const choose = (
  slope: Slope,
  start: readonly number[],
  to: number,
  abs: number,
  stops: readonly number[] = [],
) =>
  chooseTimes(
    { scheme: dopri5, slope, start: Float64Array.from(start), counts: () => true, from: 0, to, stops },
    { abs, rel: abs },
  );

const oscillator: Slope = (_t, [x, u]) => Float64Array.of(u!, -x!);

const orbit: ProblemText = {
  sources: { q: [[1, 0]], v: [[0, 0.5]] },
  tracers: { x: [[2, 0]] },
  flow: { q: 'v', v: '-q * rsqrt(sqnorm(q))^3', x: 'sum(j, q[j] - x)' },
  scheme: 'dopri5',
  to: 3,
  loss: [{ at: 0.7, value: 'sum(i, sqnorm(x))' }, { integral: 'sum(j, sqnorm(q))' }],
  gradient: ['q'],
};

describe('accepted steps', () => {
  it('run from the start to exactly the end, through every stop', () => {
    const times = choose(oscillator, [1, 0], 10, 1e-6, [0.3, Math.PI, 9.99]);
    expect([times[0], times.at(-1)]).toEqual([0, 10]);
    for (const stop of [0.3, Math.PI, 9.99]) expect(times).toContain(stop);
    expect([...times].every((t, k) => k === 0 || t > times[k - 1]!)).toBe(true);
  });

  it('grow in number with the fifth root of the tolerance', () => {
    const count = (abs: number): number => choose(oscillator, [1, 0], 50, abs).length;
    const ratio = count(1e-9) / count(1e-6);
    expect(ratio).toBeGreaterThan(10 ** (3 / 5) * 0.8);
    expect(ratio).toBeLessThan(10 ** (3 / 5) * 1.25);
  });

  it('are short where the state moves fast and long where it rests', () => {
    // y' = −y + a narrow bump at t = 5
    const slope: Slope = (t, [y]) => Float64Array.of(-y! + 50 * Math.exp(-(((t - 5) / 0.05) ** 2)));
    const times = choose(slope, [1], 10, 1e-6);
    const longest = (low: number, high: number): number =>
      Math.max(...[...times].map((t, k) => (t >= low && t < high ? times[k + 1]! - t : 0)));
    expect(longest(4.9, 5.1)).toBeLessThan(0.05);
    expect(longest(8, 10)).toBeGreaterThan(0.2);
  });

  it('keep the error of a solved problem near the tolerance', async () => {
    const problem = systemOf({ ...orbit, gradient: [] });
    const program = compileProgram(problem.system);
    const end = async (abs: number): Promise<number> => {
      const times = acceptedTimes(program, { abs, rel: abs }, problem.fields);
      const { sourceStates } = await evaluateOn(openReferenceEngine(), problem, {
        times,
        rows: { final: true },
      });
      return sourceStates![0]!;
    };
    const exact = await end(1e-13);
    expect(Math.abs((await end(1e-6)) - exact)).toBeLessThan(1e-4);
    expect(Math.abs((await end(1e-9)) - exact)).toBeLessThan(1e-7);
  });

  it('do not depend on tracers, gradients or integrals', () => {
    const times = (text: ProblemText): Float64Array => {
      const problem = systemOf(text);
      return acceptedTimes(compileProgram(problem.system), { abs: 1e-6, rel: 1e-6 }, problem.fields);
    };
    const stop = [{ at: 0.7, value: 'sum(j, sqnorm(q))' }];
    const alone = times({
      sources: orbit.sources!,
      flow: { q: 'v', v: orbit.flow!['v']! },
      scheme: 'dopri5',
      to: 3,
      loss: stop,
    });
    expect(times(orbit)).toEqual(alone);
  });

  it('are refused where nothing estimates an error, and where no step is small enough', () => {
    const euler = systemOf({ ...orbit, scheme: 'euler' });
    expect(() => acceptedTimes(compileProgram(euler.system), { abs: 1e-6, rel: 0 }, euler.fields)).toThrow(
      /write `scheme: dopri5`, not euler/,
    );
    const still = systemOf({ tracers: { x: [[1]] }, flow: { x: '-x' }, scheme: 'dopri5' });
    expect(() => acceptedTimes(compileProgram(still.system), { abs: 1e-6, rel: 0 }, still.fields)).toThrow(
      /needs sources that evolve/,
    );
    const explosion: Slope = (_t, [y]) => Float64Array.of(y! * y!);
    expect(() => choose(explosion, [1], 2, 1e-6)).toThrow(/blow up near t = 1\.0000/);
  });
});
