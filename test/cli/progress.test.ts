import { expect, test } from 'vitest';
import { durationText } from '../../src/cli/numbers.ts';
import { progressLine } from '../../src/cli/progress.ts';
import type { ProgressEvent } from '../../src/index.ts';

test.each([
  [0.4, '0 s'],
  [119, '119 s'],
  [130, '2.2 min'],
  [7199, '120 min'],
  [12_000, '3.3 h'],
  [3 * 86_400, '3 days'],
  [5e9, '158 years'],
])('%d seconds are %s', (seconds, text) => {
  expect(durationText(seconds)).toBe(text);
});

test('a long job says how far it is below one per cent, and how long it has to go', () => {
  let text = '';
  let now = 0;
  const stream = { isTTY: false, write: (line: string) => (text += line) } as unknown as NodeJS.WriteStream;
  const { show } = progressLine(stream, () => now);
  const event = (blocksDone: number, rest: Partial<ProgressEvent> = {}): ProgressEvent => ({
    phase: 'gradient',
    iteration: 1,
    step: null,
    blocksDone,
    blocksTotal: 3_515_625_000,
    seconds: 0,
    ...rest,
  });
  now = 6000;
  show(event(0));
  now = 60_000;
  show(event(2_600_000));
  now = 70_000;
  show(event(0, { phase: 'writing', blocksTotal: 0 }));
  expect(text.split('\n')).toEqual([
    'gradient: 0 % of 3515625000 blocks, 6 s',
    'gradient: 0.074 % of 3515625000 blocks, 60 s, 23 h left',
    'writing, 70 s',
    '',
  ]);
});
