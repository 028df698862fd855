/** `skewflow explain`: what would this job do, and what does its structure save? */
import { Command } from 'commander';
import { explain, explainText } from '../index.ts';
import { withJobOptions } from './options.ts';

interface Options {
  readonly set: readonly string[];
  readonly allowHost: readonly string[];
  readonly kernels?: boolean;
  readonly json?: boolean;
}

export function explainCommand(): Command {
  const command = new Command('explain')
    .description('show the blocks of the Jacobian, the derived formulas, the work and the memory of a job')
    .argument('<job>', 'the job file (YAML or JSON)')
    .option('--kernels', 'also list the kernels it would run')
    .option('--json', 'print everything as one JSON document');
  return withJobOptions(command).action(async (path: string, options: Options) => {
    const { set, allowHost: allowHosts, kernels = false } = options;
    const explanation = await explain(path, { set, allowHosts, kernels });
    process.stdout.write(
      options.json === true ? `${JSON.stringify(explanation, null, 2)}\n` : explainText(explanation),
    );
  });
}
