/**
 * How the sources go through time, forward and backward, in terms of banks in memory.
 *
 * Each stage of a step is combined from banks, then every source computes its flow, reading the states of all; backward
 * it transposes its flow and leaves what the passes need, which then sum what sources add to one another. Each leaf of
 * the tree has a backward sweep of its own, beside the others.
 */
import type { Kernel, LoopStep, ValueId } from '../ir/kernel.ts';
import { lower } from '../lower/lower.ts';
import type { CombineStatement, Program } from '../sweep/program.ts';
import { code, plus, whole } from './code.ts';
import { type Body, neededBy, operand, rowSteps, storeVectors, valueNumbered } from './row-body.ts';
import type { Shapes } from './shapes.ts';
import { pathAt, sourceSite } from './sites.ts';
import { type SourceSweep, sourceGroups, stageFunction, sweepShaders } from './source-shaders.ts';
import { casesOf, combineLines, type Registers, registers, stagesOf } from './statements.ts';
import { each, gammaPlace, slotOf } from './tracer-sweep.ts';
import { handedOver, type Pass, passesOf, readByPasses, transposedPass } from './transposed-pass.ts';
import { type Workspace, workBanks, workspace } from './workspace.ts';

export function sourcesForward(program: Program, shapes: Shapes): SourceSweep | null {
  const group = program.sources;
  const e = shapes.sources.stateComponents;
  if (group === null || e === 0) return null;
  const flow = group.flow === null ? null : lower(group.flow, program.layout.of('sources'));
  const { stages, after } = stagesOf(flow === null ? [] : (group.step?.forward ?? []), 'flow');
  const work = workspace(shapes);
  work.reserve('z', e);
  work.reserve(workBanks.failed, 1);
  for (const { flow: f } of stages) work.reserve(f.slope, e);
  const next = (r: Registers): string => {
    const z = each(e, (c) => r.read("z'", c));
    return code`
      ${each(e, (c) => `${work.at('z', c)} = ${z[c] ?? ''};`)}
      ${each(e, (c) => `${pathRow(shapes, pathAt(shapes, '(k + 1u)', 0), c)} = ${z[c] ?? ''};`)}
      reach(k + 1u, array<f32, ${e}>(${z.join(', ')}));
    `;
  };
  const parts = [...stages.map((s) => s.before), after];
  const cases = parts.map((part, n) => combined(part, shapes, work, n === stages.length ? next : () => ''));
  return sweepShaders(
    shapes,
    {
      name: 'sources.forward',
      comment: 'Sources forward',
      direction: 'forward',
      bindings: [
        { buffer: 'given', access: 'read' },
        { buffer: 'path', access: 'read_write' },
        { buffer: 'work', access: 'read_write' },
      ],
      stages: stages.length,
      common: code`
        ${stageNumbers(
          shapes,
          stages.map((s) => s.flow),
        )}

        ${flow === null ? '' : flowFunction(flow, shapes)}

        // The state at a grid point: is it finite?
        fn reach(point: u32, z: array<f32, ${e}>) {
          if (${work.at(workBanks.failed, 0)} == 0f && (${each(e, (c) => `not_finite(z[${c}])`).join(' || ')})) {
            ${work.at(workBanks.failed, 0)} = f32(point + 1u);
          }
        }
      `,
      start: code`
        let z = array<f32, ${e}>(${each(e, (c) => `given[${plus(`${whole(shapes.given.start)} + row * ${whole(e)}`, c)}]`).join(', ')});
        if (present) {
          ${each(e, (c) => `${work.at('z', c)} = z[${c}];`)}
          ${each(e, (c) => `${pathRow(shapes, '0u', c)} = z[${c}];`)}
          ${work.at(workBanks.failed, 0)} = 0f;
          reach(0u, z);
        }
      `,
      functions:
        flow === null
          ? []
          : [
              { name: 'combine', body: ofRow(casesOf('stage', cases)), shared: true },
              {
                name: 'advance',
                body: code`
                  let slope = flow(time_of(stage, step_at), source_of(stage, k));
                  ${ofRow(
                    casesOf(
                      'stage',
                      stages.map((s) =>
                        each(e, (c) => `${work.at(s.flow.slope, c)} = slope[${c}];`).join('\n'),
                      ),
                    ),
                  )}
                `,
                shared: false,
              },
            ],
    },
    work.shape(),
  );
}

/** Component c of the own row in the table of the sources' state that begins at `source`. */
function pathRow(shapes: Shapes, source: string, c: number): string {
  const row = `row * ${whole(shapes.sources.stateComponents)}`;
  return `path[${plus(source === '0u' ? row : `${source} + ${row}`, c)}]`;
}

const ofRow = (body: string): string => code`
  if (present) {
    ${body}
  }
`;

/** Statements over banks in memory: read where they live, written back at the end. */
function combined(
  statements: readonly CombineStatement[],
  shapes: Shapes,
  work: Workspace,
  after: (r: Registers) => string,
): string {
  const e = shapes.sources.stateComponents;
  const home = (bank: string, c: number): string => {
    const slot = slotOf(bank);
    return slot === null ? work.at(bank, c) : pathRow(shapes, pathAt(shapes, 'k', slot), c);
  };
  const r = registers(home);
  const lines = statements.flatMap((s) => combineLines(s, r));
  for (const w of r.written()) if (slotOf(w.bank) === null) work.reserve(w.bank, e);
  return code`
    ${lines}
    ${r
      .written()
      .filter((w) => w.bank !== "z'")
      .map((w) => `${home(w.bank, w.component)} = ${w.name};`)}
    ${after(r)}
  `;
}

/** What of a flow depends on its stage: time, and the sources' states. */
function stageNumbers(
  shapes: Shapes,
  flows: readonly { readonly slot: number; readonly fraction: number }[],
): string {
  if (flows.length === 0) return '';
  const size = whole(shapes.sources.rows * shapes.sources.stateComponents);
  return code`
    ${stageFunction(
      'slot_of',
      'u32',
      flows.map((f) => whole(f.slot)),
    )}

    ${stageFunction(
      'number_of_time',
      'u32',
      flows.map((f) => whole(1 + shapes.fractions.indexOf(f.fraction))),
    )}

    fn time_of(stage: u32, step_at: u32) -> f32 {
      return given[step_at + number_of_time(stage)];
    }

    fn source_of(stage: u32, k: u32) -> u32 {
      return (k * ${whole(shapes.slots)} + slot_of(stage)) * ${size};
    }
  `;
}

/** `flow(time, source)`: d/dt of all components of the own row. */
function flowFunction(kernel: Kernel, shapes: Shapes): string {
  const e = shapes.sources.stateComponents;
  const slope = kernel.planes.find((p) => p.bank === 'slope')?.values ?? [];
  const body: Body = {
    kernel,
    site: sourceSite(shapes, 'row'),
    needed: neededBy(kernel, slope),
    scatter: () => null,
  };
  return code`
    fn flow(time: f32, source: u32) -> array<f32, ${e}> {
      let z = array<f32, ${e}>(${each(e, (c) => pathRow(shapes, 'source', c)).join(', ')});
      ${rowSteps(body, shapes.sourceCrew)}
      return array<f32, ${e}>(${slope.map((v) => operand(kernel, v)).join(', ')});
    }
  `;
}

// --- backward ---------------------------------------------------------------------------------------------

export function sourcesBackward(program: Program, shapes: Shapes): SourceSweep | null {
  const group = program.sources;
  const e = shapes.sources.stateComponents;
  if (group === null || e === 0 || !program.wants.any) return null;
  const vjp = group.flowVjp === null ? null : lower(group.flowVjp, program.layout.of('sources'));
  const { stages, after } = stagesOf(vjp === null ? [] : (group.step?.backward ?? []), 'flow-vjp');
  const passes = vjp === null ? [] : passesOf(vjp);
  const work = workspace(shapes);
  reserveBackward(work, shapes, vjp, passes);
  // All threads of a row need κ, and the first of them has it.
  const alone = shapes.sourceCrew.lanes === 1;
  for (const { flow } of stages) {
    work.reserve(flow.cotangent, e, alone ? undefined : 'shared');
    work.reserve(flow.result, e);
  }
  const partner = vjp !== null && passes.some((p) => addsToSources(vjp, p));
  // ζ is complete once the passes and the tracers have added to it; Γ of a point that no flow reads goes to λ itself.
  const completed = (n: number): string => {
    const before = stages[n - 1]?.flow;
    if (before === undefined) return '';
    return each(e, (c) => {
      const added = [
        ...(partner ? [work.at(workBanks.partner, c)] : []),
        gammaOwn(shapes, 'k', before.slot, c),
      ];
      return `${work.at(before.result, c)} += ${added.join(' + ')};`;
    }).join('\n');
  };
  const emptied = partner ? each(e, (c) => `${work.at(workBanks.partner, c)} = 0f;`).join('\n') : '';
  const seeded = stages.some((s) => s.flow.slot === 0);
  const atPoint = seeded
    ? ''
    : each(e, (c) => `${work.at('λ', c)} += ${gammaOwn(shapes, 'k', 0, c)};`).join('\n');
  const parts = [...stages.map((s) => s.before), after];
  const cases = parts.map(
    (part, n) => code`
    ${completed(n)}
    ${n < stages.length ? emptied : ''}
    ${combined(part, shapes, work, () => (n === stages.length ? atPoint : ''))}
  `,
  );
  const ofStage = (line: (flow: (typeof stages)[number]['flow'], c: number) => string): string =>
    casesOf(
      'stage',
      stages.map((s) => each(e, (c) => line(s.flow, c)).join('\n')),
    );
  const transpose = code`
    var κ = array<f32, ${e}>();
    ${ofStage((flow, c) => `κ[${c}] = ${work.at(flow.cotangent, c)};`)}
    let ζ = flow_vjp(time_of(stage, step_at), source_of(stage, k), κ);
    ${ofRow(ofStage((flow, c) => `${work.at(flow.result, c)} = ζ[${c}];`))}
  `;
  return sweepShaders(
    shapes,
    {
      name: 'sources.backward',
      comment: 'Sources backward, a sweep a leaf',
      direction: 'backward',
      bindings: [
        { buffer: 'given', access: 'read' },
        { buffer: 'path', access: 'read' },
        { buffer: 'gamma', access: 'read_write' },
        { buffer: 'work', access: 'read_write' },
      ],
      stages: stages.length,
      common: code`
        ${stageNumbers(
          shapes,
          stages.map((s) => s.flow),
        )}

        ${vjp === null ? '' : vjpFunction(vjp, passes, shapes, work)}

        ${vjp === null || passes.length === 0 ? '' : passFunction(vjp, passes, shapes, work)}
      `,
      start: ofRow(code`
        ${each(e, (c) => `${work.at('λ', c)} = ${gammaOwn(shapes, 'job.steps', 0, c)};`)}
        ${each(shapes.sources.constantComponents, (c) => `${work.at(workBanks.constants, c)} = 0f;`)}
        ${each(shapes.paramComponents, (c) => `${work.at(workBanks.params, c)} = 0f;`)}
      `),
      functions: [
        { name: 'combine', body: ofRow(casesOf('stage', cases)), shared: !alone },
        ...(stages.length === 0 ? [] : [{ name: 'transpose_rows', body: transpose, shared: true }]),
        ...(stages.length === 0 || passes.length === 0
          ? []
          : [
              {
                name: 'sum_rows',
                body: 'flow_passes(leaf, part, time_of(stage, step_at), source_of(stage, k));',
                shared: true,
              },
            ]),
      ],
    },
    work.shape(),
  );
}

/** What the gradient is made of comes first. */
function reserveBackward(work: Workspace, shapes: Shapes, vjp: Kernel | null, passes: readonly Pass[]): void {
  work.reserve('λ', shapes.sources.stateComponents);
  work.reserve(workBanks.constants, shapes.sources.constantComponents);
  work.reserve(workBanks.params, shapes.paramComponents);
  if (vjp === null) return;
  for (const p of shapes.pairs)
    work.reserve(workBanks.pairs(p.name), shapes.sources.rows * p.width, 'shared');
  work.reserve(workBanks.partner, shapes.sources.stateComponents);
  for (const [n, pass] of passes.entries()) {
    work.reserve(workBanks.handed(n), handedOver(vjp, pass).length, 'shared');
  }
}

const addsToSources = (kernel: Kernel, pass: Pass): boolean =>
  pass.scatters.some((s) => kernel.tables[s.target.table]?.name === 'sources.state');

/** Γ of the own row at a slot of a step. */
function gammaOwn(shapes: Shapes, step: string, slot: number, c: number): string {
  const row = `row * ${whole(shapes.sources.stateComponents)}`;
  return `gamma[${plus(`leaf * job.partial + ${pathAt(shapes, step, slot)} + ${row}`, c)}]`;
}

/**
 * `flow_vjp(time, source, κ)`: ζ of the own row; and into their banks sums of the row, weights, and what is handed over to the
 * passes.
 */
function vjpFunction(kernel: Kernel, passes: readonly Pass[], shapes: Shapes, work: Workspace): string {
  const e = shapes.sources.stateComponents;
  const plane = (bank: string): readonly ValueId[] =>
    kernel.planes.find((p) => p.bank === bank)?.values ?? [];
  const ofPairs = kernel.steps.flatMap((s) => (s.kind === 'loop' ? pairScatters(s) : []));
  const body: Body = {
    kernel,
    site: sourceSite(shapes, 'row'),
    needed: neededBy(kernel, [
      ...kernel.planes.flatMap((p) => p.values),
      ...kernel.rowSums.map((s) => s.value),
      ...ofPairs.flatMap((s) => (s.where === null ? [s.value] : [s.value, s.where])),
      ...passes.flatMap((p) => handedOver(kernel, p)),
    ]),
    scatter: (s) => {
      if (s.target.kind !== 'pair') return null;
      const field = kernel.pairs[s.target.pair]?.field ?? '';
      const counts = s.where === null ? 'row_present' : `row_present && ${operand(kernel, s.where)} != 0f`;
      const place = work.pairAt(field, s.target.component, `j${s.target.loop}`);
      return `if (${counts}) { ${place} += ${operand(kernel, s.value)}; }`;
    },
  };
  return code`
    fn flow_vjp(time: f32, source: u32, κ: array<f32, ${e}>) -> array<f32, ${e}> {
      let z = array<f32, ${e}>(${each(e, (c) => pathRow(shapes, 'source', c)).join(', ')});
      ${rowSteps(body, shapes.sourceCrew)}
      if (present) {
        ${plane('constant').map((v, c) => `${work.at(workBanks.constants, c)} += ${operand(kernel, v)};`)}
        ${kernel.rowSums.map((s) => `${work.at(workBanks.params, s.component)} += ${operand(kernel, s.value)};`)}
        ${passes.flatMap((p, n) => handedOver(kernel, p).map((v, i) => `${work.at(workBanks.handed(n), i)} = ${operand(kernel, v)};`))}
      }
      return array<f32, ${e}>(${plane('state')
        .map((v) => operand(kernel, v))
        .join(', ')});
    }
  `;
}

function pairScatters(loop: LoopStep): LoopStep['scatters'] {
  return [
    ...loop.scatters.filter((s) => s.target.kind === 'pair'),
    ...loop.steps.flatMap((s) => (s.kind === 'loop' ? pairScatters(s) : [])),
  ];
}

/** `flow_passes(leaf, part, time, source)`: what sources add to one another, to constants and to sets. */
function passFunction(kernel: Kernel, passes: readonly Pass[], shapes: Shapes, work: Workspace): string {
  const m = shapes.sources.rows;
  const { lanes, threads, turns } = shapes.sourceCrew;
  // What is the same for all sources is computed here again.
  const shared = readByPasses(kernel).filter((id) => !valueNumbered(kernel, id).varies);
  const body: Body = {
    kernel,
    site: sourceSite(shapes, 'row'),
    needed: neededBy(kernel, shared),
    scatter: () => null,
  };
  // A source is added to by the thread that has it, where one workgroup has all: the bank may lie in registers.
  const partner = (column: number, bound: string): string =>
    shapes.sourcesTogether ? work.at(workBanks.partner, column) : work.of(workBanks.partner, column, bound);
  return code`
    fn flow_passes(group: u32, part: u32, time: f32, source: u32) {
      ${rowSteps(body, shapes.sourceCrew)}
      ${passes.map((pass, n) =>
        transposedPass(kernel, pass, {
          site: sourceSite(shapes, 'own'),
          threads,
          parts: lanes,
          each: 1,
          turns,
          rows: m,
          groups: { index: 'part', count: whole(sourceGroups(shapes)) },
          stage: (chunk, size, values) => code`
            if (lane < ${whole(size)}) {
              let mine = min(${chunk} + lane, ${whole(m - 1)});
              ${storeVectors(
                'tile',
                'lane',
                values.map((_, i) => work.of(workBanks.handed(n), i, 'mine')),
              )}
            }
          `,
          add: (table, column, bound, value) =>
            table === 'sources.state'
              ? `${partner(column, bound)} += ${value};`
              : `gamma[${gammaPlace(shapes, table, column, bound, () => '0u')}] += ${value};`,
        }),
      )}
    }
  `;
}
