import { openReferenceEngine } from '../../../../src/worker/engine/reference/engine.ts';
import { describeEngine } from '../conformance.ts';

// Against itself the numbers say nothing: what counts here is that the same question has the same bits as answer.
describeEngine({
  name: 'the reference engine',
  precision: 'f64',
  open: openReferenceEngine,
  tolerance: 0,
  cases: (c) => c.title.startsWith('ralston') || !c.title.includes(','),
});
