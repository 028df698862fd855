/**
 * What does the environment say? Every variable the project reads, parsed once at the door.
 */
import { readFileSync } from 'node:fs';
import { SkewflowError } from './errors.ts';
import { readS3Settings, type S3Environment, type S3Settings } from './objects/s3-settings.ts';

export interface Config {
  /** `SKEWFLOW_LOG`: what is logged to stderr. Default `silent`: errors are thrown, not logged. */
  readonly logLevel: LogLevel;
  /** `SKEWFLOW_TRACE_FD`: where threads write what `trace` asks for; a worker sets it for its compute child. Default 2. */
  readonly traceDescriptor: number;
  /** `SKEWFLOW_THREADS`: worker threads where no option says otherwise; null: one per core. */
  readonly threads: number | null;
  /** `AWS_ACCESS_KEY_ID` … `AWS_PROFILE`: the storage behind `s3://`. */
  readonly s3: S3Settings;
  /** `REDIS_URL`: where Redis is, with its password; null: not said. */
  readonly redisUrl: string | null;
  /** `SKEWFLOW_REDIS_PASSWORD_FILE`: a file that holds Redis’ password; null: not said. */
  readonly redisPasswordFile: string | null;
  /** `SKEWFLOW_STORAGE`: the storage root where no option names it; null: not said. */
  readonly storage: string | null;
  /** `SKEWFLOW_LISTEN`: where a coordinator or a worker serves its metrics and health; null: nowhere. */
  readonly listen: string | null;
}

/** From `debug`: which shard is read, computed and posted; from `trace`: each pass of a thread over a block of rows, too. */
export const logLevels = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const;
export type LogLevel = (typeof logLevels)[number];

/** The file descriptor of stderr. */
const stderr = 2;

/** The variables that are read. */
export interface Environment extends S3Environment {
  readonly SKEWFLOW_LOG?: string | undefined;
  readonly SKEWFLOW_THREADS?: string | undefined;
  readonly SKEWFLOW_TRACE_FD?: string | undefined;
  readonly REDIS_URL?: string | undefined;
  readonly SKEWFLOW_REDIS_PASSWORD_FILE?: string | undefined;
  readonly SKEWFLOW_STORAGE?: string | undefined;
  readonly SKEWFLOW_LISTEN?: string | undefined;
}

/**
 * Parse the environment.
 *
 * @throws UsageError for a value that is not one of those listed
 */
export function readConfig(environment: Environment): Config {
  return Object.freeze({
    logLevel: levelOf(environment.SKEWFLOW_LOG),
    traceDescriptor: countOf('SKEWFLOW_TRACE_FD', environment.SKEWFLOW_TRACE_FD) ?? stderr,
    threads: countOf('SKEWFLOW_THREADS', environment.SKEWFLOW_THREADS),
    s3: readS3Settings(environment, textIn),
    redisUrl: textOf(environment.REDIS_URL),
    redisPasswordFile: textOf(environment.SKEWFLOW_REDIS_PASSWORD_FILE),
    storage: textOf(environment.SKEWFLOW_STORAGE),
    listen: textOf(environment.SKEWFLOW_LISTEN),
  });
}

function levelOf(text: string | undefined): LogLevel {
  if (text === undefined || text === '') return 'silent';
  const level = logLevels.find((known) => known === text);
  if (level !== undefined) return level;
  throw new SkewflowError(
    'UsageError',
    `SKEWFLOW_LOG: expected one of ${logLevels.join(', ')}, got \`${text}\``,
  );
}

/** The text of a file that need not be there. */
function textIn(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** An empty variable is one that is not set. */
function textOf(text: string | undefined): string | null {
  return text === undefined || text === '' ? null : text;
}

function countOf(name: string, text: string | undefined): number | null {
  if (text === undefined || text === '') return null;
  const count = Number(text);
  if (Number.isSafeInteger(count) && count >= 1) return count;
  throw new SkewflowError('UsageError', `${name}: expected a whole number from 1, got \`${text}\``);
}
