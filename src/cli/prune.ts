/** `skewflow prune`: forgets runs that were over for long, and removes what is stored of them. */
import { Command, Option } from 'commander';
import { duration, type FleetOptions, withClient, withStorage } from './fleet.ts';

const weekMs = 7 * 86_400_000;

export function pruneCommand(): Command {
  return withStorage(new Command('prune').description('forget old runs and remove their results'))
    .addOption(
      new Option('--older-than <time>', 'only runs that were over for so long, e.g. 12h')
        .argParser(duration)
        .default(weekMs, '7d'),
    )
    .option('--json', 'print their ids as one JSON document')
    .action(async (options: Partial<FleetOptions> & { json?: boolean; olderThan: number }) => {
      const ids = await withClient(options, (client) => client.prune(options.olderThan));
      process.stdout.write(
        options.json === true ? `${JSON.stringify({ ids }, null, 2)}\n` : ids.map((id) => `${id}\n`).join(''),
      );
    });
}
