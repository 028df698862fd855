/** `skewflow plot`: a folder of results in, pictures out. */
import { Command } from 'commander';
import { plot } from '../index.ts';

export function plotCommand(): Command {
  return new Command('plot')
    .description('draw what a folder of results holds, as SVG files in it')
    .argument('<out>', 'the folder that `run` wrote')
    .option('--png', 'draw each as PNG, too (needs the package sharp beside skewflow)')
    .action(async (out: string, { png = false }: { readonly png?: boolean }) => {
      for (const path of await plot(out, { png })) process.stdout.write(`${path}\n`);
    });
}
