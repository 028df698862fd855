/**
 * What does the command line mean? argv → one command of the public API → text, and an exit code.
 *
 * Data goes to stdout, everything else to stderr. Exit codes are those of `errors.ts`.
 */
import { Command, CommanderError } from 'commander';
import { errorTable, exitCodes, isSkewflowError, unwritable } from '../errors.ts';
import { version } from '../index.ts';
import { cancelCommand } from './cancel.ts';
import { checkCommand } from './check.ts';
import { completionCommand } from './completion.ts';
import { devicesCommand } from './devices.ts';
import { explainCommand } from './explain.ts';
import { fetchCommand } from './fetch.ts';
import { followCommand } from './follow.ts';
import { initCommand } from './init.ts';
import { lsCommand, showCommand } from './list.ts';
import { plotCommand } from './plot.ts';
import { pruneCommand } from './prune.ts';
import { runCommand } from './run.ts';
import { schemaCommand } from './schema.ts';
import { coordinatorCommand, workerCommand } from './services.ts';
import { submitCommand } from './submit.ts';

/** Run one command line (without `node` and the script) and return the code to exit with. */
export async function main(argv: readonly string[]): Promise<number> {
  quietOnClosedPipe();
  let exitCode: number = exitCodes.done;
  const finish = (code: number): void => {
    exitCode = code;
  };
  const program = skewflow(finish);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    return report(error);
  }
}

/** The program with all its commands; `finish` takes the exit code of a command that ends without an error. */
export function skewflow(finish: (code: number) => void): Command {
  const program = new Command('skewflow')
    .description('Loss and exact gradient of few coupled sources driving very many independent tracers.')
    .version(version, '-V, --version')
    .exitOverride()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText(
      'after',
      `
Examples:
  skewflow init vortices           a folder with a job that runs
  skewflow run vortices/job.yaml   the loss and its gradient, in ./vortices-out
  skewflow explain job.yaml        which blocks of the Jacobian are zero, diagonal, dense, and what that saves
  skewflow check job.yaml          the gradient against finite differences
  skewflow coordinator --storage /mnt/skewflow &   on one machine, and on as many as there are:
  skewflow worker --storage /mnt/skewflow &
  skewflow submit job.yaml --follow                the same loss and gradient, bit for bit

Exit codes: 0 done, 1 the job failed, 2 the job file or the command is wrong, 3 no usable device,
4 Redis or storage out of reach, 130/143 interrupted.`,
    );
  const commands = [
    runCommand(finish),
    plotCommand(),
    checkCommand(finish),
    explainCommand(),
    devicesCommand(finish),
    schemaCommand(),
    initCommand(),
    submitCommand(finish),
    coordinatorCommand(),
    workerCommand(),
    lsCommand(),
    showCommand(),
    followCommand(finish),
    fetchCommand(finish),
    cancelCommand(),
    pruneCommand(),
    completionCommand(() => program),
  ];
  for (const command of commands) program.addCommand(command.exitOverride());
  return program;
}

/** Say what went wrong on stderr and choose the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.badInput;
  if (isSkewflowError(error)) {
    process.stderr.write(`${error.message}\n`);
    return error.tag === 'AbortedError' && error.details['signal'] === 'SIGTERM'
      ? exitCodes.terminated
      : errorTable[error.tag].exitCode;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`internal error, please report it with the job file:\n${text}\n`);
  return exitCodes.jobFailed;
}

/**
 * A reader that went away (`| head`) ends the command without a stack trace, as nobody wants its data. Of what is said meanwhile
 * (`2>&1 | head`) no reader is needed: the work goes on. Data that find no room (`> file` on a full disk) are said to be lost.
 */
function quietOnClosedPipe(): void {
  const isClosed = ({ code }: NodeJS.ErrnoException): boolean => code === 'EPIPE';
  process.stdout.on('error', (error) => {
    if (isClosed(error)) process.exit(exitCodes.done);
    process.stderr.write(`${unwritable('standard output', error).message}\n`);
    process.exit(exitCodes.jobFailed);
  });
  process.stderr.on('error', (error) => {
    if (!isClosed(error)) throw error;
  });
}
