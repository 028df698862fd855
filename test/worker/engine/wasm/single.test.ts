import { openWasmEngine } from '../../../../src/worker/engine/wasm/index.ts';
import { describeEngine } from '../conformance.ts';

describeEngine({
  name: 'the WASM engine in single precision',
  precision: 'f32',
  open: () => openWasmEngine({ precision: 'f32' }),
  tolerance: 5e-5,
  skip: [{ test: 'a tracer', reason: 'e^x overflows a step earlier than in the reference' }],
  cases: (c) => !/^(euler|heun|rk4|dopri5), /.test(c.title),
});
