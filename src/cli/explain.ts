/** `skewflow explain`: what would this job do, and what does its structure save? */
import { Command } from 'commander';
import { explain, explainText } from '../index.ts';

export function explainCommand(): Command {
  return new Command('explain')
    .description('show the blocks of the Jacobian, the derived formulas, the work and the memory of a job')
    .argument('<job>', 'the job file (YAML or JSON)')
    .option(
      '--set <path=value>',
      'change one value of the job; repeatable',
      (v: string, all: string[]) => [...all, v],
      [],
    )
    .option('--kernels', 'also list the kernels it would run')
    .option('--json', 'print everything as one JSON document')
    .action(async (path: string, options: { set: string[]; kernels?: boolean; json?: boolean }) => {
      const explanation = await explain(path, { set: options.set, kernels: options.kernels ?? false });
      process.stdout.write(
        options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : explainText(explanation),
      );
    });
}
