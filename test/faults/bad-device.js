/**
 * Which device misbehaves? Loaded into a worker's compute child before anything else, it changes what the child says as
 * SKEWFLOW_DRILL wants it:
 *
 *   lie        the lowest bit of the first number of every gradient is flipped
 *   nan        every answer is that a state is not finite
 *   poison N   the process is killed when it would answer shard N
 *   slow MS    every answer takes that much longer
 */
import { pack, unpack } from 'msgpackr';

const [what, value] = (process.env['SKEWFLOW_DRILL'] ?? '').split(' ');
const send = process.send?.bind(process);

if (send !== undefined && process.argv[1]?.endsWith('host.js')) {
  process.send = (message, ...rest) => send(changed(message), ...rest);
}

function changed(message) {
  const [packed, loss, sums, winners, gradient, ...others] = message;
  const header = unpack(packed);
  if (header.kind !== 'partial' || header.leaf === 'sources') return message;
  switch (what) {
    case 'lie': {
      if (gradient.length === 0) return message;
      const bytes = new Uint8Array(gradient.slice().buffer);
      bytes[0] ^= 1;
      return [packed, loss, sums, winners, new gradient.constructor(bytes.buffer), ...others];
    }
    case 'nan': {
      const { request, leaf } = header;
      return [pack({ kind: 'fault', request, leaf, group: 'tracers', what: 'state', row: 7, step: 2 })];
    }
    case 'poison':
      if (header.leaf === Number(value)) process.kill(process.pid, 'SIGKILL');
      return message;
    case 'slow':
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Number(value));
      return message;
    default:
      throw new Error(`no such drill: ${what}`);
  }
}
