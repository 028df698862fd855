/**
 * How does an optimisation outlive its process? By checkpoints in a folder beside the results: each written under another
 * name, made durable and renamed, the last two kept, and taken away when the results are there. Why a fleet's are files of
 * another kind is said in `storage/checkpoints.ts`.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { writeWhole } from './arrays/whole-file.ts';
import { SkewflowError } from './errors.ts';

export interface Checkpoints {
  /** The folder, absolute. */
  readonly folder: string;
  /** The text of the latest checkpoint that is whole; null when there is none. */
  readonly latest: () => Promise<string | null>;
  /** Resolves when the text is on the disk. */
  readonly save: (number: number, text: string) => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** First line of a file: what it is, the SHA-256 of the rest, the job. */
const heading = 'skewflow checkpoint 1';
const suffix = '.checkpoint';
const kept = 2;

/**
 * The checkpoints of the run whose results go to `target`.
 *
 * `latest` throws UsageError when they are another job's, and JobFailedError when none of them is whole; `save` throws
 * JobFailedError when the disk does not take one, and then leaves those before it as they are.
 */
export function checkpointsOf(target: string, jobDigest: string): Checkpoints {
  const full = resolve(target);
  const folder = join(dirname(full), `.${basename(full)}${suffix}`);
  return {
    folder,
    latest: async () => {
      const names = await checkpointNames(folder);
      for (const name of names) {
        const text = await readWhole(join(folder, name), folder, jobDigest);
        if (text !== null) return text;
      }
      if (names.length === 0) return null;
      throw new SkewflowError(
        'JobFailedError',
        `${folder}: no checkpoint in it is whole; start anew with \`--fresh\``,
      );
    },
    save: async (number, text) => {
      try {
        await writeWhole(join(folder, nameOf(number)), `${heading} ${sha256(text)} ${jobDigest}\n${text}`);
        for (const name of (await checkpointNames(folder)).slice(kept))
          await rm(join(folder, name), { force: true });
      } catch (cause) {
        const why = cause instanceof Error ? cause.message : String(cause);
        const remedy = 'when there is room, the same command goes on from the checkpoint before';
        throw new SkewflowError(
          'JobFailedError',
          `${folder}: a checkpoint could not be written: ${why}; ${remedy}`,
          {},
          { cause },
        );
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Sorted by name is sorted by number. */
function nameOf(number: number): string {
  return `${String(number).padStart(9, '0')}${suffix}`;
}

/** The latest first. */
async function checkpointNames(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new SkewflowError('JobFailedError', `${folder}: ${error.message}`, {}, { cause: error });
  });
  return names
    .filter((name) => name.endsWith(suffix))
    .sort()
    .reverse();
}

/** The text of a checkpoint; null when the file is torn. */
async function readWhole(path: string, folder: string, jobDigest: string): Promise<string | null> {
  const content = await readFile(path, 'utf8');
  const end = content.indexOf('\n');
  const match = /^skewflow checkpoint 1 ([0-9a-f]{64}) ([0-9a-f]{64})$/u.exec(content.slice(0, end));
  const text = content.slice(end + 1);
  if (match === null || match[1] !== sha256(text)) return null;
  if (match[2] !== jobDigest) {
    throw new SkewflowError(
      'UsageError',
      `${folder} holds checkpoints of another job: take up that job, give \`--out\` another folder, or start anew with \`--fresh\``,
    );
  }
  return text;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
