/**
 * How is a seat's part of the plan written? As text: `0-15,20,sources`, consecutive shards as one range; after a semicolon
 * what is asked again, `17:2` or, with its rows, `17:2+`; after another those of its leaves that are answered alone.
 */
import { SkewflowError } from '../../errors.ts';
import { leavesText } from '../../partition/seats.ts';
import { Again, type LeafName, protocolVersion, type RunId, SeatId, type SeatPlan } from '../../protocol.ts';
import { type Reply, textOf } from './script.ts';

/** Leaves as text, in their order. */
export function textOfLeaves(leaves: readonly LeafName[]): string {
  const parts: string[] = [];
  for (let i = 0; i < leaves.length; ) {
    const first = leaves[i] as LeafName;
    let count = 1;
    if (first !== 'sources') while (leaves[i + count] === first + count) count++;
    parts.push(leavesText(first, count));
    i += count;
  }
  return parts.join(',');
}

/**
 * Leaves from text.
 *
 * @throws ProtocolError for any other text
 */
export function leavesOfText(text: string): readonly LeafName[] {
  if (text === '') return [];
  return text.split(',').flatMap((part): readonly LeafName[] => {
    if (part === 'sources') return ['sources'];
    const range = /^(\d{1,8})(?:-(\d{1,8}))?$/.exec(part);
    const first = Number(range?.[1]);
    const count = Number(range?.[2] ?? first) - first + 1;
    if (range === null || count < 1 || count > rangeMax)
      throw new SkewflowError('ProtocolError', `plan: \`${part.slice(0, 40)}\` is no range of leaves`);
    return Array.from({ length: count }, (_, i) => first + i);
  });
}

/** What is asked again, as text. */
function textOfAgain(again: readonly Again[]): string {
  return again.map(({ leaf, copy, rows }) => `${leaf}:${copy}${rows ? '+' : ''}`).join(',');
}

/**
 * What is asked again, from text.
 *
 * @throws ProtocolError for any other text
 */
function againOfText(text: string): readonly Again[] {
  if (text === '') return [];
  return text.split(',').map((part) => {
    const fields = /^(sources|\d{1,8}):(\d{1,8})(\+?)$/.exec(part);
    const leaf = fields?.[1] === 'sources' ? 'sources' : Number(fields?.[1]);
    const again = Again.safeParse({ leaf, copy: Number(fields?.[2]), rows: fields?.[3] === '+' });
    if (!again.success)
      throw new SkewflowError('ProtocolError', `plan: \`${part.slice(0, 40)}\` is no leaf to be asked again`);
    return again.data;
  });
}

/** A seat's part of the plan as text. */
function textOfPart(
  leaves: readonly LeafName[],
  again: readonly Again[],
  alone: readonly LeafName[],
): string {
  const parts = [textOfLeaves(leaves), textOfAgain(again), textOfLeaves(alone)];
  return parts.join(';').replace(/;+$/, '');
}

/** More shards than any job has. */
const rangeMax = 2 ** 20;

/** Key of what is about the whole plan: no seat is called so. */
const headKey = '#';

/**
 * Redis begins a hash as a list, and looks through it for every field that is set, until there are 128; one with a value of more
 * than 64 bytes is none from the beginning (redis.conf, `hash-max-listpack-value`).
 */
const listedMax = 64;
/** So many seats are worth that. */
const crowd = 32;

/** A plan as one text: a line for each field of its hash, its name, a tab and its value. */
export function textOfPlan({ epoch, generation, leaves, again, alone }: SeatPlan): string {
  const seats = new Set([...leaves.keys(), ...again.keys()]);
  const single = new Set(alone);
  let text = `${headKey}\t${`${epoch} ${generation}`.padEnd(seats.size > crowd ? listedMax + 1 : 0)}\n`;
  for (const seat of seats) {
    const its = leaves.get(seat) ?? [];
    const apart = single.size === 0 ? [] : its.filter((leaf) => single.has(leaf));
    text += `${seat}\t${textOfPart(its, again.get(seat) ?? [], apart)}\n`;
  }
  return text;
}

/** The plan in the fields of its hash. */
export function planOf(run: RunId, fields: readonly Reply[]): SeatPlan | null {
  const parts = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) parts.set(textOf(fields[i]), textOf(fields[i + 1]));
  const head = parts.get(headKey);
  if (head === undefined) return null;
  parts.delete(headKey);
  return planUnder(
    headOfText(run, head),
    [...parts].map(([seat, text]) => [SeatId.parse(seat), partOfText(text)]),
  );
}

/** What one seat is to answer. */
export interface PlanPart {
  readonly leaves: readonly LeafName[];
  readonly again: readonly Again[];
  readonly alone: readonly LeafName[];
}

/**
 * A seat's part of the plan, from text.
 *
 * @throws ProtocolError for any other text
 */
export function partOfText(text: string): PlanPart {
  const [first = '', more = '', apart = ''] = text.split(';', 3);
  return { leaves: leavesOfText(first), again: againOfText(more), alone: leavesOfText(apart) };
}

/** Which plan it is. */
export type PlanHead = Pick<SeatPlan, 'epoch' | 'generation' | 'protocolVersion' | 'run'>;

/** The head of a plan, from text: `epoch generation`. */
export function headOfText(run: RunId, text: string): PlanHead {
  const [epoch = 0, generation = 0] = text.split(' ').map(Number);
  return { protocolVersion, run, epoch, generation };
}

/** A plan from its head and the parts of seats. */
export function planUnder(
  head: PlanHead,
  parts: readonly (readonly [seat: SeatId, part: PlanPart])[],
): SeatPlan {
  const leaves = new Map<SeatId, readonly LeafName[]>();
  const again = new Map<SeatId, readonly Again[]>();
  const alone: LeafName[] = [];
  for (const [seat, part] of parts) {
    leaves.set(seat, part.leaves);
    if (part.again.length > 0) again.set(seat, part.again);
    alone.push(...part.alone);
  }
  return { leaves, again, alone, ...head };
}
