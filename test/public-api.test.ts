import { expect, it } from 'vitest';
import * as api from '../src/index.ts';

it('exports these names and no others: a change here is a change of the public API', () => {
  expect(
    Object.entries(api)
      .map(([name, value]) => `${name}: ${typeof value}`)
      .sort((a, b) => (a < b ? -1 : 1)),
  ).toMatchInlineSnapshot(`
    [
      "Client: function",
      "Coordinator: function",
      "SkewflowError: function",
      "Worker: function",
      "acceptedOf: function",
      "check: function",
      "checkText: function",
      "createExample: function",
      "devices: function",
      "explain: function",
      "explainText: function",
      "isSkewflowError: function",
      "listExamples: function",
      "loadJob: function",
      "parseBytes: function",
      "plot: function",
      "run: function",
      "schema: function",
      "sweepsOf: function",
      "version: string",
    ]
  `);
});
