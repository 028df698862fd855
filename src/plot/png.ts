/** How does a picture become PNG, without a browser? sharp draws it, where the user has installed it. */
import type { default as Sharp } from 'sharp';
import { SkewflowError } from '../errors.ts';

/** Of an SVG of 72 a unit: two pixels, so that small text is sharp. */
const pixelsAnInch = 144;

/** Draws SVG documents as PNG. */
export type Draw = (svg: string) => Promise<Buffer>;

/**
 * @throws UsageError where sharp is not installed, and where this machine has no font: a picture without its figures says
 * nothing
 */
export async function pngDrawing(): Promise<Draw> {
  const sharp = await import('sharp').then(
    (module) => module.default,
    (cause: unknown) => {
      throw new SkewflowError(
        'UsageError',
        'a PNG is drawn by sharp, which does not come with skewflow: `npm install sharp` beside it',
        {},
        { cause },
      );
    },
  );
  if (!(await hasFont(sharp))) {
    throw new SkewflowError(
      'UsageError',
      'a PNG needs a font, and this machine has none: install one, such as the package fonts-dejavu-core',
    );
  }
  return (svg) => sharp(Buffer.from(svg), { density: pixelsAnInch }).png({ palette: true }).toBuffer();
}

/** Whether two words look different: without a font each letter is the same box, or nothing. */
async function hasFont(sharp: typeof Sharp): Promise<boolean> {
  const [one, other] = await Promise.all(
    ['loss', 'time'].map((word) => {
      const text = `<text x="4" y="15" font-family="sans-serif" font-size="14">${word}</text>`;
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20">${text}</svg>`;
      return sharp(Buffer.from(svg)).raw().toBuffer();
    }),
  );
  return one !== undefined && other !== undefined && !one.equals(other);
}
