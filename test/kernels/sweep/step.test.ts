import { describe, expect, it } from 'vitest';
import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { systemOf } from '../systems.ts';

const leapfrog = (flow: Readonly<Record<string, string>>, sources = {}) =>
  compileProgram(
    systemOf({
      ...(Object.keys(sources).length > 0 ? { sources } : {}),
      tracers: { x: [[1], [2]], u: [[0], [0]], a: [[1], [1]] },
      flow,
      scheme: 'leapfrog',
    }).system,
  );

describe('leapfrog', () => {
  it('takes a field whose flow is the bare name of another for a position', () => {
    const program = leapfrog({ x: 'u', u: '-x * a' });
    expect(program.slots).toBe(2);
    expect(program.tracers?.step?.forward.filter((s) => s.kind === 'flow')).toEqual([
      { kind: 'flow', slot: 1, fraction: 0.5, slope: 'slope1' },
    ]);
  });

  it('refuses a field that is neither position nor velocity', () => {
    expect(() => leapfrog({ x: '2 * u', u: '-x' })).toThrow(/`x` of the tracers is neither/);
  });

  it('refuses a field that would be both', () => {
    expect(() => leapfrog({ x: 'u', u: 'x' })).toThrow(/both a position .* and a velocity/);
  });

  it('refuses accelerations that read a velocity, of the own row or of a source', () => {
    expect(() => leapfrog({ x: 'u', u: '-x - 0.1 * u' })).toThrow(
      /acceleration of `u` reads the velocity `u`.*choose another scheme/s,
    );
    const sources = { q: [[1]], v: [[1]] };
    expect(() => leapfrog({ x: 'u', u: 'sum(j, v[j])', q: 'v', v: '-q' }, sources)).toThrow(
      /acceleration of `u` reads the velocity `v`/,
    );
  });
});
