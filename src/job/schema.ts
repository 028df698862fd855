/** What a job file may say: every key, its type and its default. */
import { z } from 'zod';
import type { NestedList } from '../arrays/inline.ts';
import type { ArraySpec } from '../arrays/open.ts';
import { didYouMean } from '../kernels/formula/diagnostics.ts';
import { schemeNames } from '../kernels/schemes/table.ts';

/**
 * A map with these keys and no others. Messages have two lines where there is advice: the mistake, and what was meant.
 */
function map<S extends z.ZodRawShape>(what: string, shape: S): z.ZodObject<S, z.core.$strict> {
  return z.strictObject(shape, {
    error: (issue) => {
      if (issue.code === 'invalid_type')
        return `${what} is a map of ${Object.keys(shape).map(quoted).join(', ')}`;
      if (issue.code !== 'unrecognized_keys') return undefined;
      return unknownKey(issue.keys[0]!, what, Object.keys(shape));
    },
  });
}

/** What is wrong with a key, and the one that was probably meant. */
function unknownKey(key: string, what: string, keys: readonly string[]): string {
  return `unknown key ${quoted(key)} in ${what}\n${didYouMean(key, keys) ?? `it takes ${keys.map(quoted).join(', ')}`}`;
}

const quoted = (name: string): string => `\`${name}\``;

/** A map with keys of the job's own choice. */
function names<V extends z.ZodType>(what: string, value: V): z.ZodRecord<z.ZodString, V> {
  return z.record(z.string(), value, { error: `${what} is a map of names` });
}

const finite = z.number({ error: 'expected a finite number' });
const positive = finite.positive({ error: 'expected a number above 0' });
const count = z.int({
  error: ({ input }) =>
    Number.isInteger(input) ? 'expected a whole number below 2^53' : 'expected a whole number',
});
const atLeastOne = count.min(1, { error: 'expected a whole number of 1 or more' });

const formula = z
  .union([z.string(), z.number()], { error: 'expected a formula: text, or a number' })
  .meta({ description: 'A formula, or a number.' });

// --- values -----------------------------------------------------------------------------------------------

const interval = z.tuple([finite, finite], { error: 'expected two numbers: [low, high]' });
const random = {
  dim: atLeastOne.optional().meta({ description: 'Components a row; 1 by default.' }),
  seed: count.min(0).max(0xffffffff, { error: 'a seed is a whole number from 0 to 4294967295' }).optional(),
};
const generators = {
  uniform: map('a `uniform` generator', { uniform: interval, ...random }),
  normal: map('a `normal` generator', {
    normal: z.tuple([finite, finite.min(0, { error: 'a standard deviation is not negative' })], {
      error: 'expected two numbers: [mean, standard deviation]',
    }),
    ...random,
  }),
  grid: map('a `grid`', {
    grid: z
      .array(z.tuple([finite, finite, atLeastOne], { error: 'expected an axis: [low, high, points]' }), {
        error: 'expected a list of axes: [[low, high, points], …]',
      })
      .min(1, { error: 'a grid has at least one axis' }),
  }),
  linspace: map('a `linspace`', { linspace: interval }),
  constant: map('a `constant`', {
    constant: z.union([finite, z.array(finite).min(1)], { error: 'expected a number or a list of numbers' }),
  }),
};

const nested = z
  .custom<NestedList>((value) => Array.isArray(value), { error: 'expected a list of numbers' })
  .meta({ type: 'array', description: 'Numbers, or lists of numbers.' });

const kindsOfValue =
  'a path, a number, a list of numbers, or a map with one of `uniform`, `normal`, `grid`, `linspace`, `constant`';

/** What a value is not, and the generator that was probably meant. */
function wrongValue(input: unknown): string {
  if (typeof input !== 'object' || input === null) return `expected ${kindsOfValue}`;
  const key = Object.keys(input)[0] ?? '';
  return `expected ${kindsOfValue}\n${didYouMean(key, Object.keys(generators)) ?? ''}`.trimEnd();
}

const fileValue = z
  .union([z.string(), finite, nested, ...Object.values(generators)], {
    error: (issue) => wrongValue(issue.input),
  })
  .meta({
    id: 'value',
    description:
      'An array: path.npy, path.npz#name, path.csv, path.zarr#name, an https:// or s3:// URL of a .npy or .zarr, numbers, or a generator.',
  });

/** In memory a value may also be a typed array, or a shape with data. */
const memoryValue = z.custom<ArraySpec>(
  (value) => fileValue.safeParse(value).success || isTypedArray(value) || isShaped(value),
  { error: (issue) => `${wrongValue(issue.input)}; in memory also a typed array, or { shape, data }` },
);

function isTypedArray(value: unknown): boolean {
  return (
    ArrayBuffer.isView(value) &&
    !(value instanceof DataView) &&
    typeof (value as Float64Array)[0] !== 'bigint'
  );
}

function isShaped(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || !('shape' in value) || !('data' in value)) return false;
  return Array.isArray(value.shape) && (Array.isArray(value.data) || isTypedArray(value.data));
}

// --- parts ------------------------------------------------------------------------------------------------

const integrate = map('`integrate`', {
  /** How a step is made. */
  scheme: z.enum(schemeNames, { error: (issue) => oneOf('a scheme', schemeNames, issue.input) }),
  /** Start time. Default 0. */
  from: finite.optional().meta({ description: 'Start time; 0 by default.' }),
  /** End time. */
  to: finite.meta({ description: 'End time.' }),
  /** Number of equal steps. */
  steps: count
    .min(1, { error: '`steps` is 1 or more' })
    .max(10_000_000, { error: '`steps` is at most 10000000' })
    .optional()
    .meta({ description: 'Number of equal steps.' }),
  /** With `dopri5`: the sources choose the steps. */
  tolerance: map('`tolerance`', {
    /** Error of a step that is accepted, in the units of the state. */
    abs: positive,
    /** The same, relative to the state. */
    rel: positive,
  })
    .optional()
    .meta({ description: 'With dopri5: the sources choose the steps.' }),
}).meta({ oneOf: [{ required: ['steps'] }, { required: ['tolerance'] }] });

function oneOf(what: string, allowed: readonly string[], input: unknown): string {
  const meant = typeof input === 'string' ? didYouMean(input, allowed) : undefined;
  return `${what} is one of ${allowed.map(quoted).join(', ')}${meant === undefined ? '' : `\n${meant}`}`;
}

const moment = z.union([z.enum(['start', 'end']), finite], { error: 'a time is `start`, `end` or a number' });
const at = z.union(
  [z.enum(['start', 'end', 'every step']), finite, z.array(moment).min(1, { error: 'at least one time' })],
  { error: '`at` is `start`, `end`, `every step`, a time or a list of times' },
);

function lossTerm<V extends z.ZodType>(value: V) {
  return map('a term of the loss', {
    /** When. Default: the end. */
    at: at.optional().meta({ description: 'When; `end` by default.' }),
    /** The term at that time: a function of sums over tracers. */
    value: formula.optional(),
    /** ∫ dt from start to end, by the same scheme. */
    integral: formula.optional().meta({ description: '∫ dt from start to end, by the same scheme.' }),
    /** Arrays of this term: times × rows × components. */
    with: names('`with`', value)
      .optional()
      .meta({ description: 'Arrays of this term: times × rows × components.' }),
  }).meta({ oneOf: [{ required: ['value'] }, { required: ['integral'] }] });
}

const bound = z.union(
  [
    z.number(),
    z.null(),
    z
      .custom<number>((value) => value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY)
      .meta({ type: 'number' }),
  ],
  { error: 'a bound is a number, or empty' },
);

const methods = ['lbfgs', 'adam', 'gd'] as const;

const optimize = map('`optimize`', {
  /** Fields of sources, sets, pairs or params. */
  over: z
    .array(z.string(), { error: '`over` is a list of names' })
    .min(1, { error: '`over` names at least one field' }),
  /** Default `lbfgs`. */
  method: z.enum(methods, { error: (issue) => oneOf('a method', methods, issue.input) }).optional(),
  /** Steps at most. Default 100. */
  iterations: count.min(0).optional(),
  /** Evaluations of the loss at most. Default 1000. */
  evaluations: atLeastOne.optional(),
  /** Stop when the largest component is below. Default 1e-6. */
  gradientTolerance: finite
    .min(0)
    .optional()
    .meta({ description: 'Stop when the largest component is below.' }),
  /** Stop when the loss falls by less, relatively. Default 1e-12. */
  decreaseTolerance: finite
    .min(0)
    .optional()
    .meta({ description: 'Stop when the loss falls by less, relatively.' }),
  /** Step length of `adam` and `gd`. Default 1e-2. */
  rate: positive.optional().meta({ description: 'Step length of adam and gd.' }),
  /** Pairs that `lbfgs` keeps. Default 10. */
  memory: atLeastOne.optional().meta({ description: 'Pairs that lbfgs keeps.' }),
  /** By field: [low, high], null or ±∞ for none. */
  bounds: names(
    '`bounds`',
    z.tuple([bound, bound], { error: 'expected two bounds: [low, high]' }),
  ).optional(),
  /** By field: rows that do not move. */
  fixed: names('`fixed`', z.array(count.min(0), { error: 'expected a list of rows' })).optional(),
});

const saved = ['final', 'trajectory'] as const;
const formats = ['npy', 'zarr'] as const;

const output = map('`output`', {
  /** States of the sources and tracers. Default: none. */
  save: z
    .array(z.enum(saved, { error: (issue) => oneOf('what is saved', saved, issue.input) }), {
      error: '`save` is a list of `final` and `trajectory`',
    })
    .optional(),
  /** Steps between saved states of the trajectory. Default 1. */
  every: atLeastOne
    .optional()
    .meta({ description: 'Steps between saved states of the trajectory; 1 by default.' }),
  /** Of the tracers’ arrays. Default `npy`. */
  format: z.enum(formats, { error: (issue) => oneOf('a format', formats, issue.input) }).optional(),
});

const rows = count
  .min(1, { error: 'there is at least one row' })
  .max(2 ** 40, { error: 'there are at most 2^40 rows' })
  .optional()
  .meta({ description: 'How many rows there are, where no array says it.' });

const amount = 'an amount of memory is a number of bytes or a text such as 512MiB, 2GiB';
const bytes = z.union(
  [z.int().min(1, { error: amount }), z.string().regex(/^\d+(\.\d+)?\s*([KMGT]i?)?B$/u, { error: amount })],
  { error: amount },
);

const jobName = z.string({ error: 'a name is text' }).regex(/^[\p{L}\p{N}_][\p{L}\p{N}_. -]{0,99}$/u, {
  error: 'a name is letters, digits, `_`, `.`, `-` and spaces, at most 100: it names the output folder',
});

// --- the job ----------------------------------------------------------------------------------------------

function jobSchema<V extends z.ZodType>(value: V) {
  const group = (what: string) =>
    z
      .object(
        {
          /** How many rows there are, where no array says it. */
          rows,
        },
        { error: `${what} is a map of fields` },
      )
      .catchall(value);
  return map('the job', {
    /** Names the output folder. Default: after the file. */
    name: jobName.optional(),
    /** The few, coupled to each other: M rows each. */
    sources: group('`sources`')
      .optional()
      .meta({ description: 'The few: coupled to each other; M rows each.' }),
    /** The many, independent of each other: N rows each. */
    tracers: group('`tracers`')
      .optional()
      .meta({ description: 'The many: independent of each other; N rows each.' }),
    /** Further rows, which do not move. */
    sets: names('`sets`', group('a set'))
      .optional()
      .meta({ description: 'Further rows, which do not move.' }),
    /** Weights between sources: M × M (× components). */
    pairs: names('`pairs`', value)
      .optional()
      .meta({ description: 'Weights between sources: M × M (× components).' }),
    /** One vector each, the same for every row. */
    params: names('`params`', value).optional(),
    /** Names for formulas, with or without parameters. */
    let: names('`let`', formula)
      .optional()
      .meta({ description: 'Names for formulas, with or without parameters.' }),
    /** d/dt of every field that evolves. */
    flow: names('`flow`', formula).optional().meta({ description: 'd/dt of every field that evolves.' }),
    /** How it evolves; left out where nothing does. */
    integrate: integrate.optional(),
    /** A formula, or terms that add up. */
    loss: z
      .union([formula, z.array(lossTerm(value)).min(1, { error: 'a loss has at least one term' })], {
        error: 'a loss is a formula or a list of terms',
      })
      .optional(),
    /** Fields whose gradient is wanted. */
    gradient: z.array(z.string(), { error: '`gradient` is a list of names' }).optional(),
    /** What the loss is minimised over, and how. */
    optimize: optimize.optional(),
    /** Outputs of every tracer at the end time. */
    values: names('`values`', formula)
      .optional()
      .meta({ description: 'Outputs of every tracer at the end time.' }),
    /** What is saved beside them. */
    output: output.optional(),
    /** Parts of the tracers; the bits depend on it. Default: by the sizes of the job. */
    shards: atLeastOne.max(65_536, { error: 'there are at most 65536 shards' }).optional(),
    /** Default `f32`. */
    precision: z
      .enum(['f32', 'f64'], { error: (issue) => oneOf('a precision', ['f32', 'f64'], issue.input) })
      .optional(),
    /** Bound of the states kept for the backward sweep, a number of bytes or such as `2GiB`. */
    memory: bytes
      .optional()
      .meta({ description: 'Bound of the states kept for the backward sweep, e.g. 2GiB.' }),
  });
}

/** A job file. */
export const fileSchema = jobSchema(fileValue);
/** A job given in memory. */
export const memorySchema = jobSchema(memoryValue);

/** A job as an object: what a job file says, with arrays in memory where the file has paths. */
export type JobObject = z.input<typeof memorySchema>;
/** A job of the right form, nothing resolved yet. */
export type JobForm = z.output<typeof memorySchema>;
export type TermForm = Exclude<NonNullable<JobForm['loss']>, number | string>[number];
export type TermAt = NonNullable<TermForm['at']>;

/** The JSON Schema (draft 2020-12) of the job file, for editors. */
export function jobJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(fileSchema, { io: 'input', unrepresentable: 'any' });
  return { title: 'skewflow job', ...schema };
}
