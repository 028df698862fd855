import { describe, expect, it } from 'vitest';
import { type Line, nowhere, phaseOf, workerAfter } from './position.ts';

const line = (doing: string, more: Partial<Line> = {}): Line => ({ time: 0, msg: doing, doing, ...more });
const about = { run: 'r', seat: 's', iteration: 3 };

const wave = [
  line('read', { ...about, shards: '5' }),
  line('compute', { ...about, shards: '4 5' }),
  line('forward', { shard: 4 }),
  line('backward', { shard: 4 }),
  line('answered', { shard: 4 }),
  line('forward', { shard: 5 }),
  line('post', { ...about, shards: '4' }),
  line('posted', { ...about, shards: '4' }),
  line('backward', { shard: 5 }),
  line('answered', { shard: 5 }),
  line('post', { ...about, shards: '5' }),
  line('posted', { ...about, shards: '5' }),
  line('idle', { ...about, shards: '' }),
];

describe('where a worker is', () => {
  it('is told line by line; what is on its way to Redis goes first, and between two phases it is in none', () => {
    let at = nowhere;
    const seen = wave.map((next) => {
      at = workerAfter(at, next);
      const { phase = null, shards = [] } = phaseOf(at) ?? {};
      return [next.doing, phase, ...shards];
    });
    expect(seen).toEqual([
      ['read', 'read', 5],
      ['compute', null],
      ['forward', 'forward', 4],
      ['backward', 'backward', 4],
      ['answered', null],
      ['forward', 'forward', 5],
      ['post', 'post', 4],
      ['posted', 'forward', 5],
      ['backward', 'backward', 5],
      ['answered', null],
      ['post', 'post', 5],
      ['posted', null],
      ['idle', null],
    ]);
  });

  it('names the run, the seat, the iteration, and what it has begun and not posted', () => {
    const at = wave.slice(0, 9).reduce(workerAfter, nowhere);
    expect(at).toMatchObject({ ...about, held: [5] });
  });
});
