/**
 * Entry of a computing thread: it keeps the programs it was given and evaluates when told.
 */
import { parentPort } from 'node:worker_threads';
import { invariant } from '../../../errors.ts';
import type { SweepPlan } from '../../../kernels/wasm/sweep-plan.ts';
import { evaluate } from './evaluation.ts';
import type { FromThread, ToThread } from './messages.ts';
import { passing } from './passes.ts';
import { instantiate, makeStation } from './station.ts';

/** How long what a thread has to say waits for more, at most, beyond the unit that it is at. */
const waitMs = 50;

interface Loaded {
  readonly module: WebAssembly.Module;
  readonly plan: SweepPlan;
  /** The memory of its evaluations and the instance that uses it. */
  at: { readonly memory: WebAssembly.Memory; readonly instance: WebAssembly.Instance } | null;
}

const port = parentPort;
invariant(port !== null, 'this file is the entry of a worker thread');
const told = passing();
const sessions = new Map<number, Loaded>();

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'load':
      sessions.set(message.session, { module: message.module, plan: message.plan, at: null });
      break;
    case 'unload':
      sessions.delete(message.session);
      break;
    case 'memory': {
      const loaded = loadedAs(message.session);
      loaded.at = { memory: message.memory, instance: instantiate(loaded.module, message.memory) };
      break;
    }
    case 'evaluate': {
      const { plan, at } = loadedAs(message.session);
      invariant(at !== null, 'a session has its memory before it is evaluated');
      const saying = new Saying();
      try {
        evaluate(makeStation(plan, at.instance, at.memory, message.task, told), (said) => saying.add(said));
      } catch (error) {
        saying.add({ kind: 'failed', error });
      }
      saying.tell();
      break;
    }
  }
});

function loadedAs(session: number): Loaded {
  const loaded = sessions.get(session);
  invariant(loaded !== undefined, 'a session is loaded before anything is asked of it');
  return loaded;
}

/** What is said in one evaluation, several messages at a time: each one told takes a moment from those who compute. */
class Saying {
  #untold: FromThread[] = [];
  #toldAt = performance.now();

  add(message: FromThread): void {
    this.#untold.push(message);
    if (performance.now() - this.#toldAt >= waitMs) this.tell();
  }

  tell(): void {
    port?.postMessage(this.#untold);
    this.#untold = [];
    this.#toldAt = performance.now();
  }
}
