import { describe, expect, it } from 'vitest';
import type { Partial, RowData } from '../../src/worker/engine/engine.ts';
import { Outbox } from '../../src/worker/outbox.ts';

const answer = (leaf: number): Partial => ({
  kind: 'non-finite',
  leaf,
  group: 'tracers',
  what: 'state',
  row: leaf,
  step: 0,
});
const rows = (index: number): RowData => ({
  kind: 'final',
  field: 'x',
  shard: { index, begin: index, end: index + 1 },
  width: 1,
  data: Float64Array.of(index),
});

describe('Outbox', () => {
  it('posts an answer after the rows of its shard are written, however long that takes', async () => {
    const log: string[] = [];
    const outbox = new Outbox(
      {
        write: async ({ shard }) => {
          await new Promise((resolve) => setTimeout(resolve, 20 - 10 * shard.index));
          log.push(`rows ${shard.index}`);
        },
      },
      async (partials) => void log.push(`post ${partials.map((p) => p.leaf).join(' ')}`),
      () => {},
    );
    for (const leaf of [0, 1]) {
      outbox.write(rows(leaf));
      outbox.put(answer(leaf));
    }
    await outbox.empty();
    expect(log).toEqual(['rows 0', 'rows 1', 'post 0 1']);
  });

  it('keeps the last answer back until what is handed over at the end has gone', async () => {
    const log: string[] = [];
    const outbox = new Outbox(
      { write: async () => {} },
      async (p) => void log.push(`post ${p.length}`),
      () => {},
    );
    outbox.put(answer(0));
    outbox.next(async () => void log.push('beat'));
    await outbox.empty();
    expect(log).toEqual(['beat', 'post 1']);
  });

  it('posts nothing more once rows could not be written, and says so at once', async () => {
    const posted: unknown[] = [];
    const failures: unknown[] = [];
    const full = new Error('no space left on device');
    const outbox = new Outbox(
      { write: async () => Promise.reject(full) },
      async (partials) => void posted.push(partials),
      (error) => failures.push(error),
    );
    outbox.write(rows(0));
    outbox.put(answer(0));
    await new Promise((resolve) => setTimeout(resolve, 1));
    expect(failures).toEqual([full]);
    await expect(outbox.empty()).rejects.toBe(full);
    expect(posted).toEqual([]);
  });
});
