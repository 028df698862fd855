/** What is drawn of a folder of results, and how a history is written and read. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import sharp from 'sharp';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type JobObject, plot, run } from '../../src/index.ts';
import { convergencePlot } from '../../src/plot/convergence.ts';
import { historyText, readHistory } from '../../src/plot/history.ts';
import { pngDrawing } from '../../src/plot/png.ts';
import { temporaryFolder } from '../arrays/folder.ts';
import { built, skewflow } from '../cli/skewflow.ts';

const job: JobObject = {
  name: 'drawn',
  sources: {
    q: [
      [0.1, 0.2],
      [0.7, -0.3],
    ],
    p: [
      [0.3, 0.1],
      [-0.2, 0.4],
    ],
  },
  tracers: { x: { uniform: [-1, 1], dim: 3, seed: 3 }, age: { uniform: [0, 1], seed: 5 }, rows: 70 },
  flow: { x: 'sum(j, exp(-sqnorm(slice(x, 0, 2) - q[j])) * concat(p[j], 0.1))', q: 'p', age: '-age' },
  integrate: { scheme: 'heun', from: 0, to: 1, steps: 4 },
  loss: 'mean(i, sqnorm(x - 0.3)) + 0.01 * mean(i, age)',
  optimize: { over: ['p'], iterations: 5 },
  gradient: ['p', 'q'],
  output: { save: ['final', 'trajectory'], every: 2 },
};

const fontless = await pngDrawing().then(
  () => null,
  (error: unknown) => ` (skipped: ${String(error)})`,
);

const count = (svg: string, pattern: RegExp): number => svg.match(pattern)?.length ?? 0;

describe('plot', () => {
  beforeAll(built);

  it('draws convergence, final states, trajectories and gradient norms', async () => {
    const out = join(await temporaryFolder(), 'out');
    const { history, gradientNorms } = await run(job, { out, engine: 'reference' });
    const files = ['convergence.svg', 'final.svg', 'trajectory.svg', 'gradient.svg'].map((file) =>
      join(out, file),
    );
    expect(await plot(out)).toEqual(files);
    const [convergence, final, trajectory, gradient] = (await Promise.all(
      files.map((file) => readFile(file, 'utf8')),
    )) as [string, string, string, string];
    expect(count(convergence, /<circle/gu)).toBe(2 * history.length);
    // q (2 rows) and x (70 rows), before and after; `age` has one component and is no cloud.
    expect(count(final, /<circle/gu)).toBe(2 * (2 + 70));
    expect(final).not.toContain('age');
    expect(count(trajectory, /stroke-width="0.8"/gu)).toBe(2 + 70);
    expect(gradient).toContain(`∂L/∂q: ${Number(gradientNorms['q']!.toPrecision(6))}`);
    for (const svg of [convergence, final, trajectory, gradient]) {
      expect(svg).toContain('drawn: ');
      expect(svg).not.toMatch(/NaN|Infinity|undefined/u);
    }
  });

  it('shows where nearly all rows are, and says so, where a few are thrown far out', async () => {
    const out = join(await temporaryFolder(), 'out');
    await run(
      {
        name: 'thrown',
        tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, far: { linspace: [0, 1] }, rows: 500 },
        flow: { x: 'select(far > 0.997, 1e4, 0) * x' },
        integrate: { scheme: 'euler', from: 0, to: 1, steps: 1 },
        output: { save: ['final'] },
      },
      { out, engine: 'reference' },
    );
    await plot(out);
    const svg = await readFile(join(out, 'final.svg'), 'utf8');
    expect(svg).toContain('x[1] (some lie farther out)');
    expect(count(svg, />-?1<\/text>/gu)).toBeGreaterThanOrEqual(4);
  });

  it('draws the same clouds and paths of a zarr group', async () => {
    const folder = await temporaryFolder();
    const many = { ...job, tracers: { ...job.tracers, rows: 23_000 }, shards: 3 } as JobObject;
    const clouds = async (format: 'npy' | 'zarr'): Promise<readonly string[]> => {
      const out = join(folder, format);
      await run({ ...many, output: { save: ['final', 'trajectory'], every: 2, format } }, { out });
      await plot(out);
      return Promise.all(['final', 'trajectory'].map((name) => readFile(join(out, `${name}.svg`), 'utf8')));
    };
    const [npy, zarr] = [await clouds('npy'), await clouds('zarr')];
    expect(zarr).toEqual(npy);
    // Every second of x, before and after, and q.
    expect(count(npy[0] as string, /<circle/gu)).toBe(2 * (11_500 + 2));
  });

  it.skipIf(fontless !== null)(
    `draws each picture as PNG, too, where that is wanted${fontless ?? ''}`,
    async () => {
      const out = join(await temporaryFolder(), 'out');
      await run(job, { out, engine: 'reference' });
      const paths = await plot(out, { png: true });
      const names = ['convergence', 'final', 'trajectory', 'gradient'];
      expect(paths).toEqual(
        names.flatMap((name) => ['svg', 'png'].map((end) => join(out, `${name}.${end}`))),
      );
      for (const name of names) {
        const { width, height, format } = await sharp(join(out, `${name}.png`)).metadata();
        const [, across, up] = /width="(\d+)" height="(\d+)"/u.exec(
          await readFile(join(out, `${name}.svg`), 'utf8'),
        )!;
        expect({ width, height, format }).toEqual({
          width: 2 * Number(across),
          height: 2 * Number(up),
          format: 'png',
        });
        const { channels } = await sharp(join(out, `${name}.png`))
          .removeAlpha()
          .stats();
        expect(channels.map(({ max }) => max)).toEqual([255, 255, 255]);
        expect(channels[0]!.min).toBeLessThan(100);
      }

      await writeFile(join(out, 'no.conf'), '<fontconfig></fontconfig>');
      const bare = await skewflow(['plot', '.', '--png'], out, { FONTCONFIG_FILE: join(out, 'no.conf') });
      expect(bare.code).toBe(2);
      expect(bare.stderr).toMatch(/a PNG needs a font, and this machine has none: install one/u);
      vi.doMock('sharp', () => {
        throw new Error('not there');
      });
      await expect(plot(out, { png: true })).rejects.toMatchObject({
        tag: 'UsageError',
        message: expect.stringContaining('`npm install sharp`'),
      });
      vi.doUnmock('sharp');
    },
  );

  it('says what to ask for when there is nothing to draw, and what a folder of results is', async () => {
    const folder = await temporaryFolder();
    await expect(plot(folder)).rejects.toMatchObject({
      tag: 'InputError',
      message: expect.stringContaining('no result.json'),
    });
    const { optimize: _, gradient: __, output: ___, ...plain } = job;
    await run(plain, { out: join(folder, 'out'), engine: 'reference' });
    await expect(plot(join(folder, 'out'))).rejects.toThrow(/nothing to draw: add `gradient`/u);
  });
});

const row = (iteration: number, loss: number) => ({
  iteration,
  evaluations: iteration + 1,
  loss,
  gradientNorm: Math.abs(loss) / 3 + 1e-9,
  step: 0.1,
  seconds: 0.25 * iteration,
});

describe('a history', () => {
  it('is read as it was written', () => {
    const number = fc.double({ noNaN: true, noDefaultInfinity: true });
    const rows = fc.array(
      fc.record({
        iteration: fc.nat(),
        evaluations: fc.nat(),
        loss: number,
        gradientNorm: number,
        step: number,
      }),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(rows, (written) => {
        // −0 is written 0: no reader of a CSV tells them apart.
        const history = written.map((r) => ({
          ...r,
          loss: r.loss + 0,
          gradientNorm: r.gradientNorm + 0,
          step: r.step + 0,
          seconds: 1.25,
        }));
        expect(readHistory(historyText(history))).toEqual(history);
      }),
    );
  });

  it('is not read from anything else', () => {
    expect(readHistory('a,b\n1,2\n')).toBeNull();
    expect(readHistory(historyText([row(0, 1.1)]).replace('1.1', 'x'))).toBeNull();
  });

  it.each([
    ['losses of both signs', [1.3, 0.2, -0.7, -0.71]],
    ['losses that reach zero', [13.1, 0.2, 1e-9, 0]],
    ['one step', [0.3]],
    ['losses that stand still', [0.3, 0.3]],
  ])('is drawn with %s', (_, losses) => {
    const svg = convergencePlot(
      'fit',
      losses.map((loss, k) => row(k, loss)),
    );
    expect(svg).not.toMatch(/NaN|Infinity/u);
    expect(count(svg, /<circle/gu)).toBe(
      losses.filter((l, _k, all) => !(all.includes(0) && l === 0)).length + losses.length,
    );
  });
});
