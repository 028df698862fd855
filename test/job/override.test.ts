import { describe, expect, test } from 'vitest';
import { applyToObject, parseOverride } from '../../src/job/override.ts';
import { readField } from '../../src/job/values.ts';
import { jobIn, refusal, sound } from './jobs.ts';

describe('an override', () => {
  test('is a path, and a value in YAML', () => {
    expect(parseOverride('params.sigma=0.3')).toMatchObject({ path: ['params', 'sigma'], value: 0.3 });
    expect(parseOverride('loss.0.at=[0.5, 1]')).toMatchObject({ path: ['loss', '0', 'at'], value: [0.5, 1] });
    expect(parseOverride('loss=sum(i, x == 1)')).toMatchObject({ path: ['loss'], value: 'sum(i, x == 1)' });
  });

  test.each([
    ['sigma', 'expected `path=value`'],
    ['=1', 'expected `path=value`'],
    ['params..sigma=1', 'a path is keys separated by single dots'],
    ['params.sigma=[1', 'the value is not YAML'],
  ])('such as %s is refused', (text, message) => {
    expect(() => parseOverride(text)).toThrow(expect.objectContaining({ tag: 'UsageError' }));
    expect(() => parseOverride(text)).toThrow(message);
  });
});

describe('in a job file', () => {
  test('it replaces what is there', async () => {
    const job = await jobIn(sound, ['params.sigma=0.25', 'integrate.steps=3', 'loss=sum(i, sqnorm(x))']);
    expect(await readField(job, 'sigma', 0, 1)).toEqual(new Float32Array([0.25]));
    expect(job.integrate).toEqual({ kind: 'fixed', steps: 3 });
    expect(job.system.terms[0]!.text).toBe('sum(i, sqnorm(x))');
  });

  test('it adds a key that the job leaves out', async () => {
    expect((await jobIn(sound, ['precision=f64'])).precision).toBe('f64');
    expect((await jobIn(sound, ['output.save=[final]'])).output.final).toBe(true);
  });

  test('it stays in the text kept beside the results', async () => {
    const job = await jobIn(`# a comment\n${sound}`, ['params.sigma=0.25']);
    expect(job.source.text).toContain('sigma: 0.25');
    expect(job.source.text).toContain('# a comment');
  });

  test.each([
    ['params.sigm=1', 'UsageError', 'the job has no `params.sigm`: did you mean `sigma`?'],
    ['stepss=1', 'JobFileError', 'unknown key `stepss` in the job'],
    ['params.sigma.x=1', 'UsageError', 'the path goes through something that is neither a map nor a list'],
    ['integrate.steps=0', 'JobFileError', '--set integrate.steps: `steps` is 1 or more'],
    [
      'optimize.iterations=3',
      'JobFileError',
      '--set optimize: `optimize` has no `over`: `over` is a list of names',
    ],
    ['shards=900000000000', 'JobFileError', '--set shards: there are at most 65536 shards'],
    ['loss=sum(i, y)', 'FormulaError', '--set loss:1:8: unknown name `y`'],
  ])('%s is refused', async (set, tag, message) => {
    const error = await refusal(sound, [set]);
    expect(error).toMatchObject({ tag });
    expect(error.message).toContain(message);
  });
});

describe('in an object', () => {
  test('it makes a copy and leaves the object as it was', () => {
    const data = new Float64Array([1]);
    const object = { params: { sigma: 1, data }, loss: [{ at: 'end', value: '1' }] };
    const changed = applyToObject(object, [parseOverride('params.sigma=2'), parseOverride('loss.0.at=0.5')]);
    expect(changed).toEqual({ params: { sigma: 2, data }, loss: [{ at: 0.5, value: '1' }] });
    expect(object.params.sigma).toBe(1);
    expect((changed as typeof object).params.data).toBe(data);
  });

  test('it refuses places that a list does not have', () => {
    expect(() => applyToObject({ loss: [] }, [parseOverride('loss.0=1')])).toThrow(
      'neither a map nor a list',
    );
  });
});
