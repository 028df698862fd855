import { describe, expect, it } from 'vitest';
import { sweepsOf } from '../../src/client/sweep.ts';

describe('sweepsOf', () => {
  it('makes one job without a sweep', () => {
    expect(sweepsOf([])).toEqual([[]]);
  });

  it('makes a job for each combination, the last changing fastest', () => {
    expect(sweepsOf(['params.sigma=0.1,0.2', 'shards=4,8'])).toEqual([
      ['params.sigma=0.1', 'shards=4'],
      ['params.sigma=0.1', 'shards=8'],
      ['params.sigma=0.2', 'shards=4'],
      ['params.sigma=0.2', 'shards=8'],
    ]);
  });

  it('leaves commas inside brackets and quotes alone', () => {
    expect(sweepsOf(['params.c=[1, 2],[3, 4]'])).toEqual([['params.c=[1, 2]'], ['params.c=[3, 4]']]);
    expect(sweepsOf([`loss="min(i, x)",'max(i, x)'`])).toEqual([['loss="min(i, x)"'], [`loss='max(i, x)'`]]);
  });

  it.each(['params.sigma', '=1,2', 'params.sigma=', 'params.sigma=1,,2'])('refuses %s', (text) => {
    expect(() => sweepsOf([text])).toThrow(/--sweep/);
  });

  it('refuses a path that is swept twice', () => {
    expect(() => sweepsOf(['shards=1,2', 'shards=3'])).toThrow(/twice/);
  });
});
