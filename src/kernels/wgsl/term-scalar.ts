/**
 * How the part of a term without tracers is evaluated, h(S; Y, θ, t): one row, a workgroup's threads sharing its sums.
 */
import { lower } from '../lower/lower.ts';
import type { Program, TermProgram } from '../sweep/program.ts';
import { code, plus, whole } from './code.ts';
import { scalarCrew } from './crew.ts';
import { recordLength, recordOffset, recordReal, recordWord } from './records.ts';
import { neededBy, operand, rowSteps, storeVectors } from './row-body.ts';
import { entry, type Shader, shader } from './shader.ts';
import type { Shapes } from './shapes.ts';
import { pathAt, scalarSite } from './sites.ts';
import { gammaPlace } from './tracer-sweep.ts';
import { passesOf, readByPasses, transposedPass } from './transposed-pass.ts';

const bindings: Shader['bindings'] = [
  { buffer: 'given', access: 'read' },
  { buffer: 'plan', access: 'read' },
  { buffer: 'path', access: 'read' },
  { buffer: 'out', access: 'read_write' },
];

const siteOf = (shapes: Shapes, term: TermProgram): ReturnType<typeof scalarSite> =>
  scalarSite(shapes, {
    source: 'source',
    sourceAt: (m) => pathAt(shapes, recordWord(recordOffset.moment(term, m)), 0),
    slice: recordWord(recordOffset.word('slice')),
  });

const recordLines = (shapes: Shapes, term: TermProgram): string => code`
  let record = job.records + n * ${whole(recordLength(term))};
  let time = ${recordReal(recordOffset.word('time'))};
  let source = ${pathAt(shapes, recordWord(recordOffset.word('point')), 0)};
  let sums_at = ${whole(shapes.given.fixed)} + ${recordWord(recordOffset.word('sum'))};
`;

export function scalarValue(program: Program, shapes: Shapes, term: TermProgram): Shader | null {
  if (term.scalar === null) return null;
  const kernel = lower(term.scalar.value, program.layout.of('scalar'));
  const [value = 0] = kernel.planes.find((p) => p.bank === 'h')?.values ?? [];
  const body = { kernel, site: siteOf(shapes, term), needed: neededBy(kernel, [value]), scatter: () => null };
  return shader(
    `${term.scalar.value.name}.value`,
    'The part of a term without tracers.',
    bindings,
    code`
      var<private> split: u32;

      ${entry(code`
        split = lane;
        for (var n = 0u; n < job.count; n++) {
          ${recordLines(shapes, term)}
          ${rowSteps(body, scalarCrew)}
          if (lane == 0u) { out[job.values_at + n] = bitcast<u32>(${operand(kernel, value)}); }
        }
      `)}
    `,
  );
}

export function scalarSeeds(program: Program, shapes: Shapes, term: TermProgram): Shader | null {
  const vjp = term.scalar?.vjp ?? null;
  if (term.scalar === null || vjp === null) return null;
  const kernel = lower(vjp, program.layout.of('scalar'));
  const site = siteOf(shapes, term);
  const params = kernel.rowSums.filter((s) => s.target === 'params');
  const seeds = kernel.rowSums.filter((s) => s.target === 'sums');
  const body = {
    kernel,
    site,
    needed: neededBy(kernel, [...kernel.rowSums.map((s) => s.value), ...readByPasses(kernel)]),
    scatter: () => null,
  };
  const gammaAt = (moment: string | undefined): string =>
    moment === undefined ? 'source' : pathAt(shapes, recordWord(recordOffset.moment(term, moment)), 0);
  return shader(
    `${term.scalar.value.name}.seeds`,
    'The part of a term without tracers: its cotangents.',
    [...bindings, { buffer: 'gamma', access: 'read_write' }],
    code`
      var<private> split: u32;

      ${entry(
        code`
        split = lane;
        for (var n = 0u; n < job.count; n++) {
          ${recordLines(shapes, term)}
          let κ = array<f32, 1>(${recordReal(recordOffset.word('weight'))});
          ${rowSteps(body, scalarCrew)}
          if (lane == 0u) {
            ${params.map((s) => {
              const place = `out[${plus('job.params_at', s.component)}]`;
              return `${place} = bitcast<u32>(bitcast<f32>(${place}) + ${operand(kernel, s.value)});`;
            })}
            ${seeds.map((s) => `out[${plus(`job.seeds_at + ${recordWord(recordOffset.word('sum'))}`, s.component)}] = bitcast<u32>(${operand(kernel, s.value)});`)}
          }
          ${passesOf(kernel).map((pass) =>
            transposedPass(kernel, pass, {
              site,
              threads: scalarCrew.threads,
              parts: 1,
              each: 1,
              turns: 1,
              rows: 1,
              groups: null,
              stage: (_, __, values) => code`
                if (lane == 0u) {
                  ${storeVectors(
                    'tile',
                    '0u',
                    values.map((v) => operand(kernel, v)),
                  )}
                }
              `,
              add: (table, column, index, value) =>
                `gamma[${gammaPlace(shapes, table, column, index, gammaAt)}] += ${value};`,
            }),
          )}
        }
      `,
        'job.leaf',
      )}
    `,
  );
}
