/**
 * Which programs does a worker have at hand? Those of the jobs it served last: it compiles a job once, however many seats of it
 * it takes, one after another or one a device.
 */
import { compileProgram } from '../kernels/sweep/compile.ts';
import type { Program } from '../kernels/sweep/program.ts';
import type { System } from '../kernels/system.ts';

/** Jobs that a worker goes to and fro between; more are compiled again. */
const programsMax = 4;

export class Programs {
  /** By digest of the job, the one that was asked for last at the end. */
  readonly #made = new Map<string, Program>();

  /** @param digest - of the job that has this system: equal digests, equal programs */
  of(digest: string, system: System): Program {
    const program = this.#made.get(digest) ?? compileProgram(system);
    this.#made.delete(digest);
    this.#made.set(digest, program);
    const [oldest] = this.#made.keys();
    if (this.#made.size > programsMax && oldest !== undefined) this.#made.delete(oldest);
    return program;
  }
}
