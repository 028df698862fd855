/** `skewflow init`: a folder with a job that runs. */
import { Command } from 'commander';
import { createExample, listExamples } from '../index.ts';

export function initCommand(): Command {
  return new Command('init')
    .description('make a folder with an example job and its data; without a name, list the examples')
    .argument('[example]', 'which one')
    .argument('[folder]', 'where (default: ./<example>)')
    .action(async (example: string | undefined, folder: string | undefined) => {
      if (example === undefined) {
        const examples = await listExamples();
        const width = Math.max(...examples.map((e) => e.name.length));
        process.stdout.write(examples.map((e) => `${e.name.padEnd(width)}  ${e.title}\n`).join(''));
        return;
      }
      const made = await createExample(example, folder ?? example);
      process.stdout.write(`${made.folder}: ${made.files.join(', ')}\n`);
      process.stderr.write(`now: skewflow run ${made.job}\n`);
    });
}
