/** Where does what of a run lie in the root? The layout is in the head of `root.ts`. */
import { SkewflowError } from '../errors.ts';

/** Keys of one run. */
export interface RunKeys {
  readonly all: string;
  readonly checkpoints: string;
  readonly end: string;
  readonly order: string;
  readonly result: string;
  readonly rows: string;
  readonly rowsRead: string;
  readonly spool: string;
}

/** Whether this is the id of a run, and no name of a folder of somebody's choice. */
export function isRunKey(run: string): boolean {
  return /^[0-9a-f]{16,64}$/.test(run);
}

/**
 * The keys of a run.
 *
 * @throws ProtocolError for an id that is none: it may have come over Redis, and must not name a folder of its own choice
 */
export function runKeys(run: string): RunKeys {
  if (!isRunKey(run)) throw new SkewflowError('ProtocolError', `\`${run}\` is no run id`);
  const all = `runs/${run}`;
  return {
    all,
    checkpoints: `${all}/checkpoints`,
    end: `${all}/end.json`,
    order: `${all}/order.json`,
    result: `${all}/result`,
    rows: `${all}/rows`,
    rowsRead: `${all}/rows-read`,
    spool: `spool/${run}`,
  };
}
