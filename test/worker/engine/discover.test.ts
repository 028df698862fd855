import { describe, expect, onTestFinished, test } from 'vitest';
import { isSkewflowError } from '../../../src/errors.ts';
import { type ChoiceOptions, chooseStations, openEngine } from '../../../src/worker/engine/discover.ts';
import { systemOf } from '../../kernels/systems.ts';
import { describeWithLavapipe } from '../../setup/describe-with.ts';
import { cases } from './cases.ts';
import { evaluateOn } from './run.ts';

const options: ChoiceOptions = { precision: 'f32', threads: 1, memoryBytes: 2 ** 28 };

/** The machine as if it had the Vulkan drivers of this list and no other. */
function withDrivers(list: string): void {
  const before = { ...process.env };
  process.env['VK_DRIVER_FILES'] = list;
  process.env['VK_ICD_FILENAMES'] = list;
  onTestFinished(() => {
    process.env = before;
  });
}

describe('what computes', () => {
  test('by name is what was named', async () => {
    for (const name of ['wasm', 'reference'] as const) {
      const stations = await chooseStations(name, options);
      expect(stations.map((s) => [s.engine, s.name])).toEqual([[name, name]]);
    }
  });

  test('by default in double precision is WASM', async () => {
    const stations = await chooseStations('auto', { ...options, precision: 'f64' });
    expect(stations.map((s) => s.engine)).toEqual(['wasm']);
  });

  test('is no GPU where none answers, and the error says what to install', async () => {
    withDrivers('/nowhere.json');
    const refused = await chooseStations('webgpu', options).catch((error: unknown) => error);
    expect(isSkewflowError(refused, 'NoDeviceError') && refused.message).toMatch(/libvulkan1.*mesa-vulkan/);
  });

  test.each([
    ['wasm', 'f32', 'UsageError'],
    ['reference', 'f64', 'UsageError'],
    ['auto', 'f32', 'UsageError'],
    ['auto', 'f64', 'NoDeviceError'],
    ['webgpu', 'f64', 'NoDeviceError'],
  ] as const)('on %s in %s is no GPU that is named and not there: %s', async (choice, precision, tag) => {
    withDrivers('/nowhere.json');
    const refused = await chooseStations(choice, { ...options, precision, devices: [0] }).catch(
      (e: unknown) => e,
    );
    expect(isSkewflowError(refused, tag)).toBe(true);
  });

  test.each(['wasm', 'reference'] as const)('on %s in a child gives the bits it gives here', async (name) => {
    const problem = systemOf(cases[0]!.text);
    const precision = name === 'wasm' ? 'f32' : 'f64';
    await using here = await openEngine(name, { ...options, precision });
    await using there = await openEngine(name, { ...options, precision, isolated: true });
    expect(there.numerics).toBe(here.numerics);
    expect(await evaluateOn(there, problem)).toEqual(await evaluateOn(here, problem));
  });
});

describeWithLavapipe('on a machine with a software adapter alone', (driver) => {
  test('`auto` takes WASM, without a word', async () => {
    withDrivers(driver);
    const warnings: string[] = [];
    const stations = await chooseStations('auto', { ...options, onWarning: (s) => warnings.push(s) });
    expect(stations.map((s) => s.engine)).toEqual(['wasm']);
    expect(warnings).toEqual([]);
  });

  test('`webgpu` takes the adapter, with a warning', async () => {
    withDrivers(driver);
    const warnings: string[] = [];
    const stations = await chooseStations('webgpu', { ...options, onWarning: (s) => warnings.push(s) });
    expect(stations.map((s) => s.engine)).toEqual(['webgpu']);
    expect(warnings).toEqual([expect.stringContaining('is a software adapter')]);
  });

  test('a number that is not there is refused with those that are', async () => {
    withDrivers(driver);
    await expect(chooseStations('webgpu', { ...options, devices: [1] })).rejects.toThrow(
      /device 1 is not here; there is 0/,
    );
  });
});
