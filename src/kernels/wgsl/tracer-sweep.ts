/**
 * How tracers go through time: one shader forward and one backward, the loop over steps inside.
 *
 * Forward, a row's state stays in registers; states at slots are held for the way back, states at kept points for the
 * terms. Backward, λ stays in registers, terms' seeds are added at kept points, and after each transposed flow the
 * workgroup turns its loops around and sums Γ over its rows.
 */
import type { Kernel } from '../ir/kernel.ts';
import { lower } from '../lower/lower.ts';
import type { GroupProgram, Program, Statement } from '../sweep/program.ts';
import { code, whole } from './code.ts';
import { neededBy, operand, rowSteps, storeVectors } from './row-body.ts';
import { entry, type Shader, shader } from './shader.ts';
import { type Shapes, stepNumbers, tailOffset } from './shapes.ts';
import { carryAt, heldAt, keptAt, ofStage, pathAt, timeOf, tracerPlace, tracerSite } from './sites.ts';
import { arrayOf, casesOf, combineLines, fromArray, registers, stagesOf } from './statements.ts';
import {
  chunkRows,
  handedOver,
  partsFor,
  passesOf,
  readByPasses,
  transposedPass,
} from './transposed-pass.ts';

export function tracersForward(program: Program, shapes: Shapes): Shader | null {
  const group = program.tracers;
  const d = shapes.tracers.stateComponents;
  if (group === null || d === 0) return null;
  const flow =
    group.step === null || group.flow === null ? null : lower(group.flow, program.layout.of('tracers'));
  const step = flow === null ? null : forwardStep(group.step?.forward ?? [], shapes);
  const body = code`
    ${tracerPlace(shapes)}

    ${flow === null ? '' : flowFunction(flow, shapes)}

    ${passFunction(shapes)}

    ${entry(code`
      if (group >= job.units) { return; }
      place(group);
      var z = array<f32, ${d}>();
      // One more than the grid point at which the state was first not finite; 0: never.
      var failed = 0f;
      if (job.start == 0u) {
        ${each(d, (c) => `z[${c}] = image[image_at + ${whole(c * 256)}];`)}
      } else if (job.start == 1u) {
        ${each(d, (c) => `z[${c}] = ${carryAt(shapes.carry.state + c)};`)}
        failed = ${carryAt(shapes.carry.failed)};
      } else {
        ${each(d, (c) => `z[${c}] = ${keptAt(shapes, 'job.start - 2u', c)};`)}
        failed = ${carryAt(shapes.carry.failed)};
      }
      reach(job.first, &z, &failed);
      for (var k = job.first; k < job.end; k++) {
        let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
        let h = given[step_at];
        ${step ?? ''}
        reach(k + 1u, &z, &failed);
      }
      if (split == 0u) {
        ${each(d, (c) => `${carryAt(shapes.carry.state + c)} = z[${c}];`)}
        ${carryAt(shapes.carry.failed)} = failed;
      }
    `)}
  `;
  return shader(
    'tracers.forward',
    'Tracers forward through the steps of a dispatch.',
    [
      { buffer: 'given', access: 'read' },
      { buffer: 'plan', access: 'read' },
      { buffer: 'path', access: 'read' },
      { buffer: 'image', access: 'read' },
      { buffer: 'carry', access: 'read_write' },
      { buffer: 'held', access: 'read_write' },
      { buffer: 'kept', access: 'read_write' },
    ],
    body,
  );
}

/** `reach(point, z, failed)`: what is done at a grid point. */
function passFunction(shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  return code`
    // At a grid point: is the state finite, and is it kept?
    fn reach(point: u32, z: ptr<function, array<f32, ${d}>>, failed: ptr<function, f32>) {
      if (*failed == 0f && (${each(d, (c) => `not_finite((*z)[${c}])`).join(' || ')})) {
        *failed = f32(point + 1u);
      }
      let n = plan[job.kept_at + point];
      if (n != 0xffffffffu && split == 0u) {
        ${each(d, (c) => `${keptAt(shapes, 'n', c)} = (*z)[${c}];`)}
      }
    }
  `;
}

/** z ← z after a step: one call of the flow for all stages, so that a shader holds one loop over pairs. */
function forwardStep(statements: readonly Statement[], shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const { stages, after } = stagesOf(statements, 'flow');
  const r = registers((bank, c) => (bank === 'z' ? `z[${c}]` : null), 'assign');
  const parts = stages.map(({ before, flow }) => {
    const lines = before.flatMap((s) => combineLines(s, r));
    const slots = new Set(before.map((s) => s.target.bank).filter((b) => slotOf(b) !== null));
    const start = code`
      ${lines}
      if (split == 0u) {
        ${[...slots].flatMap((b) => each(d, (c) => `${heldAt(shapes, slotOf(b) ?? 0, c)} = ${r.read(b, c)};`))}
      }
      time = ${timeOf(shapes, flow.fraction)};
      source = ${pathAt(shapes, 'k', flow.slot)};
      state = ${arrayOf(r, `slot${flow.slot}`, d)};
    `;
    return { start, end: fromArray(r, flow.slope, d, 'f').join('\n') };
  });
  const last = after.flatMap((s) => combineLines(s, r));
  return code`
    ${r.written().map((w) => `var ${w.name} = 0f;`)}
    var time = 0f;
    var source = 0u;
    var state = array<f32, ${d}>();
    for (var stage = 0u; stage < job.stages; stage++) {
      ${casesOf(
        'stage',
        parts.map((p) => p.start),
      )}
      let f = flow(time, source, state);
      ${casesOf(
        'stage',
        parts.map((p) => p.end),
      )}
    }
    ${last}
    ${each(d, (c) => `z[${c}] = ${r.read("z'", c)};`)}
  `;
}

/** `flow(time, source, z)`: d/dt of all components. */
function flowFunction(kernel: Kernel, shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const slope = kernel.planes.find((p) => p.bank === 'slope')?.values ?? [];
  const body = {
    kernel,
    site: tracerSite(shapes, ofStage),
    needed: neededBy(kernel, slope),
    scatter: () => null,
  };
  return code`
    fn flow(time: f32, source: u32, z: array<f32, ${d}>) -> array<f32, ${d}> {
      ${rowSteps(body, shapes.tracerCrew)}
      return array<f32, ${d}>(${slope.map((v) => operand(kernel, v)).join(', ')});
    }
  `;
}

export function tracersBackward(program: Program, shapes: Shapes): Shader | null {
  const group = program.tracers;
  const d = shapes.tracers.stateComponents;
  if (group === null || d === 0 || !program.wants.any) return null;
  const vjp = group.flowVjp === null ? null : lower(group.flowVjp, program.layout.of('tracers'));
  const step = vjp === null ? '' : backwardStep(group.step?.backward ?? [], shapes);
  const accumulated = accumulatedBy(group, vjp, shapes);
  const body = code`
    ${tracerPlace(shapes)}
    ${accumulated.map((a) => `var<private> ${a.name}: f32;`)}

    ${vjp === null ? '' : vjpFunction(vjp, shapes)}

    ${entry(code`
      if (group >= job.units) { return; }
      place(group);
      var λ = array<f32, ${d}>();
      ${accumulated.map((a) => `${a.name} = ${carryAt(a.component)};`)}
      if (job.end < job.steps || job.start == 1u) {
        ${each(d, (c) => `λ[${c}] = ${carryAt(shapes.carry.cotangent + c)};`)}
      } else {
        let n = plan[job.kept_at + job.end];
        if (n != 0xffffffffu) {
          ${each(d, (c) => `λ[${c}] = ${keptAt(shapes, 'n + job.points', c)};`)}
        }
      }
      for (var left = job.end; left > job.first; left--) {
        let k = left - 1u;
        let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
        let h = given[step_at];
        ${step}
        let n = plan[job.kept_at + k];
        if (n != 0xffffffffu) {
          ${each(d, (c) => `λ[${c}] += ${keptAt(shapes, 'n + job.points', c)};`)}
        }
      }
      if (split == 0u) {
        ${each(d, (c) => `${carryAt(shapes.carry.cotangent + c)} = λ[${c}];`)}
        ${accumulated.map((a) => `${carryAt(a.component)} = ${a.name};`)}
      }
    `)}
  `;
  return shader(
    'tracers.backward',
    'Tracers backward through the steps of a dispatch: λ, and what rows leave for everybody.',
    [
      { buffer: 'given', access: 'read' },
      { buffer: 'plan', access: 'read' },
      { buffer: 'path', access: 'read' },
      { buffer: 'image', access: 'read' },
      { buffer: 'carry', access: 'read_write' },
      { buffer: 'held', access: 'read' },
      { buffer: 'kept', access: 'read' },
      { buffer: 'gamma', access: 'read_write' },
    ],
    body,
  );
}

/** λ ← λ before a step, likewise. */
function backwardStep(statements: readonly Statement[], shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const { stages, after } = stagesOf(statements, 'flow-vjp');
  const r = registers((bank, c) => (bank === 'λ' ? `λ[${c}]` : null), 'assign');
  const parts = stages.map(({ before, flow }) => ({
    start: code`
    ${before.flatMap((s) => combineLines(s, r))}
    time = ${timeOf(shapes, flow.fraction)};
    source = ${pathAt(shapes, 'k', flow.slot)};
    state = array<f32, ${d}>(${each(d, (c) => heldAt(shapes, flow.slot, c)).join(', ')});
    κ = ${arrayOf(r, flow.cotangent, d)};
  `,
    end: fromArray(r, flow.result, d, 'f').join('\n'),
  }));
  const last = after.flatMap((s) => combineLines(s, r));
  return code`
    ${r.written().map((w) => `var ${w.name} = 0f;`)}
    var time = 0f;
    var source = 0u;
    var state = array<f32, ${d}>();
    var κ = array<f32, ${d}>();
    for (var stage = 0u; stage < job.stages; stage++) {
      ${casesOf(
        'stage',
        parts.map((p) => p.start),
      )}
      let f = flow_vjp(group, time, source, state, κ);
      ${casesOf(
        'stage',
        parts.map((p) => p.end),
      )}
    }
    ${last}
    ${r
      .written()
      .filter((w) => w.bank === 'λ')
      .map((w) => `λ[${w.component}] = ${w.name};`)}
  `;
}

/** The slot that a bank is, or null. */
export function slotOf(bank: string): number | null {
  const slot = /^slot(\d+)$/.exec(bank)?.[1];
  return slot === undefined ? null : Number(slot);
}

/** Sums of a row over time, beside λ. */
export interface Accumulated {
  readonly name: string;
  /** In `carry`. */
  readonly component: number;
}

export const constantName = (c: number): string => `constant_${c}`;
export const paramName = (c: number): string => `θ_${c}`;

function accumulatedBy(group: GroupProgram, kernel: Kernel | null, shapes: Shapes): readonly Accumulated[] {
  if (kernel === null) return [];
  const constants = kernel.planes.some((p) => p.bank === 'constant') ? group.constantComponents : 0;
  return [
    ...each(constants, (c) => ({ name: constantName(c), component: shapes.carry.constants + c })),
    ...[...new Set(kernel.rowSums.map((s) => s.component))].map((c) => ({
      name: paramName(c),
      component: shapes.carry.params + c,
    })),
  ];
}

/** `flow_vjp(group, time, source, z, κ)`: ζ; Γ and the row's sums are added to where they are kept. */
function vjpFunction(kernel: Kernel, shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const plane = (bank: string): readonly number[] => kernel.planes.find((p) => p.bank === bank)?.values ?? [];
  const state = plane('state');
  return code`
    fn flow_vjp(group: u32, time: f32, source: u32, z: array<f32, ${d}>, κ: array<f32, ${d}>) -> array<f32, ${d}> {
      ${tracerTranspose(kernel, shapes, tracerSite(shapes, ofStage), () => 'source')}
      return array<f32, ${d}>(${state.map((v) => operand(kernel, v)).join(', ')});
    }
  `;
}

/**
 * The body of a transposed row function of tracers: values, sums of the row, and the passes that sum over rows.
 * `gammaAt` is where Γ of the sources' state, now or at a moment, lies within a partial.
 */
export function tracerTranspose(
  kernel: Kernel,
  shapes: Shapes,
  site: ReturnType<typeof tracerSite>,
  gammaAt: (moment: string | undefined) => string,
): string {
  const plane = (bank: string): readonly number[] => kernel.planes.find((p) => p.bank === bank)?.values ?? [];
  const roots = [
    ...kernel.planes.flatMap((p) => p.values),
    ...kernel.rowSums.map((s) => s.value),
    ...readByPasses(kernel),
  ];
  const body = { kernel, site, needed: neededBy(kernel, roots), scatter: () => null };
  return code`
    ${rowSteps(body, shapes.tracerCrew)}
    ${plane('constant').map((v, c) => `${constantName(c)} += ${operand(kernel, v)};`)}
    ${kernel.rowSums.map((s) => `${paramName(s.component)} += ${operand(kernel, s.value)};`)}
    ${tracerPasses(kernel, shapes, site, gammaAt)}
  `;
}

function tracerPasses(
  kernel: Kernel,
  shapes: Shapes,
  site: ReturnType<typeof tracerSite>,
  gammaAt: (moment: string | undefined) => string,
): readonly string[] {
  const { rows } = shapes.tracerCrew;
  return passesOf(kernel).map((pass) => {
    const over = pass.chain.find((l) => l.id === pass.target)?.loop.over ?? 'sources';
    const size = chunkRows(handedOver(kernel, pass).length, rows);
    return transposedPass(kernel, pass, {
      site,
      parts: partsFor(site.rowsOf(over), size),
      rows,
      groups: null,
      stage: (chunk, count, values) => code`
        let mine = lane % ${whole(rows)};
        if (split == 0u && mine >= ${chunk} && mine < ${chunk} + ${whole(count)}) {
          ${storeVectors(
            'tile',
            `(mine - ${chunk})`,
            values.map((v) => operand(kernel, v)),
          )}
        }
      `,
      add: (table, column, index, value) =>
        `gamma[${gammaPlace(shapes, table, column, index, gammaAt)}] += ${value};`,
    });
  });
}

/** Where the gradient of a bound row's column lies in `gamma`, in the partial of workgroup or leaf `group`. */
export function gammaPlace(
  shapes: Shapes,
  table: string,
  column: number,
  index: string,
  gammaAt: (moment: string | undefined) => string,
): string {
  const [name = '', moment] = table.split('@');
  if (name === 'sources.state') {
    return `group * job.partial + ${gammaAt(moment)} + ${index} * ${whole(shapes.sources.stateComponents)} + ${whole(column)}`;
  }
  const columns =
    name === 'sources.constant'
      ? shapes.sources.constantComponents
      : (shapes.sets.find((s) => `${s.name}.constant` === name)?.columns ?? 1);
  return `group * job.partial + job.tail + ${whole(tailOffset(shapes, name) + column)} + ${index} * ${whole(columns)}`;
}

export function each<T>(count: number, make: (c: number) => T): T[] {
  return Array.from({ length: count }, (_, c) => make(c));
}
