/** How do results come to lie in a bucket? Made in a folder of this machine, uploaded when they are complete. */
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SkewflowError } from '../errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { openS3 } from '../objects/s3.ts';
import { parseS3Url, type S3Settings } from '../objects/s3-settings.ts';
import { filesToPublish, resultFile } from './publish.ts';
import { createResultFolder, type ResultFolder } from './result-folder.ts';

/**
 * Begins results that will lie below `target`. A bucket has no rename: complete is what has a result.json, which is
 * uploaded last. A result that is replaced stays until the new one is complete here.
 *
 * @param target - `s3://bucket/prefix`
 * @throws UsageError when there is something already that may not be replaced; OutOfReachError
 */
export async function createS3ResultFolder(
  target: string,
  settings: S3Settings,
  force = false,
): Promise<ResultFolder> {
  const place = parseS3Url(target);
  if (place === null || place.prefix === '') {
    throw new SkewflowError('UsageError', `${target}: expected s3://bucket/folder for the results`);
  }
  const store = await openS3(place, settings);
  await refuseExisting(store, force);
  const temporary = await mkdtemp(join(tmpdir(), 'skewflow-'));
  const staged = await createResultFolder(join(temporary, 'result'));
  const discard = async (): Promise<void> => {
    await staged.discard();
    await rm(temporary, { recursive: true, force: true });
  };
  const commit = async (): Promise<void> => {
    try {
      await staged.commit();
      await refuseExisting(store, force);
      await clear(store);
      for (const path of await filesToPublish(staged.target))
        await uploadFile(store, path, join(staged.target, path));
    } finally {
      await discard();
    }
  };
  return {
    target: store.url,
    path: staged.path,
    writeText: staged.writeText,
    commit,
    discard,
    [Symbol.asyncDispose]: discard,
  };
}

/** As for a folder: what is there is replaced only when it may be, and is a result. */
async function refuseExisting(store: ObjectStore, force: boolean): Promise<void> {
  let found = false;
  for await (const _entry of store.list('')) {
    found = true;
    break;
  }
  if (!found) return;
  if (!force) {
    throw new SkewflowError(
      'UsageError',
      `${store.url} exists: choose another place with \`--out\`, or replace it with \`--force\``,
    );
  }
  if ((await store.head(resultFile)) !== null) return;
  throw new SkewflowError(
    'UsageError',
    `${store.url} holds no results (there is no ${resultFile}): \`--force\` replaces nothing else`,
  );
}

/** Removes a result; what says that it is one goes first. */
async function clear(store: ObjectStore): Promise<void> {
  await store.delete(resultFile);
  for await (const { key } of store.list('')) await store.delete(key);
}

/** Uploads a file of this machine under a key. */
export async function uploadFile(store: ObjectStore, key: string, file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    await store.upload(key, size, async (begin, end) => {
      const buffer = Buffer.alloc(end - begin);
      for (let at = 0; at < buffer.length; ) {
        const { bytesRead } = await handle.read(buffer, at, buffer.length - at, begin + at);
        if (bytesRead === 0) throw new SkewflowError('JobFailedError', `${file}: it became shorter`);
        at += bytesRead;
      }
      return buffer;
    });
  } finally {
    await handle.close();
  }
}
