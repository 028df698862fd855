/**
 * Where do log lines go? To stderr as JSON, by pino, which is loaded with the first line that is written and not before.
 */
import { type LogLevel, logLevels } from './config.ts';

/** Facts first, then a sentence. */
export interface Log {
  /** What ended something. */
  readonly error: (facts: Facts, sentence: string) => void;
  /** What an operator should know. */
  readonly warn: (facts: Facts, sentence: string) => void;
  /** What happens in the course of things. */
  readonly info: (facts: Facts, sentence: string) => void;
  /** What only a developer asks for. */
  readonly debug: (facts: Facts, sentence: string) => void;
}

/** A log whose lines say these facts too. */
export function logAbout(log: Log, about: Facts): Log {
  // `Object.assign` takes a fortieth of a spread here (Node 20), and most lines are not written.
  const all = (facts: Facts): Facts => Object.assign({}, about, facts);
  return {
    error: (facts, sentence) => log.error(all(facts), sentence),
    warn: (facts, sentence) => log.warn(all(facts), sentence),
    info: (facts, sentence) => log.info(all(facts), sentence),
    debug: (facts, sentence) => log.debug(all(facts), sentence),
  };
}

/** Figures and words that a line is about. */
export type Facts = Readonly<Record<string, boolean | number | string | null>>;

/** A log that writes lines of `level` and above. Loading pino takes tens of milliseconds; a silent run never pays. */
export function logTo(level: LogLevel): Log {
  let pino: Promise<Log> | null = null;
  const write = (at: keyof Log) => (facts: Facts, sentence: string) => {
    if (logLevels.indexOf(at) > logLevels.indexOf(level)) return;
    pino ??= import('pino').then(({ pino: make, destination }) =>
      make({ level }, destination({ fd: 2, sync: true })),
    );
    // Lines keep their order: each is written when the one import has resolved, in the order of these calls.
    void pino.then((log) => log[at](facts, sentence));
  };
  return { error: write('error'), warn: write('warn'), info: write('info'), debug: write('debug') };
}
