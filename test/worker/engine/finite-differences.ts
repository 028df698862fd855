/** The derivative of a loss without any derivative: the oracle of every gradient. */
import { expect, it } from 'vitest';
import { openReferenceEngine } from '../../../src/worker/engine/reference/engine.ts';
import { type Problem, systemOf } from '../../kernels/systems.ts';
import { type Case, numbers } from './cases.ts';
import { type Loaded, load } from './run.ts';

/**
 * One test: every gradient of a case on the reference engine, along a direction in all components of its field, within
 * 1e-9 of finite differences.
 */
export function testGradient({ title, text }: Case): void {
  it(title, async () => {
    const problem = systemOf(text);
    const loaded = await load(openReferenceEngine(), problem);
    const { gradient, loss } = await loaded.evaluate();
    const wrong: unknown[] = [];
    for (const [seed, [field, g]] of [...gradient].entries()) {
      const direction = numbers(seed + 1000, g.length);
      const expected = await derivativeAlong(loaded, problem, field, direction);
      const found = g.reduce((sum, v, n) => sum + v * direction[n]!, 0);
      const scale = Math.max(Math.abs(loss), Math.hypot(...g));
      if (!(Math.abs(found - expected) <= 1e-9 * scale)) wrong.push({ field, found, expected });
    }
    expect([...gradient.keys()].sort()).toEqual([...problem.system.gradient].sort());
    expect(wrong).toEqual([]);
  });
}

/** (8 (L(h) − L(−h)) − (L(2h) − L(−2h))) / 12h along a direction of one field; error O(h⁴). */
async function derivativeAlong(
  loaded: Loaded,
  problem: Problem,
  field: string,
  direction: readonly number[],
): Promise<number> {
  const start = problem.fields.get(field) ?? problem.tracers.get(field);
  if (start === undefined) throw new Error(`no values of ${field}`);
  const h = 5e-4;
  const lossAt = async (s: number): Promise<number> => {
    const moved = start.map((v, n) => v + s * direction[n]!);
    return (await loaded.evaluate({ forwardOnly: true }, new Map([[field, moved]]))).loss;
  };
  const near = (await lossAt(h)) - (await lossAt(-h));
  const far = (await lossAt(2 * h)) - (await lossAt(-2 * h));
  return (8 * near - far) / (12 * h);
}
