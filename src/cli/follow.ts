/** `skewflow follow`: what happens to a run, until it is over. It may be broken off and taken up again; the run goes on. */
import { Command } from 'commander';
import { exitCodes, SkewflowError } from '../errors.ts';
import type { Client, RunEvent, RunStatus } from '../index.ts';
import { type FleetOptions, withClient, withRedis } from './fleet.ts';
import { statusOf } from './list.ts';
import { significant } from './numbers.ts';
import { interruptible } from './signals.ts';
import { changesText } from './table.ts';

interface Options extends Partial<FleetOptions> {
  readonly cursor?: string;
  readonly json?: boolean;
}

export function followCommand(finish: (code: number) => void): Command {
  return withRedis(new Command('follow').description('watch a run until it is over'))
    .argument('<id>', 'the run')
    .option('--cursor <cursor>', 'go on after this event, as --json prints it')
    .option('--json', 'print each event as a line of JSON')
    .action(async (id: string, options: Options) => {
      await withClient(options, async (client) => {
        await statusOf(client, id);
        const status = await interruptible((signal) => follow(client, id, options, signal)).catch(goesOn(id));
        finish(exitCodeOf(status));
      });
    });
}

/** Print what happens to a run until it is over; how it ended. */
export async function follow(
  client: Client,
  id: string,
  { cursor, json, set = [] }: Pick<Options, 'cursor' | 'json'> & { readonly set?: readonly string[] },
  signal: AbortSignal,
): Promise<RunStatus> {
  const name = [id, changesText(set)].join(' ').trim();
  const from = cursor === undefined ? { signal } : { signal, cursor };
  for await (const event of client.run(id).events(from)) {
    if (json === true) process.stdout.write(`${JSON.stringify({ run: id, ...event })}\n`);
    else process.stderr.write(`${name}: ${line(event)}\n`);
  }
  signal.throwIfAborted();
  return statusOf(client, id);
}

/** 0 for a run that is done, 1 for one that is not. */
export function exitCodeOf({ state }: RunStatus): number {
  return state === 'done' ? exitCodes.done : exitCodes.jobFailed;
}

/** Interrupting a command that watches does not touch what it watches. */
export function goesOn(id: string, batch: string | null = null): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof SkewflowError) || error.tag !== 'AbortedError') throw error;
    const text =
      batch === null
        ? `the run goes on: \`skewflow follow ${id}\` takes it up again, \`skewflow cancel ${id}\` ends it`
        : `the runs go on: \`skewflow ls --batch ${batch}\` lists them, \`skewflow cancel ID\` ends one`;
    throw new SkewflowError('AbortedError', text, error.details, { cause: error });
  };
}

function line(event: RunEvent): string {
  switch (event.kind) {
    case 'notice':
      return event.text;
    case 'progress': {
      const { iteration, share, loss, pairsPerSecond, seats, redone, workersLost } = event;
      const parts = [
        `iteration ${iteration}`,
        `${Math.round(100 * share)} %`,
        loss === null ? null : `loss ${significant(loss, 9)}`,
        pairsPerSecond === 0 ? null : `${significant(pairsPerSecond / 1e9, 3)} Gpair/s`,
        `${seats} ${seats === 1 ? 'seat' : 'seats'}`,
        redone === 0 ? null : `${redone} redone`,
        workersLost === 0 ? null : `${workersLost} lost`,
      ];
      return parts.filter((part) => part !== null).join(', ');
    }
    case 'state':
      return event.error === null ? event.state : `${event.state}: ${event.error.message}`;
  }
}
