import { expect, it } from 'vitest';
import { compileProgram } from '../../../../src/kernels/sweep/compile.ts';
import { formulaOf } from '../../../../src/worker/engine/webgpu/loaded.ts';
import { systemOf } from '../../../kernels/systems.ts';

it.each([
  ['tracers.forward', /^x: .*exp/],
  ['sources.backward', /^q: .*Σ_j/],
  ['loss0.rows', /^mean\(i, sqnorm\(x\)\)$/],
])('says which formula the shader %s computes, for the message when it does not compile', (name, formula) => {
  const { system } = systemOf({
    sources: { q: [[0], [1]] },
    tracers: { x: [[0.3]] },
    flow: { x: 'sum(j, exp(-sqdist(x, q[j])))', q: 'sum(k, q - q[k])' },
    scheme: 'euler',
    steps: 2,
    loss: 'mean(i, sqnorm(x))',
    gradient: ['q'],
  });
  expect(formulaOf(compileProgram(system), { name })).toMatch(formula);
});
