/**
 * What does the device say of the work that it is given? Its errors come by scopes, which are opened before the work and closed
 * together with the reading of its results: an answer is looked at only when nothing was reported, and to ask costs no turn of
 * its own.
 */
import { SkewflowError } from '../../../errors.ts';

export interface Reports {
  /** Listen from here on; whoever listens already goes on. */
  readonly open: () => void;
  /** What was reported since; null: nothing, or nobody has listened. Whoever goes on listens again. */
  readonly close: () => Promise<SkewflowError | null>;
}

/** `bytes`: how many the device was asked for in all, for the message. */
export function makeReports(device: GPUDevice, bytes: () => number): Reports {
  let listens = false;
  return {
    open: () => {
      if (listens) return;
      listens = true;
      device.pushErrorScope('internal');
      device.pushErrorScope('out-of-memory');
      device.pushErrorScope('validation');
    },
    close: async () => {
      if (!listens) return null;
      listens = false;
      const [validation, memory, internal] = await Promise.all([
        device.popErrorScope(),
        device.popErrorScope(),
        device.popErrorScope(),
      ]).catch(() => [null, null, null] as const);
      if (memory !== null) return outOfMemory(memory, bytes());
      const refused = validation ?? internal;
      return refused === null ? null : refusal(refused);
    },
  };
}

function outOfMemory({ message }: GPUError, bytes: number): SkewflowError {
  return new SkewflowError(
    'DeviceError',
    `the device did not give the ${bytes} bytes that the job needs there: lower \`memory:\`, or use \`--engine wasm\` (${message})`,
    { code: 'OUT_OF_MEMORY', bytes },
  );
}

function refusal({ message }: GPUError): SkewflowError {
  return new SkewflowError('DeviceError', `the device refused its work, which is a bug: ${message}`, {
    code: 'GPU_INTERNAL',
  });
}
