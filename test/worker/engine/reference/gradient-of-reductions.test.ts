import { describe } from 'vitest';
import { cases } from '../cases.ts';
import { testGradient } from '../finite-differences.ts';

describe('the gradient equals four-point finite differences with every scheme and reduction', () => {
  for (const c of cases.filter((each) => each.kind === 'reduction')) testGradient(c);
});
