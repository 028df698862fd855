/**
 * Which device misbehaves? Loaded into a worker's compute child before anything else, it changes what the child says, or what
 * it has, as SKEWFLOW_DRILL wants it:
 *
 *   lie         the lowest bit of the first number of every gradient is flipped
 *   nan         every answer is that a state is not finite
 *   die         the process is killed when it would answer
 *   poison N    the process is killed when it would answer shard N
 *   slow MS     every answer takes that much longer
 *   lose PATH   the GPU's device is destroyed when an answer is sent
 *   full PATH   a GPU has not the memory that is asked of it
 *
 * The last two happen once: unless the file is there, which is made.
 */
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Channel } from '../../dist/worker/child/channel.js';

const [what, value] = (process.env['SKEWFLOW_DRILL'] ?? '').split(' ');

if (process.argv[1]?.endsWith('host.js')) {
  const { send } = Object.getOwnPropertyDescriptors(Channel.prototype);
  let before = Promise.resolve();
  Channel.prototype.send = function (message) {
    if (what !== 'slow') return send.value.call(this, changed(message));
    // What comes later waits too, and nothing is said meanwhile.
    before = before.then(async () => {
      if (isAnswer(message)) await sleep(Number(value));
      send.value.call(this, message);
    });
  };
}

function isAnswer({ header }) {
  return header.kind === 'partial' && header.leaf !== 'sources';
}

/** The GPU, once it has been asked for a buffer. */
let gpu = null;

/** What is said instead of a message. */
function changed(message) {
  const { header, arrays } = message;
  if (what === 'full' && header.kind === 'opened') atBuffers(fill);
  if (what === 'lose' && header.kind === 'opened') atBuffers((device) => (gpu = device));
  if (!isAnswer(message)) return message;
  switch (what) {
    case 'die':
      process.kill(process.pid, 'SIGKILL');
      return message;
    case 'full':
      return message;
    case 'lie': {
      const [, , , gradient] = arrays;
      if (gradient.length > 0) new Uint8Array(gradient.buffer, gradient.byteOffset, 1)[0] ^= 1;
      return message;
    }
    case 'lose':
      if (isFirst()) gpu.destroy();
      return message;
    case 'nan': {
      const { request, leaf } = header;
      const fault = { kind: 'fault', request, leaf, group: 'tracers', what: 'state', row: 7, step: 2 };
      return { header: fault, arrays: [] };
    }
    case 'poison':
      if (header.leaf === Number(value)) process.kill(process.pid, 'SIGKILL');
      return message;
    default:
      throw new Error(`no such drill: ${what}`);
  }
}

/** Whether this is the first process to whom it happens. */
function isFirst() {
  try {
    writeFileSync(value, '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

/** With a buffer it is asked for the largest texture that its limits allow, which no memory holds: the error is the driver's own. */
function fill(device) {
  if (!isFirst()) return;
  const { maxTextureDimension2D: edge, maxTextureArrayLayers: layers } = device.limits;
  const usage = GPUTextureUsage.COPY_DST;
  device.createTexture({ size: [edge, edge, layers], format: 'rgba32float', usage });
}

/** Acts on the device whenever it is asked for a buffer. */
function atBuffers(act) {
  const { createBuffer } = Object.getOwnPropertyDescriptors(GPUDevice.prototype);
  GPUDevice.prototype.createBuffer = function (descriptor) {
    act(this);
    return createBuffer.value.call(this, descriptor);
  };
}
