/** What are our functions called elsewhere? Names that no slip of the pen leads to, and those that mean another thing there. */

/** In small letters and without `_` ↦ what is meant; two where languages differ. */
const meanings: Readonly<Record<string, readonly string[]>> = {
  // KeOps' Norm2 is the norm, others' norm2 its square.
  norm2: ['norm', 'sqnorm'],
  normsq: ['sqnorm'],
  normsquared: ['sqnorm'],
  sqnorm2: ['sqnorm'],
  squarednorm: ['sqnorm'],
  dist2: ['sqdist'],
  distsq: ['sqdist'],
  sqdist2: ['sqdist'],
  squareddistance: ['sqdist'],
  arccos: ['acos'],
  arcsin: ['asin'],
  arctan: ['atan'],
  arctan2: ['atan2'],
  concatenate: ['concat'],
  expit: ['sigmoid'],
  heaviside: ['step'],
  inner: ['dot'],
  ln: ['log'],
  logistic: ['sigmoid'],
  lse: ['logsumexp'],
  matmul: ['matvec'],
  maximum: ['max'],
  minimum: ['min'],
  power: ['pow'],
  where: ['select'],
};

/** `did you mean …?` for a function that has another name here, else undefined. */
export function namedElsewhere(name: string): string | undefined {
  const key = name.toLowerCase().replaceAll('_', '');
  if (!Object.hasOwn(meanings, key)) return undefined;
  return `did you mean ${meanings[key]!.map((meant) => `\`${meant}\``).join(' or ')}?`;
}

const values: Readonly<Record<string, string>> = { π: 'pi', e: 'exp(1)' };

/** `did you mean …?` for a number that is written otherwise here, else undefined. */
export function valueElsewhere(name: string): string | undefined {
  return Object.hasOwn(values, name) ? `did you mean \`${values[name]}\`?` : undefined;
}
