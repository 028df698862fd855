import { expect, it } from 'vitest';
import { Programs } from '../../src/worker/programs.ts';
import { systemOf } from '../kernels/systems.ts';
import { cases } from './engine/cases.ts';

const systems = cases.slice(0, 6).map(({ text }) => systemOf(text).system);

it('compiles a job once, however many seats of it are taken', () => {
  const programs = new Programs();
  const [system, other] = systems as [(typeof systems)[0], (typeof systems)[0]];
  const first = programs.of('a', system);
  expect(programs.of('b', other)).not.toBe(first);
  expect(programs.of('a', system)).toBe(first);
});

it('forgets what was not asked for longest', () => {
  const programs = new Programs();
  const made = systems.slice(0, 4).map((system, n) => programs.of(`${n}`, system));
  expect(programs.of('0', systems[0] as (typeof systems)[0])).toBe(made[0]);
  programs.of('4', systems[4] as (typeof systems)[0]);
  expect(programs.of('0', systems[0] as (typeof systems)[0])).toBe(made[0]);
  expect(programs.of('1', systems[1] as (typeof systems)[0])).not.toBe(made[1]);
});
