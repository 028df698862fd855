import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { fileSchema, jobJsonSchema } from '../../src/job/schema.ts';

type Node = { readonly [key: string]: unknown };
const schema = jobJsonSchema() as Node;
const at = (node: unknown, ...path: string[]): Node =>
  path.reduce<unknown>((inner, key) => (inner as Node)[key], node) as Node;

describe('the JSON Schema of the job file', () => {
  test('names every key of the job and no others', () => {
    expect(schema['additionalProperties']).toBe(false);
    expect(Object.keys(at(schema, 'properties'))).toEqual([
      'name',
      'sources',
      'tracers',
      'sets',
      'pairs',
      'params',
      'let',
      'flow',
      'integrate',
      'loss',
      'gradient',
      'optimize',
      'values',
      'output',
      'shards',
      'precision',
      'memory',
    ]);
  });

  test('says which draft it follows, and nothing is required at the top', () => {
    expect(schema['$schema']).toBe('https://json-schema.org/draft/2020-12/schema');
    expect(schema['required'] ?? []).toEqual([]);
  });

  test('offers the schemes, methods and precisions to an editor', () => {
    expect(at(schema, 'properties', 'integrate', 'properties', 'scheme')['enum']).toContain('leapfrog');
    expect(at(schema, 'properties', 'optimize', 'properties', 'method')['enum']).toEqual([
      'lbfgs',
      'adam',
      'gd',
    ]);
    expect(at(schema, 'properties', 'precision')['enum']).toEqual(['f32', 'f64']);
  });

  test('wants one of steps and tolerance', () => {
    expect(at(schema, 'properties', 'integrate')['oneOf']).toEqual([
      { required: ['steps'] },
      { required: ['tolerance'] },
    ]);
  });

  test('describes a value once, and every group by it', () => {
    expect(at(schema, 'properties', 'tracers', 'additionalProperties')['$ref']).toBe('#/$defs/value');
    expect(Object.keys(at(schema, 'properties', 'tracers', 'properties'))).toEqual(['rows']);
    const kinds = at(schema, '$defs', 'value')['anyOf'] as readonly Node[];
    expect(kinds.map((kind) => kind['type'])).toEqual([
      'string',
      'number',
      'array',
      'object',
      'object',
      'object',
      'object',
      'object',
    ]);
  });

  test('is plain JSON', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});

const examples = new URL('../../examples', import.meta.url).pathname;
const files = readdirSync(examples, { recursive: true, encoding: 'utf8' }).filter((file) =>
  /\.ya?ml$/u.test(file),
);

test.each(files)('the example %s has the form of a job', (file) => {
  const result = fileSchema.safeParse(parse(readFileSync(join(examples, file), 'utf8')));
  expect(result.error?.issues ?? []).toEqual([]);
});
