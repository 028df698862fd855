/** Does the JSON Schema accept what the parser accepts, and refuse what it refuses? Judged by a validator of its own. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { schema } from '../../src/index.ts';

interface Schema {
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema | boolean;
  readonly prefixItems?: readonly Schema[];
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly pattern?: string;
}

let root: Schema;
beforeAll(async () => {
  root = (await schema()) as Schema;
});

const keywords = new Set(
  `$schema $id $ref $defs title description anyOf oneOf type enum properties additionalProperties
    required items prefixItems minItems maxItems minimum maximum exclusiveMinimum pattern
    propertyNames`.split(/\s+/),
);

const isType: Readonly<Record<string, (v: unknown) => boolean>> = {
  array: Array.isArray,
  boolean: (v) => typeof v === 'boolean',
  integer: Number.isInteger,
  null: (v) => v === null,
  number: (v) => typeof v === 'number',
  object: (v) => typeof v === 'object' && v !== null && !Array.isArray(v),
  string: (v) => typeof v === 'string',
};

/** The part of draft 2020-12 that the schema uses; a keyword it does not know fails the test. */
function accepts(s: Schema | boolean, v: unknown): boolean {
  if (typeof s === 'boolean') return s;
  for (const keyword of Object.keys(s)) expect(keywords, `the validator knows ${keyword}`).toContain(keyword);
  if (s.$ref !== undefined) return accepts(root.$defs![s.$ref.replace('#/$defs/', '')]!, v);
  const types = s.type === undefined ? [] : [s.type].flat();
  return [
    types.length === 0 || types.some((t) => isType[t]!(v)),
    s.anyOf?.some((a) => accepts(a, v)) ?? true,
    s.oneOf === undefined || s.oneOf.filter((a) => accepts(a, v)).length === 1,
    s.enum?.includes(v) ?? true,
    typeof v !== 'number' ||
      (v >= (s.minimum ?? v) && v <= (s.maximum ?? v) && v > (s.exclusiveMinimum ?? -Infinity)),
    typeof v !== 'string' || s.pattern === undefined || new RegExp(s.pattern, 'u').test(v),
    !Array.isArray(v) || acceptsList(s, v),
    !isType['object']!(v) || acceptsMap(s, v as Readonly<Record<string, unknown>>),
  ].every(Boolean);
}

function acceptsList(s: Schema, list: readonly unknown[]): boolean {
  const rest = s.items ?? true;
  return (
    list.length >= (s.minItems ?? 0) &&
    list.length <= (s.maxItems ?? Infinity) &&
    list.every((v, k) => accepts(s.prefixItems?.[k] ?? rest, v))
  );
}

function acceptsMap(s: Schema, map: Readonly<Record<string, unknown>>): boolean {
  return (
    (s.required ?? []).every((key) => key in map) &&
    Object.entries(map).every(([key, v]) => accepts(s.properties?.[key] ?? s.additionalProperties ?? true, v))
  );
}

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

async function example(name: string): Promise<Record<string, unknown>> {
  return parse(await readFile(join(examples, name, 'job.yaml'), 'utf8')) as Record<string, unknown>;
}

describe('the JSON Schema of the job file', () => {
  test('accepts every example', async () => {
    const names = (await readdir(examples, { recursive: true }))
      .filter((path) => path.endsWith('/job.yaml') && !path.includes('-out/'))
      .map((path) => path.replace('/job.yaml', ''));
    expect(names.length).toBeGreaterThanOrEqual(5);
    for (const name of names) expect(accepts(root, await example(name)), name).toBe(true);
  });

  test.each<[string, Record<string, unknown>]>([
    ['an unknown key', { lozz: 1 }],
    ['an unknown scheme', { integrate: { scheme: 'rk5', from: 0, to: 1, steps: 3 } }],
    ['steps of zero', { integrate: { scheme: 'rk4', from: 0, to: 1, steps: 0 } }],
    ['an unknown generator', { params: { a: { unifrm: [0, 1] } } }],
    ['a gradient that is no list of names', { gradient: [1] }],
    ['a precision that is none', { precision: 'f16' }],
    ['half a row', { tracers: { x: 1, rows: 0.5 } }],
  ])('refuses %s', async (_, change) => {
    expect(accepts(root, { ...(await example('vortices')), ...change })).toBe(false);
  });

  test.each<[string, Record<string, unknown>]>([
    [
      'a term at several times',
      { loss: [{ at: [0, 0.5, 1], value: 'sum(i, x)' }, { integral: 'sum(i, x)' }] },
    ],
    [
      'steps chosen by the sources',
      { integrate: { scheme: 'dopri5', from: 0, to: 1, tolerance: { abs: 1e-6, rel: 1e-6 } } },
    ],
    [
      'nested lists',
      {
        params: {
          a: [
            [1, 2],
            [3, 4],
          ],
        },
      },
    ],
    ['a further set', { sets: { target: { z: 'target.npy', w: { linspace: [0, 1] }, rows: 10 } } }],
  ])('accepts %s', async (_, change) => {
    expect(accepts(root, { ...(await example('vortices')), ...change })).toBe(true);
  });
});
