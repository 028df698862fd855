/** `skewflow schema`: the JSON Schema of the job file, for editors and validators. */
import { Command } from 'commander';
import { schema } from '../index.ts';

export function schemaCommand(): Command {
  return new Command('schema').description('print the JSON Schema of the job file').action(async () => {
    process.stdout.write(`${JSON.stringify(await schema(), null, 2)}\n`);
  });
}
