/** `skewflow fetch`: the results of a run, or of all runs of a batch with a table of them. */
import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { exitCodes, refuseNameless, SkewflowError, unwritable } from '../errors.ts';
import type { Client, RunStatus } from '../index.ts';
import { type FleetOptions, withClient, withStorage } from './fleet.ts';
import { interruptible } from './signals.ts';
import { lossOf } from './table.ts';

interface Options extends Partial<FleetOptions> {
  readonly batch?: string;
  readonly out?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function fetchCommand(finish: (code: number) => void): Command {
  return withStorage(new Command('fetch').description('copy results out of the storage root'))
    .argument('[id]', 'the run')
    .option('--batch <id>', 'all runs of a batch, each in a folder of its own, with index.csv')
    .option('--out <folder>', 'where they go (default: ./<name>-out, ./<batch> for a batch)')
    .option('--force', 'replace the folder; without it, --batch fetches what is not there yet')
    .option('--json', 'print what was fetched as one JSON document')
    .action(async (id: string | undefined, options: Options) => {
      if ((id === undefined) === (options.batch === undefined))
        throw new SkewflowError('UsageError', 'fetch takes the id of a run, or `--batch ID`');
      await withClient(options, (client) =>
        id === undefined
          ? fetchBatch(client, options.batch ?? '', options, finish)
          : fetchOne(client, id, options),
      );
    });
}

async function fetchOne(client: Client, id: string, options: Options): Promise<void> {
  const { out = `${await nameOf(client, id)}-out`, force = false } = options;
  const { folder, summary } = await interruptible((signal) => client.run(id).fetch({ out, force, signal }));
  process.stdout.write(
    options.json === true ? `${JSON.stringify({ id, folder, ...summary }, null, 2)}\n` : `${folder}\n`,
  );
}

/** The run's name, unless it would name a place of its own choice. */
async function nameOf(client: Client, id: string): Promise<string> {
  const name = (await client.run(id).status())?.name ?? id;
  return /^[\p{L}\p{N}_][\p{L}\p{N}_. -]*$/u.test(name) ? name : id;
}

async function fetchBatch(
  client: Client,
  batch: string,
  options: Options,
  finish: (code: number) => void,
): Promise<void> {
  const { out = batch, force = false } = options;
  refuseNameless(out, 'output');
  const runs = await client.list({ batch: batch as NonNullable<RunStatus['batch']>, limit: 100_000 });
  if (runs.length === 0) throw new SkewflowError('UsageError', `batch ${batch} is not known`);
  const refuse = (cause: unknown): never => {
    throw unwritable(out, cause);
  };
  const paths = [...new Set(runs.flatMap(({ set }) => [...changedPaths(set).keys()]))];
  const kept: string[] = [];
  const rows: (readonly string[])[] = [];
  for (const status of runs.toReversed()) {
    const folder = `${await nameOf(client, status.run)}-${status.run}`;
    if (status.state === 'done' && !force && (await isComplete(join(out, folder)))) {
      kept.push(status.run);
    } else if (status.state === 'done') {
      await interruptible(
        (signal) => client.run(status.run).fetch({ out: join(out, folder), force, signal }),
        `the folders in ${out} are complete, others are not there yet`,
      );
    }
    rows.push([
      status.run,
      status.name,
      ...paths.map((path) => changedPaths(status.set).get(path) ?? ''),
      status.state,
      `${lossOf(status) ?? ''}`,
      `${status.summary?.['iterations'] ?? ''}`,
      `${status.summary?.['seconds'] ?? ''}`,
      status.state === 'done' ? folder : '',
      status.error?.message ?? '',
    ]);
  }
  const head = ['run', 'name', ...paths, 'state', 'loss', 'iterations', 'seconds', 'folder', 'error'];
  const index = join(out, 'index.csv');
  await mkdir(out, { recursive: true }).catch(refuse);
  await writeFile(index, [head, ...rows].map((row) => `${row.map(field).join(',')}\n`).join('')).catch(
    refuse,
  );
  if (kept.length > 0)
    process.stderr.write(
      `${kept.length} of ${runs.length} were there and are kept; --force fetches them again\n`,
    );
  process.stdout.write(
    options.json === true
      ? `${JSON.stringify({ batch, out, runs: runs.map(({ run }) => run), kept }, null, 2)}\n`
      : `${index}\n`,
  );
  finish(runs.every(({ state }) => state === 'done') ? exitCodes.done : exitCodes.jobFailed);
}

/** Whether the results of a run were fetched into a folder: it has the run's id in its name, and `result.json` when it is whole. */
async function isComplete(folder: string): Promise<boolean> {
  return await access(join(folder, 'result.json')).then(
    () => true,
    () => false,
  );
}

/** Path ↦ value of each change, the last where one is changed twice: a column a path, as tables want it. */
function changedPaths(set: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    set.map((change): [string, string] => {
      const [path = '', ...value] = change.split('=');
      return [path.trim(), value.join('=').trim()];
    }),
  );
}

/** RFC 4180. */
function field(text: string): string {
  return /[",\n\r]/u.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
