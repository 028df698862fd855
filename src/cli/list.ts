/** `skewflow ls`, `skewflow show`: which runs there are, and how one stands. */
import { Command, Option } from 'commander';
import { SkewflowError } from '../errors.ts';
import type { Client, RunFilter, RunStatus } from '../index.ts';
import { type FleetOptions, withClient, withRedis, withStorage } from './fleet.ts';
import { wholeNumber } from './options.ts';
import { plainStatus, runsTable, table } from './table.ts';

const states = ['queued', 'accepted', 'active', 'paused', 'done', 'failed', 'cancelled'] as const;

interface ListOptions extends Partial<FleetOptions> {
  readonly state?: RunStatus['state'];
  readonly batch?: string;
  readonly limit: number;
  readonly json?: boolean;
}

export function lsCommand(): Command {
  return withRedis(new Command('ls').description('list runs, the newest first'))
    .addOption(new Option('--state <state>', 'only runs in this state').choices(states))
    .option('--batch <id>', 'only runs of this batch')
    .option('--limit <n>', 'how many at most', wholeNumber, 100)
    .option('--json', 'print them as one JSON document')
    .action(async (options: ListOptions) => {
      const runs = await withClient(options, (client) => client.list(filterOf(options)));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(runs.map(plainStatus), null, 2)}\n` : runsTable(runs),
      );
    });
}

function filterOf({ state, batch, limit }: ListOptions): RunFilter {
  return {
    limit,
    ...(state === undefined ? {} : { states: [state] }),
    ...(batch === undefined ? {} : { batch: batch as NonNullable<RunFilter['batch']> }),
  };
}

export function showCommand(): Command {
  return withStorage(new Command('show').description('how a run stands'))
    .argument('<id>', 'the run')
    .option('--json', 'print it as one JSON document')
    .action(async (id: string, options: Partial<FleetOptions> & { json?: boolean }) => {
      const status = await withClient(options, (client) => statusOf(client, id));
      process.stdout.write(
        options.json === true ? `${JSON.stringify(plainStatus(status), null, 2)}\n` : shown(status),
      );
    });
}

/** @throws UsageError for a run that nobody knows */
export async function statusOf(client: Client, id: string): Promise<RunStatus> {
  const status = await client.run(id).status();
  if (status !== null) return status;
  throw new SkewflowError('UsageError', `run ${id} is not known; \`skewflow ls\` lists those that are`);
}

function shown(status: RunStatus): string {
  const { error, ...facts } = plainStatus(status) as Record<string, unknown> & Pick<RunStatus, 'error'>;
  const { progress, summary, id: _, ...plain } = facts;
  const all = { ...plain, ...(progress as object | null), ...(summary as object | null) };
  const rows = Object.entries(all).map(([name, value]) => [name, timed(name, value)]);
  return table(error === null ? rows : [...rows, ['error', error.message]]);
}

function timed(name: string, value: unknown): string {
  if (value === null || value === '') return '-';
  if (name.endsWith('At') && typeof value === 'number') return new Date(value).toISOString();
  return typeof value === 'string' ? value : JSON.stringify(value);
}
