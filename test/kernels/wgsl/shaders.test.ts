/** Whole shaders as files beside this one, to be read as code, and what holds for the text of every shader. */
import { describe, expect, it } from 'vitest';
import { compileProgram } from '../../../src/kernels/sweep/compile.ts';
import { emitProgram, shadersOf } from '../../../src/kernels/wgsl/emit-program.ts';
import type { Shader } from '../../../src/kernels/wgsl/shader.ts';
import { cases, rowsOf } from '../../worker/engine/cases.ts';
import { type ProblemText, systemOf } from '../systems.ts';

const emit = (text: ProblemText): readonly Shader[] =>
  shadersOf(emitProgram(compileProgram(systemOf(text).system)));

/** KeOps issue 301: control points and momenta carrying points, at its size. */
const carried: ProblemText = {
  sources: { q: rowsOf(1, 100, 3), p: rowsOf(2, 100, 3) },
  tracers: { x: rowsOf(3, 1000, 3), goal: rowsOf(4, 1000, 3) },
  params: { sigma: 0.7 },
  flow: {
    x: 'sum(j, exp(-sqdist(x, q[j]) / sigma^2) * p[j])',
    q: 'sum(k, exp(-sqdist(q, q[k]) / sigma^2) * p[k])',
    p: 'sum(k, dot(p, p[k]) * exp(-sqdist(q, q[k]) / sigma^2) * (q - q[k]))',
  },
  gradient: ['p', 'q', 'sigma', 'x'],
  scheme: 'euler',
  steps: 100,
  loss: 'mean(i, sqdist(x, goal))',
};

/** More sources than a workgroup has threads, and a scheme of several stages. */
const many: ProblemText = {
  sources: { y: rowsOf(5, 300, 2), m: rowsOf(6, 300, 1) },
  tracers: { x: rowsOf(7, 2, 2), u: rowsOf(8, 2, 2) },
  flow: {
    y: 'sum(k != j, m[k] * (y[k] - y) * rsqrt(0.01 + sqdist(y, y[k])))',
    x: 'u',
    u: 'softmax(j, -sqdist(x, y[j]), m[j] * (y[j] - x))',
  },
  gradient: ['y', 'm'],
  scheme: 'rk4',
  loss: 'log(sum(i, sqnorm(x)))',
};

describe('shaders', () => {
  for (const [title, text, names] of [
    [
      'carried',
      carried,
      [
        'sources.forward',
        'tracers.forward',
        'loss0.rows.sums',
        'loss0.rows.seeds',
        'tracers.backward',
        'sources.backward',
        'collect',
        'reduce',
      ],
    ],
    [
      'many',
      many,
      ['tracers.forward', 'tracers.backward', 'sources.backward.combine', 'sources.backward.sum_rows'],
    ],
  ] as const) {
    it.each(names)(`are text that can be read: ${title}, %s`, async (name) => {
      const found = emit(text).find((s) => s.name === name);
      await expect(found?.text).toMatchFileSnapshot(`${title}/${name}.wgsl`);
    });
  }

  it('are the same for the same job', () => {
    expect(emit(carried)).toEqual(emit(carried));
  });

  it('hold no name of a job', () => {
    const texts = emit({
      sources: { qqfield: rowsOf(1, 3, 2), wwfield: rowsOf(2, 3, 1) },
      tracers: { xxfield: rowsOf(3, 4, 2), aafield: rowsOf(4, 4, 1) },
      sets: { ssset: { zzfield: rowsOf(7, 4, 2) } },
      pairs: { WWpair: rowsOf(9, 9, 1) },
      params: { ppparam: 0.9 },
      flow: {
        qqfield: 'sum(k, WWpair[k] * wwfield[k] * (qqfield[k] - qqfield))',
        xxfield: 'sum(j in ssset, zzfield[j]) + sum(j, qqfield[j]) * aafield * ppparam',
      },
      scheme: 'heun',
      loss: [
        {
          value: 'sum(i, sqdist(xxfield, ttarget))',
          with: { ttarget: { slices: [rowsOf(5, 4, 2)], group: 'tracers' } },
        },
      ],
      values: { vvvalue: 'norm(xxfield)' },
      gradient: ['qqfield', 'wwfield', 'zzfield', 'WWpair', 'ppparam', 'xxfield', 'aafield'],
    });
    const all = texts.map((t) => `${t.name}\n${t.text}`).join('\n');
    expect(
      all.match(/qqfield|wwfield|xxfield|aafield|ssset|zzfield|WWpair|ppparam|ttarget|vvvalue/g),
    ).toBeNull();
  });

  it('are bound to no more buffers than every device allows', () => {
    const most = cases.flatMap((c) => emit(c.text)).map((s) => s.bindings.length);
    expect(Math.max(...most)).toBeLessThanOrEqual(8);
  });
});
