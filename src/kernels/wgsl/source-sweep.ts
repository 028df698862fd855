/**
 * How the sources go through time, forward and backward: phases between which all sources wait for one another.
 *
 * A phase is what a source does on its own; it ends where a flow reads the states of all of them. Banks live in
 * memory between phases. One workgroup runs all phases of all steps when it has a thread for every source; otherwise
 * every phase is a dispatch. Backward, each leaf of the tree has a sweep of its own, beside the others.
 */
import { invariant } from '../../errors.ts';
import type { Kernel, ValueId } from '../ir/kernel.ts';
import { lower } from '../lower/lower.ts';
import type { FlowStatement, FlowVjpStatement, Program, Statement } from '../sweep/program.ts';
import { code, whole } from './code.ts';
import { type Body, neededBy, operand, rowSteps, storeVectors, valueOf } from './row-body.ts';
import { entry, type Shader, shader } from './shader.ts';
import { type Shapes, stepNumbers } from './shapes.ts';
import { pathAt, plus, sourceSite, timeOf } from './sites.ts';
import { arrayOf, combineLines, fromArray, type Registers, registers } from './statements.ts';
import { each, gammaPlace } from './tracer-sweep.ts';
import { handedOver, type Pass, passesOf, readByPasses, transposedPass } from './transposed-pass.ts';

/** A sweep of the sources as its host sees it. */
export interface SourceSweep {
  /** One shader that runs all steps of a dispatch, or one a phase: \`start\` first, then \`phases\` for each step. */
  readonly start: Shader;
  readonly phases: readonly Shader[];
  /** Numbers a leaf in \`work\`, and where the parts lie that the host reads. */
  readonly work: WorkShape;
}

/** Offsets of banks in a leaf's part of \`work\`: component c of row r at bank + c · M + r. */
export interface WorkShape {
  readonly banks: ReadonlyMap<string, number>;
  readonly length: number;
}

/** Names of banks that are no bank of a step. */
export const workBanks = {
  failed: 'failed',
  constants: 'constants',
  params: 'θ',
  /** What rows hand over to the passes, and what passes add to the cotangents of other sources. */
  handed: 'handed',
  partner: 'partner',
  pairs: 'pairs',
} as const;

// --- forward ----------------------------------------------------------------------------------------------

export function sourcesForward(program: Program, shapes: Shapes): SourceSweep | null {
  const group = program.sources;
  const e = shapes.sources.stateComponents;
  if (group === null || e === 0) return null;
  const work = workspace(shapes);
  work.reserve('z', e);
  work.reserve(workBanks.failed, 1);
  const flow = group.flow === null ? null : lower(group.flow, program.layout.of('sources'));
  const statements = flow === null ? [] : (group.step?.forward ?? []);
  const phases = phasesOf(statements).map((part, n, all) =>
    forwardPhase(part, n === all.length - 1, shapes, work),
  );
  const functions = code`
    ${sourcePlace(shapes)}

    ${flow === null ? '' : flowFunction(flow, shapes)}

    // The state at a grid point: is it finite?
    fn reach(point: u32, z: array<f32, ${e}>) {
      if (${work.at(workBanks.failed, 0)} == 0f && (${each(e, (c) => `not_finite(z[${c}])`).join(' || ')})) {
        ${work.at(workBanks.failed, 0)} = f32(point + 1u);
      }
    }
  `;
  const start = code`
    fn start() {
      let z = array<f32, ${e}>(${each(e, (c) => `given[${plus(`${whole(shapes.given.start)} + row * ${whole(e)}`, c)}]`).join(', ')});
      if (present) {
        ${each(e, (c) => `${work.at('z', c)} = z[${c}];`)}
        ${each(e, (c) => `path[${plus(`row * ${whole(e)}`, c)}] = z[${c}];`)}
        ${work.at(workBanks.failed, 0)} = 0f;
        reach(0u, z);
      }
    }
  `;
  return sweepShaders('sources.forward', 'Sources forward', shapes, work, functions, start, phases, '', [
    { buffer: 'given', access: 'read' },
    { buffer: 'path', access: 'read_write' },
    { buffer: 'work', access: 'read_write' },
  ]);
}

/** Statements cut before each flow, which reads what all sources have written. */
function phasesOf(statements: readonly Statement[]): readonly (readonly Statement[])[] {
  if (statements.length === 0) return [];
  const phases: Statement[][] = [[]];
  for (const s of statements) {
    if (s.kind === 'flow') phases.push([]);
    phases.at(-1)?.push(s);
  }
  return phases;
}

function forwardPhase(part: readonly Statement[], last: boolean, shapes: Shapes, work: Workspace): string {
  const e = shapes.sources.stateComponents;
  const slotPlace = (slot: number, c: number): string =>
    `path[${plus(`${pathAt(shapes, 'k', slot)} + row * ${whole(e)}`, c)}]`;
  const home = (bank: string, c: number): string => {
    const slot = slotOf(bank);
    if (slot !== null) return slotPlace(slot, c);
    return work.at(bank, c);
  };
  const r = registers(home);
  const lines = part.map((s) => (s.kind === 'combine' ? combineLines(s, r).join('\n') : forwardFlow(s, shapes, r)));
  for (const w of r.written()) if (slotOf(w.bank) === null) work.reserve(w.bank, e);
  const stores = r.written().map((w) => `${home(w.bank, w.component)} = ${w.name};`);
  const next = last
    ? code`
        ${each(e, (c) => `${work.at('z', c)} = ${r.read("z'", c)};`)}
        ${each(e, (c) => `path[${plus(`${pathAt(shapes, '(k + 1u)', 0)} + row * ${whole(e)}`, c)}] = ${r.read("z'", c)};`)}
        reach(k + 1u, array<f32, ${e}>(${each(e, (c) => r.read("z'", c)).join(', ')}));
      `
    : '';
  return code`
    ${lines}
    ${lanesHaveRead(shapes)}
    if (present) {
      ${stores}
      ${next}
    }
  `;
}

/** The threads of a row read its banks before one of them writes. */
const lanesHaveRead = ({ sourceCrew }: Shapes): string => (sourceCrew.lanes > 1 ? 'storageBarrier();' : '');

const slotOf = (bank: string): number | null => {
  const slot = /^slot(\d+)$/.exec(bank)?.[1];
  return slot === undefined ? null : Number(slot);
};

function forwardFlow(s: Statement, shapes: Shapes, r: Registers): string {
  invariant(s.kind === 'flow', 'a forward step holds combinations and flows');
  const e = shapes.sources.stateComponents;
  const { slot, fraction, slope } = s satisfies FlowStatement;
  return code`
    let f${slot} = flow(${timeOf(shapes, fraction)}, ${pathAt(shapes, 'k', slot)}, ${arrayOf(r, `slot${slot}`, e)});
    ${fromArray(r, slope, e, `f${slot}`)}
  `;
}

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
    fn flow(time: f32, source: u32, z: array<f32, ${e}>) -> array<f32, ${e}> {
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
  const work = workspace(shapes);
  const constants = vjp?.planes.some((p) => p.bank === 'constant') === true ? shapes.sources.constantComponents : 0;
  work.reserve('λ', e);
  work.reserve(workBanks.constants, shapes.sources.constantComponents);
  work.reserve(workBanks.params, shapes.paramComponents);
  work.reserve(workBanks.partner, e);
  const passes = vjp === null ? [] : passesOf(vjp);
  for (const [n, pass] of passes.entries()) {
    if (vjp !== null) work.reserve(`${workBanks.handed}${n}`, handedOver(vjp, pass).length);
  }
  const statements = vjp === null ? [] : (group.step?.backward ?? []);
  const seededBySlot = statements.some((s) => s.kind === 'flow-vjp' && s.slot === 0);
  const phases = backwardPhases(statements, vjp, passes, seededBySlot, shapes, work);
  if (vjp !== null) for (const p of shapes.pairs) work.reservePairs(p.name, p.width);
  const functions = code`
    ${sourcePlace(shapes)}

    ${vjp === null ? '' : vjpFunction(vjp, passes, constants, shapes, work)}
    ${vjp === null || passes.length === 0 ? '' : passFunction(vjp, passes, shapes, work)}
  `;
  const start = code`
    fn start(leaf: u32) {
      if (present) {
        ${each(e, (c) => `${work.at('λ', c)} = ${gammaHere(shapes, 'job.steps', 0, c)};`)}
        ${each(shapes.sources.constantComponents, (c) => `${work.at(workBanks.constants, c)} = 0f;`)}
        ${each(shapes.paramComponents, (c) => `${work.at(workBanks.params, c)} = 0f;`)}
      }
    }
  `;
  return sweepShaders('sources.backward', 'Sources backward, a sweep a leaf', shapes, work, functions, start, phases, 'backward', [
    { buffer: 'given', access: 'read' },
    { buffer: 'path', access: 'read' },
    { buffer: 'gamma', access: 'read_write' },
    { buffer: 'work', access: 'read_write' },
  ]);
}

/** Γ of the own row at a slot of a step, of the leaf \`leaf\`. */
function gammaHere(shapes: Shapes, step: string, slot: number, c: number): string {
  const e = shapes.sources.stateComponents;
  return `gamma[${plus(`leaf * job.partial + ${pathAt(shapes, step, slot)} + row * ${whole(e)}`, c)}]`;
}

/**
 * Combinations and rows of one transposed flow, then its passes, and so on; the combinations after the last flow end
 * the step.
 */
function backwardPhases(
  statements: readonly Statement[],
  vjp: Kernel | null,
  passes: readonly Pass[],
  seededBySlot: boolean,
  shapes: Shapes,
  work: Workspace,
): readonly string[] {
  const e = shapes.sources.stateComponents;
  const home = (bank: string, c: number): string => {
    const slot = slotOf(bank);
    if (slot !== null) return `path[${plus(`${pathAt(shapes, 'k', slot)} + row * ${whole(e)}`, c)}]`;
    return work.at(bank, c);
  };
  const hasPartner = vjp !== null && passes.some((p) => p.scatters.some((s) => vjp.tables[s.target.table]?.name === 'sources.state'));
  const out: string[] = [];
  let r = registers(home);
  let lines: string[] = [];
  const close = (extra: readonly string[]): void => {
    for (const w of r.written()) if (slotOf(w.bank) === null) work.reserve(w.bank, e);
    const stores = r.written().map((w) => `${work.at(w.bank, w.component)} = ${w.name};`);
    out.push(code`
      ${lines}
      ${lanesHaveRead(shapes)}
      if (present) {
        ${stores}
        ${extra}
      }
    `);
    r = registers(home);
    lines = [];
  };
  for (const s of statements) {
    if (s.kind === 'combine') {
      lines.push(...combineLines(s, r));
      continue;
    }
    invariant(s.kind === 'flow-vjp', 'a backward step holds no flow');
    const { slot, fraction, cotangent, result } = s satisfies FlowVjpStatement;
    lines.push(code`
      let f${slot} = flow_vjp(${timeOf(shapes, fraction)}, ${pathAt(shapes, 'k', slot)}, ${arrayOf(r, `slot${slot}`, e)}, ${arrayOf(r, cotangent, e)});
    `);
    lines.push(...fromArray(r, result, e, `f${slot}`));
    close(hasPartner ? each(e, (c) => `${work.at(workBanks.partner, c)} = 0f;`) : []);
    if (passes.length > 0) out.push(`flow_passes(leaf, index, ${timeOf(shapes, fraction)}, ${pathAt(shapes, 'k', slot)});`);
    for (let c = 0; c < e; c++) {
      const parts = [
        work.at(result, c),
        ...(hasPartner ? [work.at(workBanks.partner, c)] : []),
        gammaHere(shapes, 'k', slot, c),
      ];
      lines.push(r.write(result, c, parts.join(' + ')));
    }
  }
  if (!seededBySlot) {
    for (let c = 0; c < e; c++) lines.push(r.write('λ', c, `${r.read('λ', c)} + ${gammaHere(shapes, 'k', 0, c)}`));
  }
  close([]);
  return out;
}

/** `flow_vjp(time, source, z, κ)`: ζ; sums of the row, weights, and what is handed over, go to memory. */
function vjpFunction(
  kernel: Kernel,
  passes: readonly Pass[],
  constants: number,
  shapes: Shapes,
  work: Workspace,
): string {
  const e = shapes.sources.stateComponents;
  const plane = (bank: string): readonly ValueId[] => kernel.planes.find((p) => p.bank === bank)?.values ?? [];
  const pairScatters = [...new Set(kernel.steps.flatMap((s) => scattersIn(s)))].filter((s) => s.target.kind === 'pair');
  const body: Body = {
    kernel,
    site: sourceSite(shapes, 'row'),
    needed: neededBy(kernel, [
      ...kernel.planes.flatMap((p) => p.values),
      ...kernel.rowSums.map((s) => s.value),
      ...pairScatters.flatMap((s) => (s.where === null ? [s.value] : [s.value, s.where])),
      ...passes.flatMap((p) => handedOver(kernel, p)),
    ]),
    scatter: (s) => {
      if (s.target.kind !== 'pair') return null;
      const field = kernel.pairs[s.target.pair]?.field ?? '';
      const place = work.pairAt(field, s.target.component, `j${s.target.loop}`);
      const added = `${place} += ${operand(kernel, s.value)};`;
      return s.where === null
        ? `if (row_present) { ${added} }`
        : `if (row_present && ${operand(kernel, s.where)} != 0f) { ${added} }`;
    },
  };
  for (const p of shapes.pairs) work.reservePairs(p.name, p.width);
  const stores = [
    ...plane('constant').map((v, c) => `${work.at(workBanks.constants, c)} += ${operand(kernel, v)};`).slice(0, constants),
    ...kernel.rowSums.map((s) => `${work.at(workBanks.params, s.component)} += ${operand(kernel, s.value)};`),
    ...passes.flatMap((p, n) =>
      handedOver(kernel, p).map((v, i) => `${work.at(`${workBanks.handed}${n}`, i)} = ${operand(kernel, v)};`),
    ),
  ];
  return code`
    fn flow_vjp(time: f32, source: u32, z: array<f32, ${e}>, κ: array<f32, ${e}>) -> array<f32, ${e}> {
      ${rowSteps(body, shapes.sourceCrew)}
      ${stores.length === 0 ? '' : code`
        if (present) {
          ${stores}
        }
      `}
      return array<f32, ${e}>(${plane('state').map((v) => operand(kernel, v)).join(', ')});
    }
  `;
}

function scattersIn(step: Kernel['steps'][number]): Extract<Kernel['steps'][number], { kind: 'loop' }>['scatters'] {
  return step.kind === 'loop' ? [...step.scatters, ...step.steps.flatMap(scattersIn)] : [];
}

/** `flow_passes(leaf, index, time, source)`: what sources add to one another and to sets. */
function passFunction(kernel: Kernel, passes: readonly Pass[], shapes: Shapes, work: Workspace): string {
  const m = shapes.sources.rows;
  const { rows, lanes } = shapes.sourceCrew;
  // What is the same for all sources is computed here again.
  const shared = readByPasses(kernel).filter((id) => !valueOf(kernel, id).varies);
  const body: Body = {
    kernel,
    site: sourceSite(shapes, 'row'),
    needed: neededBy(kernel, shared),
    scatter: () => null,
  };
  return code`
    fn flow_passes(leaf: u32, index: u32, time: f32, source: u32) {
      let group = leaf;
      ${rowSteps(body, shapes.sourceCrew)}
      ${passes.map((pass, n) =>
        transposedPass(kernel, pass, {
          site: sourceSite(shapes, 'own'),
          parts: lanes,
          rows: m,
          groups: { index: 'index', count: whole(Math.ceil(m / rows)) },
          stage: (chunk, size, values) => code`
            if (lane < ${whole(size)}) {
              let mine = min(${chunk} + lane, ${whole(m - 1)});
              ${storeVectors('staged', 'lane', values.map((_, i) => `work[work_at + ${whole(work.offset(`${workBanks.handed}${n}`) + i * m)} + mine]`))}
            }
          `,
          add: (table, column, bound, value) =>
            table === 'sources.state'
              ? `work[work_at + ${whole(work.offset(workBanks.partner) + column * m)} + ${bound}] += ${value};`
              : `gamma[${gammaPlace(shapes, table, column, bound, () => '0u')}] += ${value};`,
        }),
      )}
    }
  `;
}

// --- shaders ----------------------------------------------------------------------------------------------

/** Which source a thread has. */
function sourcePlace(shapes: Shapes): string {
  return code`
    var<private> row: u32;
    // Whether this thread writes what the row leaves, and whether there is such a row.
    var<private> present: bool;
    var<private> row_present: bool;
    var<private> split: u32;
    var<private> work_at: u32;

    fn place(leaf: u32, index: u32) {
      let at = index * ${whole(shapes.sourceCrew.rows)} + lane % ${whole(shapes.sourceCrew.rows)};
      row = min(at, ${whole(shapes.sources.rows - 1)});
      split = lane / ${whole(shapes.sourceCrew.rows)};
      row_present = at < ${whole(shapes.sources.rows)};
      present = row_present && split == 0u;
      work_at = leaf * WORK_LENGTH;
    }
  `;
}

/** Workgroups of one sweep. */
export const sourceGroups = (shapes: Shapes): number => Math.ceil(shapes.sources.rows / shapes.sourceCrew.rows);

function sweepShaders(
  name: string,
  comment: string,
  shapes: Shapes,
  work: Workspace,
  functions: string,
  start: string,
  phases: readonly string[],
  direction: '' | 'backward',
  bindings: Shader['bindings'],
): SourceSweep {
  const groups = sourceGroups(shapes);
  const settled = (text: string): string => text.replaceAll('WORK_LENGTH', whole(work.shape().length));
  const place = code`
    let leaf = group / ${whole(groups)};
    let part = group % ${whole(groups)};
    if (leaf >= job.units) { return; }
    place(leaf, part);
  `;
  const args = direction === 'backward' ? 'leaf, part, k' : 'k';
  const parameters = direction === 'backward' ? 'leaf: u32, index: u32, k: u32' : 'k: u32';
  const phase = (text: string, n: number): string => code`
    fn phase${n}(${parameters}) {
      let step_at = job.grid + k * ${whole(stepNumbers(shapes))};
      let h = given[step_at];
      ${text}
    }
  `;
  const startCall = direction === 'backward' ? 'start(leaf);' : 'start();';
  const make = (suffix: string, note: string, body: string): Shader =>
    shader(`${name}${suffix}`, `${comment}${note}`, bindings, settled(`${functions}\n\n${body}`));
  if (shapes.sourcesTogether) {
    const steps = phases.flatMap((_, n) => [`phase${n}(${args});`, 'storageBarrier();']);
    const loop =
      direction === 'backward'
        ? code`
            for (var left = job.end; left > job.first; left--) {
              let k = left - 1u;
              ${steps}
            }
          `
        : code`
            for (var k = job.first; k < job.end; k++) {
              ${steps}
            }
          `;
    const first = direction === 'backward' ? 'job.end == job.steps' : 'job.first == 0u';
    return {
      start: make(
        '',
        ': one workgroup, all phases of the steps of a dispatch.',
        code`
          ${start}

          ${phases.map(phase).join('\n\n')}

          ${entry(code`
            ${place}
            if (${first}) { ${startCall} }
            storageBarrier();
            ${phases.length === 0 ? '' : loop}
          `)}
        `,
      ),
      phases: [],
      work: work.shape(),
    };
  }
  return {
    start: make('.start', ': the start.', code`
      ${start}

      ${entry(code`
        ${place}
        ${startCall}
      `)}
    `),
    phases: phases.map((text, n) =>
      make(`.phase${n}`, `: phase ${n} of a step.`, code`
        ${phase(text, n)}

        ${entry(code`
          ${place}
          let k = job.first;
          phase${n}(${args});
        `)}
      `),
    ),
    work: work.shape(),
  };
}

// --- the work area ----------------------------------------------------------------------------------------

interface Workspace {
  readonly reserve: (bank: string, components: number) => void;
  readonly reservePairs: (field: string, width: number) => void;
  readonly offset: (bank: string) => number;
  /** Component of the own row. */
  readonly at: (bank: string, component: number) => string;
  readonly pairAt: (field: string, component: number, bound: string) => string;
  readonly shape: () => WorkShape;
}

/** Banks in the order they are first reserved; an offset never changes once it is asked for. */
function workspace(shapes: Shapes): Workspace {
  const m = shapes.sources.rows;
  const banks = new Map<string, number>();
  let length = 0;
  const take = (name: string, size: number): void => {
    if (banks.has(name)) return;
    banks.set(name, length);
    length += size;
  };
  const offset = (bank: string): number => {
    if (!banks.has(bank)) take(bank, shapes.sources.stateComponents * m);
    return banks.get(bank) ?? 0;
  };
  return {
    reserve: (bank, components) => take(bank, components * m),
    reservePairs: (field, width) => take(`${workBanks.pairs} ${field}`, m * m * width),
    offset,
    at: (bank, component) => `work[work_at + ${whole(offset(bank) + component * m)} + row]`,
    pairAt: (field, component, bound) => {
      const width = shapes.pairs.find((p) => p.name === field)?.width ?? 1;
      const base = banks.get(`${workBanks.pairs} ${field}`) ?? 0;
      return `work[work_at + ${whole(base + component)} + (row * ${whole(m)} + ${bound}) * ${whole(width)}]`;
    },
    shape: () => ({ banks: new Map(banks), length }),
  };
}

