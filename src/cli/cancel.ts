/** `skewflow cancel`: ends a run, whatever it is doing. */
import { Command } from 'commander';
import { SkewflowError } from '../errors.ts';
import { type FleetOptions, withClient, withRedis } from './fleet.ts';

const sentences = {
  asked: 'cancelling: its coordinator ends it within a second or two',
  cancelled: 'cancelled before it began',
  over: 'it was over already',
} as const;

export function cancelCommand(): Command {
  return withRedis(new Command('cancel').description('end a run'))
    .argument('<id>', 'the run')
    .option('--json', 'print what became of it as one JSON document')
    .action(async (id: string, options: Partial<FleetOptions> & { json?: boolean }) => {
      const cancelled = await withClient(options, (client) => client.cancel(id));
      if (cancelled === 'unknown') throw new SkewflowError('UsageError', `run ${id} is not known`);
      process.stdout.write(
        options.json === true ? `${JSON.stringify({ id, cancelled })}\n` : `${id}: ${sentences[cancelled]}\n`,
      );
    });
}
