/**
 * The WASM engine: compiled kernels in single or double precision, one thread a core.
 */
import { emitProgram } from '../../../kernels/wasm/emit-program.ts';
import type { Engine, Precision } from '../engine.ts';
import { makeCrew } from './crew.ts';
import { relaxedMadd } from './relaxed.ts';
import { makeSession } from './session.ts';

/** Incremented whenever generated code or the order of a sum changes bits. */
const kernelVersion = 1;

export interface WasmEngineOptions {
  readonly precision: Precision;
}

export function openWasmEngine({ precision }: WasmEngineOptions): Engine {
  const lane = precision === 'f32' ? 'f32x4' : 'f64x2';
  const relaxed = relaxedMadd();
  const crew = makeCrew();
  let sessions = 0;
  let turn: Promise<unknown> = Promise.resolve();
  return {
    name: 'wasm',
    precision,
    numerics: `wasm/${precision}/${lane}/${relaxed}/${kernelVersion}`,
    load: async (program, plan) => {
      const emitted = emitProgram(program, { lane, fma: relaxed !== 'absent' });
      const module = await WebAssembly.compile(emitted.bytes);
      sessions += 1;
      return makeSession({
        number: sessions,
        program,
        emitted,
        module,
        plan,
        crew,
        inTurn: (work) => {
          const result = turn.then(work);
          turn = result.catch(() => {});
          return result;
        },
      });
    },
    [Symbol.asyncDispose]: () => crew.dispose(),
  };
}
