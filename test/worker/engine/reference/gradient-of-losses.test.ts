import { describe } from 'vitest';
import { cases } from '../cases.ts';
import { testGradient } from '../finite-differences.ts';

describe('the gradient equals four-point finite differences with every scheme and kind of loss, and in jobs of every shape', () => {
  for (const c of cases.filter((each) => each.kind !== 'reduction')) testGradient(c);
});
