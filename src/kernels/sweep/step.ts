/**
 * How one step of a scheme goes, as a straight line of statements for any group of rows.
 */
import { SkewflowError } from '../../errors.ts';
import type { Expr } from '../ir/expr.ts';
import { now } from '../ir/expr.ts';
import { postorder } from '../ir/walk.ts';
import type { RungeKutta, Scheme } from '../schemes/scheme.ts';
import type { Field } from '../system.ts';
import type { CombineStatement, Range, Statement, StepProgram } from './program.ts';
import { transpose } from './transpose.ts';

/** One position field and its velocity, as component ranges of the state. */
export interface Drift {
  readonly position: number;
  readonly velocity: number;
  readonly width: number;
}

/** The step of `scheme` for a group whose state has `width` components; `drifts` matter to the leapfrog alone. */
export function stepProgram(scheme: Scheme, width: number, drifts: readonly Drift[]): StepProgram {
  const { slots, forward } =
    scheme.kind === 'leapfrog' ? leapfrogForward(width, drifts) : rungeKuttaForward(scheme, width);
  return { slots, forward, backward: transpose(forward, width) };
}

/** Source states a step of the scheme shows to the tracers. */
export function slotCount(scheme: Scheme): number {
  return scheme.kind === 'leapfrog' ? 2 : scheme.b.length;
}

type Forward = Pick<StepProgram, 'forward' | 'slots'>;
type CombineTerm = CombineStatement['terms'][number];

const same = (bank: string, start: number): CombineTerm => ({ coefficient: 1, power: 0, bank, start });
const timesH = (coefficient: number, bank: string, start: number): CombineTerm => ({
  coefficient,
  power: 1,
  bank,
  start,
});
const combine = (target: Range, ...terms: readonly CombineTerm[]): CombineStatement => ({
  kind: 'combine',
  target,
  terms,
});

/** Z_s = z + h Σ a_sr K_r, K_s = flow(Z_s, t + c_s h); z' = z + h Σ b_s K_s. Coefficients that are 0 leave no term. */
function rungeKuttaForward({ a, b, c }: RungeKutta, width: number): Forward {
  const whole = (bank: string): Range => ({ bank, start: 0, width });
  const along = (weights: readonly number[]): readonly CombineTerm[] =>
    weights.flatMap((w, r) => (w === 0 ? [] : [timesH(w, `slope${r}`, 0)]));
  const stages = c.flatMap((fraction, s): readonly Statement[] => [
    combine(whole(`slot${s}`), same('z', 0), ...along(a[s] ?? [])),
    { kind: 'flow', slot: s, fraction, slope: `slope${s}` },
  ]);
  return { slots: c.length, forward: [...stages, combine(whole("z'"), same('z', 0), ...along(b))] };
}

/**
 * q½ = q + h/2 v, v' = v + h A(q½, t + h/2), q' = q½ + h/2 v'.
 *
 * Slot 0 is the grid state, which no flow reads; slot 1 holds q½ and v. The flow computes slopes of all components,
 * the kick uses those of the velocities.
 */
function leapfrogForward(width: number, drifts: readonly Drift[]): Forward {
  const velocities = distinctVelocities(drifts);
  return {
    slots: 2,
    forward: [
      combine({ bank: 'slot0', start: 0, width }, same('z', 0)),
      ...drifts.map((d) =>
        combine(
          { bank: 'slot1', start: d.position, width: d.width },
          same('z', d.position),
          timesH(1 / 2, 'z', d.velocity),
        ),
      ),
      ...velocities.map((d) =>
        combine({ bank: 'slot1', start: d.velocity, width: d.width }, same('z', d.velocity)),
      ),
      { kind: 'flow', slot: 1, fraction: 1 / 2, slope: 'slope1' },
      ...velocities.map((d) =>
        combine(
          { bank: "z'", start: d.velocity, width: d.width },
          same('z', d.velocity),
          timesH(1, 'slope1', d.velocity),
        ),
      ),
      ...drifts.map((d) =>
        combine(
          { bank: "z'", start: d.position, width: d.width },
          same('slot1', d.position),
          timesH(1 / 2, "z'", d.velocity),
        ),
      ),
    ],
  };
}

/** One drift a velocity: two positions may share one. */
function distinctVelocities(drifts: readonly Drift[]): readonly Drift[] {
  return drifts.filter((d, i) => drifts.findIndex((o) => o.velocity === d.velocity) === i);
}

/**
 * Which fields are positions and which their velocities: a field whose flow is exactly the bare name of another
 * evolving field of its group is a position, that field its velocity.
 *
 * @throws SkewflowError('JobFileError') unless every evolving field is in such a pair and no acceleration reads a
 *   velocity, of its own row or of a source
 */
export function driftsOf(
  group: 'sources' | 'tracers',
  fields: readonly Field[],
  flow: ReadonlyMap<string, Expr>,
  sourceVelocities: ReadonlySet<string>,
): readonly Drift[] {
  const startOf = new Map<string, number>();
  let width = 0;
  for (const f of fields) {
    startOf.set(f.name, width);
    width += f.width;
  }
  const velocityOf = velocitiesOf(fields, flow);
  const velocities = new Set(velocityOf.values());
  for (const f of fields) {
    const isPosition = velocityOf.has(f.name);
    if (isPosition && velocities.has(f.name)) {
      throw refused(
        `\`${f.name}\` would be both a position (its flow is \`${velocityOf.get(f.name)}\`) and a velocity`,
      );
    }
    if (!isPosition && !velocities.has(f.name)) {
      throw refused(
        `\`${f.name}\` of the ${group} is neither: its flow is no bare name of an evolving field, and no field has the flow \`${f.name}\``,
      );
    }
    if (!isPosition) refuseVelocityReads(f.name, flow.get(f.name), velocities, sourceVelocities);
  }
  return [...velocityOf].map(([position, velocity]) => ({
    position: startOf.get(position) ?? 0,
    velocity: startOf.get(velocity) ?? 0,
    width: fields.find((f) => f.name === position)?.width ?? 0,
  }));
}

/** Position ↦ velocity among the fields of one group. */
export function velocitiesOf(
  fields: readonly Field[],
  flow: ReadonlyMap<string, Expr>,
): ReadonlyMap<string, string> {
  const names = new Set(fields.map((f) => f.name));
  return new Map(
    fields.flatMap((f) => {
      const e = flow.get(f.name);
      const bare = e?.kind === 'input' && e.leaf.role === 'own' && e.leaf.at === now ? e.leaf.field : null;
      return bare !== null && bare !== f.name && names.has(bare) ? [[f.name, bare] as const] : [];
    }),
  );
}

function refuseVelocityReads(
  field: string,
  acceleration: Expr | undefined,
  own: ReadonlySet<string>,
  ofSources: ReadonlySet<string>,
): void {
  if (acceleration === undefined) return;
  for (const node of postorder(acceleration)) {
    if (node.kind !== 'input') continue;
    const { leaf } = node;
    const read =
      (leaf.role === 'own' && own.has(leaf.field)) ||
      (leaf.role === 'row' && leaf.loop.over === 'sources' && ofSources.has(leaf.field));
    if (read) {
      throw refused(`the acceleration of \`${field}\` reads the velocity \`${leaf.field}\``);
    }
  }
}

function refused(reason: string): SkewflowError {
  return new SkewflowError(
    'JobFileError',
    `leapfrog needs positions, whose flow is the bare name of a velocity, and accelerations that read no velocity: ${reason}. ` +
      'Write the flow that way or choose another scheme (ralston, rk4, dopri5).',
  );
}
