/**
 * The points at which `from-torch.py` checks L-BFGS: tsx iterates.ts FOLDER writes iterates.npy, 21 × 662 × 3.
 *
 * The optimiser is driven by one `run` an evaluation, which has the bits of an evaluation inside an optimisation.
 */
import { join } from 'node:path';
import { createNpy } from '../../src/arrays/npy-writer.ts';
import { advance, begin, type Rules } from '../../src/coordinator/optimizers/optimizer.ts';
import { run } from '../../src/index.ts';
import { data, hippocampusFit } from './job.ts';

const shape = [662, 3];
const length = 662 * 3;
const rules: Rules = {
  method: 'lbfgs',
  iterations: 20,
  evaluations: 1000,
  gradientTolerance: 0,
  decreaseTolerance: 0,
  rate: 0,
  memory: 10,
  noise: 1e-14,
  box: { lower: new Float64Array(length).fill(-Infinity), upper: new Float64Array(length).fill(Infinity) },
};

const points: Float64Array[] = [];
for (let state = begin(rules, new Float64Array(length)), over = false; !over; ) {
  const job = hippocampusFit('f64');
  const { loss, gradient } = await run({
    ...job,
    sources: { q: join(data, 'control_points.npy'), p: { shape, data: state.point } },
  });
  const next = advance(rules, state, {
    loss: loss ?? Number.NaN,
    gradient: gradient['p']?.data ?? new Float64Array(0),
  });
  if (next.taken !== null) points.push(next.state.at?.point ?? state.point);
  state = next.state;
  over = next.done !== null;
}
const file = await createNpy(join(process.argv[2] ?? '.', 'iterates.npy'), 'f8', [points.length, ...shape]);
for (const [k, point] of points.entries()) await file.write(k * length, point);
await file.close();
