/**
 * A program on the WASM engine: shards bound to it, evaluations planned in memory and handed to the threads.
 */
import { availableParallelism } from 'node:os';
import { SkewflowError } from '../../../errors.ts';
import type { RowFunction } from '../../../kernels/ir/row-function.ts';
import { boundVisits } from '../../../kernels/sweep/cost.ts';
import type { Program } from '../../../kernels/sweep/program.ts';
import type { EmittedProgram } from '../../../kernels/wasm/emit-program.ts';
import { mapMemory } from '../../../kernels/wasm/memory-map.ts';
import { rowsOf } from '../../../kernels/wasm/shapes.ts';
import type { Counters, Evaluation, EvaluationPlan, EvaluationSink, Session } from '../engine.ts';
import type { Crew } from './crew.ts';
import { writeInputs } from './inputs.ts';
import { controlWords, type FromThread, type Task, type Visited } from './messages.ts';
import { emitRows } from './outputs.ts';
import { makeResident, type Resident } from './resident.ts';
import { extentOf, planTask } from './task.ts';

/** Bytes of a page of WASM memory; addresses have 32 bits. */
const pageBytes = 65_536;
const addressable = 65_536 * pageBytes;

export interface SessionParts {
  readonly number: number;
  readonly program: Program;
  readonly emitted: EmittedProgram;
  readonly module: WebAssembly.Module;
  readonly plan: EvaluationPlan;
  readonly crew: Crew;
  /** Runs one evaluation of the engine after another. */
  readonly inTurn: <T>(work: () => Promise<T>) => Promise<T>;
}

export function makeSession(parts: SessionParts): Session {
  const { program, emitted, crew } = parts;
  const shards = new Map<number, Resident>();
  /** Threads of this generation that know the program, and the memory. */
  let generation = -1;
  const loaded = new Set<number>();
  const visited = new Map<string, number>();
  let memory: WebAssembly.Memory | null = null;
  const knowsMemory = new Set<number>();

  const count = (rows: readonly Visited[]): void => {
    for (const v of rows) visited.set(v.name, (visited.get(v.name) ?? 0) + v.rows);
  };

  /** Memory of at least so many bytes; a larger one is a new one. */
  const reserve = (bytes: number): WebAssembly.Memory => {
    if (bytes > addressable) {
      throw new SkewflowError(
        'MemoryError',
        `the job needs ${bytes} bytes of memory, the WASM engine has ${addressable}: lower \`memory:\`, use more shards or fewer steps`,
        { needed: bytes, available: addressable },
      );
    }
    if (memory !== null && memory.buffer.byteLength >= bytes) return memory;
    memory = sharedMemory(bytes);
    knowsMemory.clear();
    return memory;
  };

  /** Tells the threads what they do not know yet, then the task, and listens until all are done. */
  const converse = (
    task: Task,
    at: WebAssembly.Memory,
    threads: number,
    sink: EvaluationSink,
  ): Promise<void> =>
    new Promise((resolve, reject) => {
      let working = threads;
      crew.listen({
        lost: reject,
        message: (_, message) => {
          try {
            if (message.kind === 'done') working -= 1;
            hear(task, message, sink);
            if (working === 0) resolve();
          } catch (error) {
            reject(error);
          }
        },
      });
      crew.start(threads - 1);
      if (generation !== crew.generation()) {
        generation = crew.generation();
        loaded.clear();
        knowsMemory.clear();
      }
      const session = parts.number;
      for (let thread = 0; thread < threads; thread++) {
        if (!loaded.has(thread)) {
          crew.send(thread, { kind: 'load', session, module: parts.module, plan: emitted.plan });
          loaded.add(thread);
        }
        if (!knowsMemory.has(thread)) {
          crew.send(thread, { kind: 'memory', session, memory: at });
          knowsMemory.add(thread);
        }
        crew.send(thread, { kind: 'evaluate', session, task: { ...task, thread } });
      }
    });

  const hear = (task: Task, message: FromThread, sink: EvaluationSink): void => {
    switch (message.kind) {
      case 'done':
        count(message.visited);
        break;
      case 'failed':
        throw new SkewflowError('DeviceError', 'a computing thread failed', {}, { cause: message.error });
      case 'leaf': {
        const shard = task.leaves[message.leaf]?.shard ?? null;
        if (shard !== null && message.partial.kind === 'partial') {
          emitRows(shard, emitted.plan.shapes.scalar, sink);
        }
        sink.partial(message.partial);
        break;
      }
      case 'progress':
        sink.progress?.(message.blocks);
    }
  };

  const run = async (request: Evaluation, sink: EvaluationSink, signal?: AbortSignal): Promise<void> => {
    signal?.throwIfAborted();
    const threads = Math.max(1, Math.min(parts.plan.threads, 4 * availableParallelism()));
    const layout = extentOf(emitted.plan, parts.plan, request, shards, threads);
    const map = mapMemory(emitted.plan, layout.extent);
    const at = reserve(map.bytes);
    writeInputs(emitted.plan, map, at, request, layout.kept);
    const task = planTask(program, emitted.plan, request, layout, map);
    const control = new Int32Array(task.control);
    const abort = (): void => {
      Atomics.store(control, controlWords.aborted, 1);
    };
    signal?.addEventListener('abort', abort);
    try {
      await converse(task, at, layout.extent.threads, sink);
    } catch (error) {
      // Threads may wait for one that failed, or go on with what nobody wants: they are of no use any more.
      await crew.dismiss();
      throw error;
    } finally {
      crew.listen(null);
      signal?.removeEventListener('abort', abort);
    }
    signal?.throwIfAborted();
  };

  return {
    bind: async (range, rows) => {
      shards.set(range.index, makeResident(emitted.plan.shapes, range, rows));
    },
    release: async (shard) => {
      shards.delete(shard);
    },
    evaluate: (request, sink, signal) => parts.inTurn(() => run(request, sink, signal)),
    counters: () => countersOf(program, emitted, visited),
    [Symbol.asyncDispose]: async () => {
      for (const thread of loaded) crew.send(thread, { kind: 'unload', session: parts.number });
      loaded.clear();
      shards.clear();
      memory = null;
    },
  };
}

function sharedMemory(bytes: number): WebAssembly.Memory {
  const pages = Math.ceil(bytes / pageBytes);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (cause) {
    const message = `the job needs ${bytes} bytes of memory, and the machine does not give them`;
    throw new SkewflowError('MemoryError', message, { needed: bytes, available: null }, { cause });
  }
}

function countersOf(
  program: Program,
  { plan }: EmittedProgram,
  visited: ReadonlyMap<string, number>,
): Counters {
  const pairs = new Map<string, number>();
  for (const fn of rowFunctions(program)) {
    const rows = visited.get(fn.name);
    if (rows !== undefined && rows > 0)
      pairs.set(fn.name, rows * boundVisits(fn, (over) => rowsOf(plan.shapes, over)));
  }
  return { pairs, rows: new Map([...visited].filter(([, rows]) => rows > 0)) };
}

function rowFunctions(program: Program): readonly RowFunction[] {
  const { sources, tracers, terms, values } = program;
  return [
    sources?.flow,
    sources?.flowVjp,
    tracers?.flow,
    tracers?.flowVjp,
    values,
    ...terms.flatMap((t) => [t.rows?.value, t.rows?.vjp, t.scalar?.value, t.scalar?.vjp]),
  ].filter((f) => f !== null && f !== undefined);
}
