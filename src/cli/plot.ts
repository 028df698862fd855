/** `skewflow plot`: a folder of results in, pictures out. */
import { Command } from 'commander';
import { plot } from '../index.ts';

export function plotCommand(): Command {
  return new Command('plot')
    .description('draw what a folder of results holds, as SVG files in it')
    .argument('<out>', 'the folder that `run` wrote')
    .action(async (out: string) => {
      for (const path of await plot(out)) process.stdout.write(`${path}\n`);
    });
}
