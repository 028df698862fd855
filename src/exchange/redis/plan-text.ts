/**
 * How is a seat's part of the plan written? As text: `0-15,20,sources`, consecutive shards as one range; behind a semicolon
 * what it answers again, `7:1,9:2r`: leaf, copy, and `r` where the rows are written. `-` stands for no part of the leaves.
 */
import { SkewflowError } from '../../errors.ts';
import {
  type Again,
  type LeafName,
  protocolVersion,
  type RunId,
  SeatId,
  type SeatPlan,
} from '../../protocol.ts';
import { type Reply, textOf } from './script.ts';

/** Leaves as text, in their order. */
export function textOfLeaves(leaves: readonly LeafName[]): string {
  const parts: string[] = [];
  for (let i = 0; i < leaves.length; ) {
    const first = leaves[i] as LeafName;
    let count = 1;
    if (first !== 'sources') while (leaves[i + count] === first + count) count++;
    parts.push(first !== 'sources' && count > 1 ? `${first}-${first + count - 1}` : String(first));
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

/** More shards than any job has. */
const rangeMax = 2 ** 20;

/** Key of what is about the whole plan: no seat is called so. */
const headKey = '#';

/** A plan as the fields of its hash. */
export function planArguments({ epoch, generation, leaves, again }: SeatPlan): readonly string[] {
  const seats = new Set([...leaves.keys(), ...again.keys()]);
  return [
    headKey,
    `${epoch} ${generation}`,
    ...[...seats].flatMap((seat) => [seat, textOfPart(leaves.get(seat), again.get(seat))]),
  ];
}

function textOfPart(leaves: readonly LeafName[] | undefined, again: readonly Again[] = []): string {
  const first = leaves === undefined ? '-' : textOfLeaves(leaves);
  const more = again.map(({ leaf, copy, rows }) => `${leaf}:${copy}${rows ? 'r' : ''}`);
  return more.length === 0 ? first : `${first};${more.join(',')}`;
}

function againOfText(text: string): readonly Again[] {
  return text.split(',').map((part): Again => {
    const [, leaf = '', copy, rows] = /^(sources|\d{1,8}):([1-9]\d{0,3})(r?)$/.exec(part) ?? [];
    if (copy === undefined)
      throw new SkewflowError('ProtocolError', `plan: \`${part.slice(0, 40)}\` is no copy of a leaf`);
    return { leaf: leaf === 'sources' ? leaf : Number(leaf), copy: Number(copy), rows: rows === 'r' };
  });
}

/** The plan in the fields of its hash. */
export function planOf(run: RunId, fields: readonly Reply[]): SeatPlan | null {
  const parts = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) parts.set(textOf(fields[i]), textOf(fields[i + 1]));
  const head = parts.get(headKey);
  if (head === undefined) return null;
  parts.delete(headKey);
  return planUnder(
    run,
    head,
    [...parts].map(([seat, text]) => [SeatId.parse(seat), text]),
  );
}

/** A plan from its head (`epoch generation`) and the texts of seats. */
export function planUnder(
  run: RunId,
  head: string,
  parts: readonly (readonly [seat: SeatId, text: string])[],
): SeatPlan {
  const [epoch = 0, generation = 0] = head.split(' ').map(Number);
  const leaves = new Map<SeatId, readonly LeafName[]>();
  const again = new Map<SeatId, readonly Again[]>();
  for (const [seat, text] of parts) {
    const [first = '', more] = text.split(';');
    if (first !== '-') leaves.set(seat, leavesOfText(first));
    if (more !== undefined) again.set(seat, againOfText(more));
  }
  return { protocolVersion, run, epoch, generation, leaves, again };
}
