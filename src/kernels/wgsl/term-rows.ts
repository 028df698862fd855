/**
 * How a term of the loss is evaluated for tracers: one shader for its sums, one for its seeds.
 *
 * Both visit the term's points one after another, with the states that the sweep has kept there. A term that is linear
 * in its sums is one number a workgroup over all points; any other leaves its sums point by point.
 */
import { invariant } from '../../errors.ts';
import { blockRows } from '../block.ts';
import type { Kernel } from '../ir/kernel.ts';
import { lower } from '../lower/lower.ts';
import type { Program, TermProgram, TermRows } from '../sweep/program.ts';
import { code, whole } from './code.ts';
import { type Crew, suffixes } from './crew.ts';
import { recordLength, recordOffset, recordReal, recordWord } from './records.ts';
import { neededBy, operand, rowSteps } from './row-body.ts';
import { entry, type Shader, shader } from './shader.ts';
import type { Shapes } from './shapes.ts';
import { carryAt, keptAt, type Moments, pathAt, tracerPlace, tracerSite } from './sites.ts';
import { accumulatedBy, crewOfKernel, each, tracerTranspose } from './tracer-sweep.ts';

/** Words of a workgroup in `out` before its sums: marks of states, terms and gradients that are not finite, then θ̄. */
export const outParams = 3;

export const outSums = (shapes: Shapes): number => outParams + shapes.paramComponents;

/** What a row of a grid point is called: later points and rows are smaller, so that the first is the largest; 0: none. */
export const mark = (point: string, s = ''): string => `~(${point} * ${whole(blockRows)} + row${s})`;

function momentsOf(shapes: Shapes, term: TermProgram): Moments {
  return {
    source: 'source',
    sourceAt: (m) => pathAt(shapes, recordWord(recordOffset.moment(term, m)), 0),
    slice: recordWord(recordOffset.word('slice')),
  };
}

const siteOf = (shapes: Shapes, term: TermProgram): ReturnType<typeof tracerSite> =>
  tracerSite(shapes, momentsOf(shapes, term), (moment, c, s) =>
    keptAt(shapes, recordWord(recordOffset.moment(term, moment) + 1), c, s),
  );

/** Reads a record: what every term needs. */
function recordLines(shapes: Shapes, term: TermProgram, own: readonly string[] = ['']): string {
  const d = shapes.tracers.stateComponents;
  return code`
    let record = job.records + n * ${whole(recordLength(term))};
    let point = ${recordWord(recordOffset.word('point'))};
    let time = ${recordReal(recordOffset.word('time'))};
    let weight = ${recordReal(recordOffset.word('weight'))};
    let source = ${pathAt(shapes, 'point', 0)};
    ${stateOf(shapes, d, own)}
  `;
}

function stateOf(shapes: Shapes, d: number, own: readonly string[]): string {
  if (d === 0) return '';
  const kept = recordWord(recordOffset.word('kept'));
  return code`
    let kept_here = ${kept};
    ${own.map((s) => `let z${s} = array<f32, ${d}>(${each(d, (c) => keptAt(shapes, 'kept_here', c, s)).join(', ')});`)}
  `;
}

export function termSums(program: Program, shapes: Shapes, term: TermProgram): Shader | null {
  const { rows } = term;
  if (rows === null) return null;
  const kernel = lower(rows.value, program.layout.of('tracers'));
  const values = kernel.planes.find((p) => p.bank === 'terms')?.values ?? [];
  const body = {
    kernel,
    site: siteOf(shapes, term),
    needed: neededBy(kernel, values),
    scatter: () => null,
  };
  const crew = crewOfSums(shapes, rows, kernel);
  const own = suffixes(crew);
  const entryOf = (c: number): string => `group * job.out_words + ${whole(outSums(shapes) + c)} + sum`;
  return shader(
    `${rows.value.name}.sums`,
    'A term of the loss: what tracers add to its sums.',
    termBindings('read_write'),
    code`
      ${tracerPlace(shapes, crew)}

      ${entry(code`
        if (group >= job.units) { return; }
        place(group);
        ${own.map((s) => `let counts${s} = present${s} && split == 0u;`)}
        var failed = 0u;
        var total = 0f;
        for (var n = 0u; n < job.count; n++) {
          ${recordLines(shapes, term, own)}
          let sum = ${recordWord(recordOffset.word('sum'))};
          ${rowSteps(body, crew)}
          ${own.map(
            (s) => code`
              if (counts${s} && (${values.map((v) => `not_finite(${operand(kernel, v, s)})`).join(' || ')})) {
                failed = max(failed, ${mark('point', s)});
              }
            `,
          )}
          ${rows.linear ? own.map((s) => `total += weight * select(0f, ${operand(kernel, values[0] ?? 0, s)}, counts${s});`) : values.map((v, c) => sumOf(rows, c, operand(kernel, v), entryOf(c)))}
        }
        ${rows.linear ? linearTotal(shapes) : ''}
        let worst = max_all(failed);
        if (lane == 0u) {
          out[group * job.out_words + 1u] = max(out[group * job.out_words + 1u], worst);
        }
      `)}
    `,
    crew.threads,
  );
}

/** A thread has several rows where what they leave is one sum: anything else is reduced a row a thread. */
function crewOfSums(shapes: Shapes, { linear }: TermRows, kernel: Kernel): Crew {
  if (!linear) return shapes.tracerCrew;
  return crewOfKernel(shapes, kernel, shapes.tracers.stateComponents);
}

function linearTotal(shapes: Shapes): string {
  return code`
    let all = sum_all(total);
    if (lane == 0u && job.count > 0u) {
      let sum = plan[job.records + ${whole(recordOffset.word('sum'))}];
      out[group * job.out_words + ${whole(outSums(shapes))} + sum] = bitcast<u32>(all);
    }
  `;
}

/** One sum at one point: its value, and for min and max the row that attains it. */
function sumOf({ by }: TermRows, c: number, value: string, place: string): string {
  const reduction = by[c];
  invariant(reduction !== undefined, 'every component is reduced');
  if (reduction === 'sum') {
    return code`
      let all${c} = sum_all(select(0f, ${value}, counts));
      if (lane == 0u) { out[${place}] = bitcast<u32>(all${c}); }
    `;
  }
  return code`
    let best${c} = best_${reduction}(${value}, select(0xffffffffu, number, counts));
    if (lane == 0u) {
      out[${place}] = bitcast<u32>(best${c}.value);
      out[${place} + job.sums] = best${c}.row;
    }
  `;
}

export function termSeeds(program: Program, shapes: Shapes, term: TermProgram): Shader | null {
  const vjp = term.rows?.vjp ?? null;
  if (term.rows === null || vjp === null) return null;
  const kernel = lower(vjp, program.layout.of('tracers'));
  const components = term.rows.by.length;
  const carried = accumulatedBy(kernel, shapes);
  const seedPlanes = [null, ...term.moments].flatMap((moment) => {
    const plane = kernel.planes.find((p) => p.bank === (moment === null ? 'state' : `state@${moment}`));
    if (plane === undefined) return [];
    const kept =
      moment === null
        ? recordWord(recordOffset.word('kept'))
        : recordWord(recordOffset.moment(term, moment) + 1);
    return [
      plane.values.map((v, c) => `${keptAt(shapes, `${kept} + job.points`, c)} += ${operand(kernel, v)};`),
    ];
  });
  return shader(
    `${term.rows.value.name}.seeds`,
    'A term of the loss: its cotangents, and what tracers leave for everybody.',
    [
      ...termBindings('read'),
      { buffer: 'carry', access: 'read_write' },
      { buffer: 'gamma', access: 'read_write' },
    ],
    code`
      ${tracerPlace(shapes)}
      ${carried.map((a) => `var<private> ${a.name}: f32;`)}

      ${entry(code`
        if (group >= job.units) { return; }
        place(group);
        ${carried.map((a) => `${a.name} = ${carryAt(a.component)};`)}
        for (var n = 0u; n < job.count; n++) {
          ${recordLines(shapes, term)}
          let κ = array<f32, ${components}>(${each(components, (c) => cotangent(c)).join(', ')});
          ${tracerTranspose(kernel, shapes, shapes.tracerCrew, siteOf(shapes, term), (moment) =>
            moment === undefined
              ? 'source'
              : pathAt(shapes, recordWord(recordOffset.moment(term, moment)), 0),
          )}
          ${
            seedPlanes.length === 0
              ? ''
              : code`
            if (split == 0u) {
              ${seedPlanes.flat()}
            }
          `
          }
        }
        ${
          carried.length === 0
            ? ''
            : code`
          if (split == 0u) {
            ${carried.map((a) => `${carryAt(a.component)} = ${a.name};`)}
          }
        `
        }
      `)}
    `,
  );
}

/** ∂L/∂(a row's value): the seed; 0 where the row fills up its block, and for min and max but at the winner. */
function cotangent(c: number): string {
  const at = recordOffset.component(c);
  const counts = `(${recordWord(at + 1)} == 0xffffffffu || ${recordWord(at + 1)} == number)`;
  return `select(0f, ${recordReal(at)}, present && ${counts})`;
}

function termBindings(use: 'read' | 'read_write'): Shader['bindings'] {
  return [
    { buffer: 'given', access: 'read' },
    { buffer: 'plan', access: 'read' },
    { buffer: 'path', access: 'read' },
    { buffer: 'image', access: 'read' },
    { buffer: 'kept', access: use === 'read' ? 'read_write' : 'read' },
    ...(use === 'read' ? [] : [{ buffer: 'out', access: 'read_write' } as const]),
  ];
}

/** The values of tracers at the end, into `carry`. */
export function valuesShader(program: Program, shapes: Shapes): Shader | null {
  if (program.values === null) return null;
  const kernel = lower(program.values, program.layout.of('tracers'));
  const d = shapes.tracers.stateComponents;
  const values = (program.values.planes ?? []).flatMap(
    (p) => kernel.planes.find((k) => k.bank === p.name)?.values ?? [],
  );
  const body = {
    kernel,
    site: tracerSite(shapes, { source: 'source', sourceAt: () => 'source', slice: '0u' }),
    needed: neededBy(kernel, values),
    scatter: () => null,
  };
  return shader(
    'values',
    'Values of tracers at the end.',
    [
      { buffer: 'given', access: 'read' },
      { buffer: 'plan', access: 'read' },
      { buffer: 'path', access: 'read' },
      { buffer: 'image', access: 'read' },
      { buffer: 'carry', access: 'read_write' },
    ],
    code`
      ${tracerPlace(shapes)}

      ${entry(code`
        if (group >= job.units) { return; }
        place(group);
        let time = bitcast<f32>(job.at_time);
        let source = ${pathAt(shapes, 'job.steps', 0)};
        ${d === 0 ? '' : `let z = array<f32, ${d}>(${each(d, (c) => carryAt(shapes.carry.state + c)).join(', ')});`}
        ${rowSteps(body, shapes.tracerCrew)}
        if (split == 0u) {
          ${values.map((v, c) => `${carryAt(shapes.carry.values + c)} = ${operand(kernel, v)};`)}
        }
      `)}
    `,
  );
}

/** What rows carried, as one a workgroup: the first state and gradient that are not finite, and θ̄. */
export function collectShader(shapes: Shapes): Shader {
  const { carry, tracers } = shapes;
  const gradient = [
    ...each(tracers.stateComponents, (c) => carryAt(carry.cotangent + c)),
    ...each(tracers.constantComponents, (c) => carryAt(carry.constants + c)),
  ].map((x) => `not_finite(${x})`);
  return shader(
    'collect',
    'What rows carried, as one a workgroup.',
    [
      { buffer: 'plan', access: 'read' },
      { buffer: 'carry', access: 'read' },
      { buffer: 'out', access: 'read_write' },
    ],
    code`
      ${tracerPlace(shapes)}

      ${entry(code`
        if (group >= job.units) { return; }
        place(group);
        let counts = present && split == 0u;
        let at = group * job.out_words;
        let failed = ${carryAt(carry.failed)};
        let state = max_all(select(0u, ${mark('(u32(failed) - 1u)')}, counts && failed > 0f));
        let gradient = max_all(select(0u, ${mark('0u')}, counts && (${gradient.length === 0 ? 'false' : gradient.join(' || ')})));
        if (lane == 0u) {
          out[at] = state;
          out[at + 2u] = gradient;
        }
        ${
          shapes.paramComponents === 0
            ? ''
            : code`
          for (var c = 0u; c < job.params; c++) {
            let sum = sum_all(select(0f, carry[carry_at + (${whole(carry.params)} + c) * 256u], counts));
            if (lane == 0u) { out[at + ${whole(outParams)} + c] = bitcast<u32>(sum); }
          }
        `
        }
      `)}
    `,
  );
}
