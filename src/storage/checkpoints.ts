/**
 * How does a run survive its coordinator? By the last two checkpoints: each written whole, with its own SHA-256, so that
 * a torn or corrupt one is told from a sound one and the one before it is taken.
 *
 *   magic "SKWCHK01" · SHA-256 of the rest · MessagePack of the state
 *
 * Names sort by epoch, then by the order they were written in: what a coordinator that was fenced still writes sorts below
 * what its successor wrote, and is never taken. Whoever finds another's name of its own epoch or a later one is fenced,
 * even by a Redis that forgot all epochs.
 *
 * Those of `skewflow run` (`src/checkpoints.ts`) are files of another kind, on purpose. There one process writes beside the
 * results what a person may look at and remove: text, a course and nothing else, told from another job's by the job's digest. Here
 * several coordinators write for a run that has an id already: epochs decide, and a state holds arrays of megabytes.
 */
import { createHash, randomUUID } from 'node:crypto';
import { Packr } from 'msgpackr';
import { SkewflowError } from '../errors.ts';
import type { Root } from './root.ts';

const magic = new TextEncoder().encode('SKWCHK01');
const digestBytes = 32;
const kept = 2;

/** Plain data, maps and typed arrays. */
const packr = new Packr({ structuredClone: true, useRecords: true });

export interface Checkpoints<State> {
  /**
   * On the disk when it resolves; all but the last two go.
   *
   * @param epoch - under which the coordinator acts
   * @throws AbortedError when another coordinator has kept one of that epoch or of a later one
   */
  readonly save: (epoch: number, state: State) => Promise<void>;
  /** The newest that is sound; null: there is none. */
  readonly latest: () => Promise<State | null>;
}

/**
 * The checkpoints of one run, as one coordinator writes them.
 *
 * @param folder - the key they are kept under
 * @param onCorrupt - told of each one that is passed over, with its key
 */
export function checkpointsOf<State>(
  root: Root,
  folder: string,
  onCorrupt: (key: string) => void,
): Checkpoints<State> {
  const writer = randomUUID().slice(0, 8);
  let serial = 0;
  const names = async (): Promise<readonly string[]> =>
    (await root.names(folder)).filter((name) => name.endsWith('.checkpoint'));
  return {
    save: async (epoch, state) => {
      const other = (await names()).find((name) => epochOf(name) >= epoch && !name.includes(writer));
      if (other !== undefined) throw fencedBy(epochOf(other));
      serial += 1;
      const name = [epoch, serial].map((n) => String(n).padStart(12, '0')).join('-');
      await root.write(`${folder}/${name}-${writer}.checkpoint`, encode(state));
      for (const old of (await names()).slice(0, -kept)) await root.remove(`${folder}/${old}`);
    },
    latest: async () => {
      for (const name of (await names()).toReversed()) {
        const key = `${folder}/${name}`;
        const bytes = await root.read(key);
        const state = bytes === null ? null : decode<State>(bytes);
        if (state !== null) return state;
        onCorrupt(key);
      }
      return null;
    },
  };
}

function epochOf(name: string): number {
  return Number(name.split('-')[0]);
}

function fencedBy(epoch: number): SkewflowError {
  const text = `fenced by epoch ${epoch}: another coordinator keeps checkpoints of this run`;
  return new SkewflowError('AbortedError', text, { code: 'FENCED', epoch });
}

function encode(state: unknown): Uint8Array {
  const body = packr.pack(state);
  return Buffer.concat([magic, sha256(body), body]);
}

/** null: not the bytes that were written. */
function decode<State>(bytes: Uint8Array): State | null {
  const digest = bytes.subarray(magic.length, magic.length + digestBytes);
  const body = bytes.subarray(magic.length + digestBytes);
  const sound =
    bytes.length > magic.length + digestBytes &&
    Buffer.compare(bytes.subarray(0, magic.length), magic) === 0 &&
    Buffer.compare(digest, sha256(body)) === 0;
  return sound ? (packr.unpack(body) as State) : null;
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
