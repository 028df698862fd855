import { openWasmEngine } from '../../../../src/worker/engine/wasm/index.ts';
import { describeEngine } from '../conformance.ts';

describeEngine({
  name: 'the WASM engine in double precision',
  precision: 'f64',
  open: () => openWasmEngine({ precision: 'f64' }),
  tolerance: 1e-11,
});
