/**
 * How tracers go through time: one shader forward and one backward, the loop over steps inside.
 *
 * Forward, a row's state stays in registers; states at slots are held for the way back, states at kept points for the
 * terms. Backward, λ stays in registers, terms' seeds are added at kept points, and after each transposed flow the
 * workgroup turns its loops around and sums Γ over its rows.
 */
import type { Kernel } from '../ir/kernel.ts';
import { lower } from '../lower/lower.ts';
import type { Program, Statement } from '../sweep/program.ts';
import { code, plus, whole } from './code.ts';
import { type Crew, crewWithRows, suffixes } from './crew.ts';
import { neededBy, numbersHeld, operand, rowSteps, storeVectors } from './row-body.ts';
import { entry, type Shader, shader } from './shader.ts';
import { type Shapes, stepNumbers, tailOffset } from './shapes.ts';
import { carryAt, heldAt, keptAt, ofStage, pathAt, timeOf, tracerPlace, tracerSite } from './sites.ts';
import { arrayOf, casesOf, combineLines, registers, stagesOf } from './statements.ts';
import {
  boundRowsEach,
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
  const crew = crewOfKernel(shapes, flow, 2 * d);
  const own = suffixes(crew);
  const step = flow === null ? null : forwardStep(group.step?.forward ?? [], flow, crew, shapes);
  const body = code`
    ${tracerPlace(shapes, crew)}

    ${passFunction(shapes)}

    ${entry(code`
      if (group >= job.units) { return; }
      place(group);
      // failed: one more than the grid point at which the state was first not finite; 0: never.
      ${own.flatMap((s) => [`var state${s} = array<f32, ${d}>();`, `var failed${s} = 0f;`])}
      if (job.start == 0u) {
        ${own.flatMap((s) => each(d, (c) => `state${s}[${c}] = image[image_at${s} + ${whole(c * 256)}];`))}
      } else if (job.start == 1u) {
        ${own.flatMap((s) => each(d, (c) => `state${s}[${c}] = ${carryAt(shapes.carry.state + c, s)};`))}
        ${own.map((s) => `failed${s} = ${carryAt(shapes.carry.failed, s)};`)}
      } else {
        ${own.flatMap((s) => each(d, (c) => `state${s}[${c}] = ${keptAt(shapes, 'job.start - 2u', c, s)};`))}
        ${own.map((s) => `failed${s} = ${carryAt(shapes.carry.failed, s)};`)}
      }
      ${own.map((s) => `reach(job.first, row${s}, &state${s}, &failed${s});`)}
      for (var k = job.first; k < job.end; k++) {
        let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
        let h = given[step_at];
        ${step ?? ''}
        ${own.map((s) => `reach(k + 1u, row${s}, &state${s}, &failed${s});`)}
      }
      if (split == 0u) {
        ${own.flatMap((s) => [...each(d, (c) => `${carryAt(shapes.carry.state + c, s)} = state${s}[${c}];`), `${carryAt(shapes.carry.failed, s)} = failed${s};`])}
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
    crew.threads,
  );
}

/** How a sweep's threads share rows: by what a row keeps in registers, `beside` what its flow reads and sums. */
export function crewOfKernel(shapes: Shapes, kernel: Kernel | null, beside: number): Crew {
  const held = kernel === null ? 0 : numbersHeld(kernel);
  return crewWithRows(shapes.tracerCrew, shapes.tracers.rows, held + beside, shapes.rowsForTwo);
}

/** `reach(point, row, z, failed)`: what is done at a grid point. */
function passFunction(shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  return code`
    // At a grid point: is the state finite, and is it kept?
    fn reach(point: u32, row: u32, z: ptr<function, array<f32, ${d}>>, failed: ptr<function, f32>) {
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

/** state ← the state after a step: the flow stands once for all stages, so that a shader holds one loop over pairs. */
function forwardStep(statements: readonly Statement[], kernel: Kernel, crew: Crew, shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const own = suffixes(crew);
  const { stages, after } = stagesOf(statements, 'flow');
  const slope = kernel.planes.find((p) => p.bank === 'slope')?.values ?? [];
  const body = {
    kernel,
    site: tracerSite(shapes, ofStage),
    needed: neededBy(kernel, slope),
    scatter: () => null,
  };
  const rows = own.map((s) => {
    const r = registers((bank, c) => (bank === 'z' ? `state${s}[${c}]` : null), 'assign', s);
    const parts = stages.map(({ before, flow }) => {
      const lines = before.flatMap((x) => combineLines(x, r));
      const slots = new Set(before.map((x) => x.target.bank).filter((b) => slotOf(b) !== null));
      const start = code`
        ${lines}
        if (split == 0u) {
          ${[...slots].flatMap((b) => each(d, (c) => `${heldAt(shapes, slotOf(b) ?? 0, c, s)} = ${r.read(b, c)};`))}
        }
        z${s} = ${arrayOf(r, `slot${flow.slot}`, d)};
      `;
      const end = slope.map((v, c) => r.write(flow.slope, c, operand(kernel, v, s))).join('\n');
      return { start, end };
    });
    const last = after.flatMap((x) => combineLines(x, r));
    return {
      parts,
      last: [...last, ...each(d, (c) => `state${s}[${c}] = ${r.read("z'", c)};`)],
      written: r.written(),
    };
  });
  return code`
    ${rows.flatMap((row) => row.written.map((w) => `var ${w.name} = 0f;`))}
    var time = 0f;
    var source = 0u;
    ${own.map((s) => `var z${s} = array<f32, ${d}>();`)}
    for (var stage = 0u; stage < job.stages; stage++) {
      ${casesOf(
        'stage',
        stages.map(
          ({ flow }, n) => code`
            ${rows.map((row) => row.parts[n]?.start ?? '')}
            time = ${timeOf(shapes, flow.fraction)};
            source = ${pathAt(shapes, 'k', flow.slot)};
          `,
        ),
      )}
      ${rowSteps(body, crew)}
      ${casesOf(
        'stage',
        stages.map((_, n) => rows.map((row) => row.parts[n]?.end ?? '').join('\n')),
      )}
    }
    ${rows.flatMap((row) => row.last)}
  `;
}

export function tracersBackward(program: Program, shapes: Shapes): Shader | null {
  const group = program.tracers;
  const d = shapes.tracers.stateComponents;
  if (group === null || d === 0 || !program.wants.any) return null;
  const vjp = group.flowVjp === null ? null : lower(group.flowVjp, program.layout.of('tracers'));
  const accumulated = accumulatedBy(vjp, shapes);
  const crew = crewOfKernel(shapes, vjp, d + accumulated.length);
  const own = suffixes(crew);
  const step = vjp === null ? '' : backwardStep(group.step?.backward ?? [], vjp, crew, shapes);
  const body = code`
    ${tracerPlace(shapes, crew)}
    ${own.flatMap((s) => accumulated.map((a) => `var<private> ${a.name}${s}: f32;`))}

    ${entry(code`
      if (group >= job.units) { return; }
      place(group);
      ${own.map((s) => `var λ${s} = array<f32, ${d}>();`)}
      ${own.flatMap((s) => accumulated.map((a) => `${a.name}${s} = ${carryAt(a.component, s)};`))}
      if (job.end < job.steps || job.start == 1u) {
        ${own.flatMap((s) => each(d, (c) => `λ${s}[${c}] = ${carryAt(shapes.carry.cotangent + c, s)};`))}
      } else {
        let n = plan[job.kept_at + job.end];
        if (n != 0xffffffffu) {
          ${own.flatMap((s) => each(d, (c) => `λ${s}[${c}] = ${keptAt(shapes, 'n + job.points', c, s)};`))}
        }
      }
      for (var left = job.end; left > job.first; left--) {
        let k = left - 1u;
        let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
        let h = given[step_at];
        ${step}
        let n = plan[job.kept_at + k];
        if (n != 0xffffffffu) {
          ${own.flatMap((s) => each(d, (c) => `λ${s}[${c}] += ${keptAt(shapes, 'n + job.points', c, s)};`))}
        }
      }
      if (split == 0u) {
        ${own.flatMap((s) => [
          ...each(d, (c) => `${carryAt(shapes.carry.cotangent + c, s)} = λ${s}[${c}];`),
          ...accumulated.map((a) => `${carryAt(a.component, s)} = ${a.name}${s};`),
        ])}
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
    crew.threads,
  );
}

/** λ ← λ before a step, likewise. */
function backwardStep(statements: readonly Statement[], kernel: Kernel, crew: Crew, shapes: Shapes): string {
  const d = shapes.tracers.stateComponents;
  const own = suffixes(crew);
  const { stages, after } = stagesOf(statements, 'flow-vjp');
  const ζ = kernel.planes.find((p) => p.bank === 'state')?.values ?? [];
  const rows = own.map((s) => {
    const r = registers((bank, c) => (bank === 'λ' ? `λ${s}[${c}]` : null), 'assign', s);
    const parts = stages.map(({ before, flow }) => ({
      start: code`
        ${before.flatMap((x) => combineLines(x, r))}
        z${s} = array<f32, ${d}>(${each(d, (c) => heldAt(shapes, flow.slot, c, s)).join(', ')});
        κ${s} = ${arrayOf(r, flow.cotangent, d)};
      `,
      end: ζ.map((v, c) => r.write(flow.result, c, operand(kernel, v, s))).join('\n'),
    }));
    const last = after.flatMap((x) => combineLines(x, r));
    const ofλ = r.written().filter((w) => w.bank === 'λ');
    return {
      parts,
      last: [...last, ...ofλ.map((w) => `λ${s}[${w.component}] = ${w.name};`)],
      written: r.written(),
    };
  });
  return code`
    ${rows.flatMap((row) => row.written.map((w) => `var ${w.name} = 0f;`))}
    var time = 0f;
    var source = 0u;
    ${own.flatMap((s) => [`var z${s} = array<f32, ${d}>();`, `var κ${s} = array<f32, ${d}>();`])}
    for (var stage = 0u; stage < job.stages; stage++) {
      ${casesOf(
        'stage',
        stages.map(
          ({ flow }, n) => code`
            ${rows.map((row) => row.parts[n]?.start ?? '')}
            time = ${timeOf(shapes, flow.fraction)};
            source = ${pathAt(shapes, 'k', flow.slot)};
          `,
        ),
      )}
      ${tracerTranspose(kernel, shapes, crew, tracerSite(shapes, ofStage), () => 'source')}
      ${casesOf(
        'stage',
        stages.map((_, n) => rows.map((row) => row.parts[n]?.end ?? '').join('\n')),
      )}
    }
    ${rows.flatMap((row) => row.last)}
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

const constantName = (c: number): string => `constant_${c}`;
const paramName = (c: number): string => `θ_${c}`;

/** What a kernel adds to of a row: gradients of its constants and of the parameters. */
export function accumulatedBy(kernel: Kernel | null, shapes: Shapes): readonly Accumulated[] {
  if (kernel === null) return [];
  const constants = kernel.planes.some((p) => p.bank === 'constant') ? shapes.tracers.constantComponents : 0;
  return [
    ...each(constants, (c) => ({ name: constantName(c), component: shapes.carry.constants + c })),
    ...[...new Set(kernel.rowSums.map((s) => s.component))].map((c) => ({
      name: paramName(c),
      component: shapes.carry.params + c,
    })),
  ];
}

/**
 * The body of a transposed row function of tracers: values, sums of the row, and the passes that sum over rows.
 * `gammaAt` is where Γ of the sources' state, now or at a moment, lies within a partial.
 */
export function tracerTranspose(
  kernel: Kernel,
  shapes: Shapes,
  crew: Crew,
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
    ${rowSteps(body, crew)}
    ${suffixes(crew).flatMap((s) => [
      ...plane('constant').map((v, c) => `${constantName(c)}${s} += ${operand(kernel, v, s)};`),
      ...kernel.rowSums.map((sum) => `${paramName(sum.component)}${s} += ${operand(kernel, sum.value, s)};`),
    ])}
    ${tracerPasses(kernel, shapes, crew, site, gammaAt)}
  `;
}

function tracerPasses(
  kernel: Kernel,
  shapes: Shapes,
  crew: Crew,
  site: ReturnType<typeof tracerSite>,
  gammaAt: (moment: string | undefined) => string,
): readonly string[] {
  const { rows, threads } = crew;
  const apart = rows / crew.each;
  return passesOf(kernel).map((pass) => {
    const over = pass.chain.find((l) => l.id === pass.target)?.loop.over ?? 'sources';
    const size = chunkRows(handedOver(kernel, pass).length, rows, threads);
    const bound = site.rowsOf(over);
    const eachBound = boundRowsEach(kernel, pass, bound);
    return transposedPass(kernel, pass, {
      site,
      threads,
      parts: partsFor(Math.ceil(bound / eachBound), size, threads),
      each: eachBound,
      turns: crew.turns,
      rows,
      groups: null,
      stage: (chunk, count, values) =>
        suffixes(crew)
          .map(
            (s, r) => code`
              let mine${s} = ${plus(`lane % ${whole(apart)}`, r * apart)};
              if (split == 0u && mine${s} >= ${chunk} && mine${s} < ${chunk} + ${whole(count)}) {
                ${storeVectors(
                  'tile',
                  `(mine${s} - ${chunk})`,
                  values.map((v) => operand(kernel, v, s)),
                )}
              }
            `,
          )
          .join('\n'),
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
