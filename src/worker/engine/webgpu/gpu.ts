/**
 * What of WebGPU the engine uses: buffers by name, pipelines, dispatches recorded and submitted in short pieces.
 */
import { SkewflowError } from '../../../errors.ts';
import { groupsPerRow, type JobWords, jobWords, type Shader } from '../../../kernels/wgsl/shader.ts';
import type { Reports } from './reports.ts';

/** Flags of the WebGPU specification; Node has no globals for them. */
export const usage = {
  mapRead: 0x1,
  copySource: 0x4,
  copyTarget: 0x8,
  uniform: 0x40,
  storage: 0x80,
} as const;
const mapForReading = 0x1;
const computeStage = 0x4;

/** Bytes of a dispatch's words: a multiple of every device's alignment of dynamic offsets. */
const jobStride = 256;
const jobSlot = jobStride / 4;

/** How long work of one submission should take: others wait for the device meanwhile, and watchdogs run. */
const submissionSeconds = 0.1;

/** Bind groups that are kept at most. */
const groupsKept = 256;

export interface Pipeline {
  readonly shader: Shader;
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** Which of the device's own functions are good enough to be used as they are. */
export interface BuiltIns {
  readonly exp2: boolean;
}

export const noBuiltIns: BuiltIns = { exp2: false };

/** Constants of a shader that the device decides: those its text declares. */
function constantsOf({ text }: Shader, { exp2 }: BuiltIns): Record<string, number> {
  return text.includes('override built_in_exp2') ? { built_in_exp2: Number(exp2) } : {};
}

/** Compiles a shader. @throws SkewflowError('DeviceError') with the compiler's line: a shader that fails is our bug */
export async function compile(
  device: GPUDevice,
  shader: Shader,
  formula: string,
  builtIns: BuiltIns = noBuiltIns,
): Promise<Pipeline> {
  const layout = device.createBindGroupLayout({
    label: shader.name,
    entries: [
      {
        binding: 0,
        visibility: computeStage,
        buffer: { type: 'uniform', hasDynamicOffset: true, minBindingSize: jobWords.length * 4 },
      },
      ...shader.bindings.map(
        (b, n): GPUBindGroupLayoutEntry => ({
          binding: n + 1,
          visibility: computeStage,
          buffer: { type: b.access === 'read' ? 'read-only-storage' : 'storage' },
        }),
      ),
    ],
  });
  const module = device.createShaderModule({ label: shader.name, code: shader.text });
  try {
    const pipeline = await device.createComputePipelineAsync({
      label: shader.name,
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main', constants: constantsOf(shader, builtIns) },
    });
    return { shader, pipeline, layout };
  } catch (cause) {
    const { messages } = await module.getCompilationInfo();
    const worst = messages.find((m) => m.type === 'error');
    const line = worst === undefined ? '' : (shader.text.split('\n')[worst.lineNum - 1] ?? '').trim();
    const said = worst?.message ?? (cause instanceof Error ? cause.message : String(cause));
    throw new SkewflowError(
      'DeviceError',
      `the shader ${shader.name} of \`${formula}\` does not compile, which is a bug of skewflow: line ${worst?.lineNum ?? 0}: ${line}: ${said}`,
      { code: 'GPU_INTERNAL', shader: shader.name, formula, line: worst?.lineNum ?? 0 },
      { cause },
    );
  }
}

/** Buffers of a session by name: made when first needed, larger ones when they no longer do, destroyed with it. */
export interface Buffers {
  /** A buffer of at least so many bytes. What it held is lost when it grows. */
  readonly reserve: (name: string, bytes: number, flags?: number) => GPUBuffer;
  readonly find: (name: string) => GPUBuffer;
  readonly destroy: () => void;
}

/** `allocated` is told how many bytes were taken, or (below 0) given back. */
export function makeBuffers(device: GPUDevice, allocated: (bytes: number) => void = () => {}): Buffers {
  const held = new Map<string, GPUBuffer>();
  const find = (name: string): GPUBuffer => held.get(name) ?? reserve(name, 16);
  const reserve: Buffers['reserve'] = (
    name,
    bytes,
    flags = usage.storage | usage.copySource | usage.copyTarget,
  ) => {
    const known = held.get(name);
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    if (known !== undefined && known.size >= size) return known;
    known?.destroy();
    allocated(size - (known?.size ?? 0));
    const fresh = device.createBuffer({ label: name, size, usage: flags });
    held.set(name, fresh);
    return fresh;
  };
  return {
    reserve,
    find,
    destroy: () => {
      for (const b of held.values()) {
        allocated(-b.size);
        b.destroy();
      }
      held.clear();
    },
  };
}

/** How fast the device is, learnt from what it has done; never reaches a result. */
export interface Pace {
  /** Own row × bound row visits a second. */
  visitsPerSecond: number;
}

/** Records dispatches and copies in order; submits what takes about a tenth of a second at a time. */
export interface Recorder {
  /** `cost`: visits that the dispatch makes, for its duration. */
  readonly dispatch: (
    pipeline: Pipeline,
    groups: number,
    words: JobWords,
    cost: number,
    bound?: Bound,
  ) => void;
  readonly clear: (buffer: GPUBuffer, bytes: number, first?: number) => void;
  readonly copy: (from: GPUBuffer, fromBytes: number, to: GPUBuffer, toBytes: number, bytes: number) => void;
  /** Visits that may go into one dispatch. */
  readonly visitsAtOnce: () => number;
  /** Submits what is recorded once it is a tenth of a second's work, and waits for it. */
  readonly breathe: () => Promise<void>;
  /** Submits what is recorded: writes that follow come after it. */
  readonly submit: () => void;
  /** What lies in a buffer once all is done; throws what was reported of the work, to which nobody listens afterwards. */
  readonly read: (buffer: GPUBuffer, bytes: number) => Promise<ArrayBuffer>;
}

/** Buffers that stand in for those of the shader's own names. */
export type Bound = Readonly<Partial<Record<string, GPUBuffer>>>;

/** Bind groups that have been made: an evaluation like the last one needs the same again. */
export interface BindGroups {
  readonly of: (pipeline: Pipeline, jobs: GPUBuffer, bound: readonly GPUBuffer[]) => GPUBindGroup;
}

export function makeBindGroups(device: GPUDevice): BindGroups {
  const made = new Map<string, GPUBindGroup>();
  const ids = new WeakMap<GPUBuffer, number>();
  let numbered = 0;
  const idOf = (b: GPUBuffer): number => {
    const known = ids.get(b);
    if (known !== undefined) return known;
    numbered += 1;
    ids.set(b, numbered);
    return numbered;
  };
  return {
    of: ({ shader, layout }, jobs, bound) => {
      const key = `${shader.name} ${idOf(jobs)} ${bound.map(idOf).join(' ')}`;
      const known = made.get(key);
      if (known !== undefined) return known;
      // Those of buffers that have since grown are of no use, and few.
      if (made.size >= groupsKept) made.clear();
      const fresh = device.createBindGroup({
        layout,
        entries: [
          { binding: 0, resource: { buffer: jobs, size: jobWords.length * 4 } },
          ...bound.map((buffer, n) => ({ binding: n + 1, resource: { buffer } })),
        ],
      });
      made.set(key, fresh);
      return fresh;
    },
  };
}

export function makeRecorder(
  device: GPUDevice,
  buffers: Buffers,
  groups: BindGroups,
  pace: Pace,
  reports: Reports,
  check: () => void,
): Recorder {
  let encoder: GPUCommandEncoder | null = null;
  let pass: GPUComputePassEncoder | null = null;
  let words = new Uint32Array(64 * jobSlot);
  let jobs = 0;
  let cost = 0;
  let jobBuffer = buffers.reserve('jobs', 64 * jobStride, usage.uniform | usage.copyTarget);
  /** Dispatches whose words fit, recorded until the words can be written. */
  const pending: (() => void)[] = [];

  const encode = (): GPUCommandEncoder => {
    pass?.end();
    pass = null;
    encoder ??= device.createCommandEncoder();
    return encoder;
  };
  const bindGroup = (pipeline: Pipeline, bound: Bound): GPUBindGroup =>
    groups.of(
      pipeline,
      jobBuffer,
      pipeline.shader.bindings.map((b) => bound[b.buffer] ?? buffers.find(b.buffer)),
    );

  const flush = (): void => {
    if (pending.length === 0) return;
    if (jobBuffer.size < jobs * jobStride) {
      jobBuffer = buffers.reserve('jobs', 2 * jobs * jobStride, usage.uniform | usage.copyTarget);
    }
    device.queue.writeBuffer(jobBuffer, 0, words, 0, jobs * jobSlot);
    for (const record of pending) record();
    pending.length = 0;
    const commands = encode().finish();
    encoder = null;
    device.queue.submit([commands]);
    jobs = 0;
  };

  const breathe = async (): Promise<void> => {
    const spent = cost;
    if (spent < pace.visitsPerSecond * submissionSeconds) return;
    const started = performance.now();
    flush();
    cost = 0;
    await device.queue.onSubmittedWorkDone();
    const seconds = (performance.now() - started) / 1000;
    pace.visitsPerSecond = Math.max(1e6, spent / Math.max(seconds, 1e-4));
    check();
  };

  return {
    dispatch: (pipeline, count, job, visits, bound = {}) => {
      if (count === 0) return;
      const offset = jobs * jobStride;
      jobs += 1;
      if (words.length < jobs * jobSlot) words = grown(words);
      let at = offset / 4;
      for (const word of jobWords)
        words[at++] = word === 'threads' ? pipeline.shader.threads : (job[word] ?? 0);
      cost += visits;
      pending.push(() => {
        encoder ??= device.createCommandEncoder();
        pass ??= encoder.beginComputePass();
        pass.setPipeline(pipeline.pipeline);
        pass.setBindGroup(0, bindGroup(pipeline, bound), [offset]);
        pass.dispatchWorkgroups(Math.min(count, groupsPerRow), Math.ceil(count / groupsPerRow));
      });
    },
    clear: (buffer, bytes, first = 0) => {
      if (bytes > 0) pending.push(() => encode().clearBuffer(buffer, first, Math.ceil(bytes / 4) * 4));
    },
    copy: (from, fromBytes, to, toBytes, bytes) => {
      if (bytes > 0) pending.push(() => encode().copyBufferToBuffer(from, fromBytes, to, toBytes, bytes));
    },
    visitsAtOnce: () => pace.visitsPerSecond * submissionSeconds,
    breathe,
    submit: flush,
    read: async (buffer, bytes) => {
      flush();
      cost = 0;
      if (bytes === 0) return new ArrayBuffer(0);
      const mapped = buffer.mapAsync(mapForReading, 0, Math.ceil(bytes / 4) * 4).then(
        () => null,
        (error: unknown) => ({ error }),
      );
      // Asked for at once, so that both come in one turn.
      const reported = await reports.close();
      const failed = await mapped;
      if (failed !== null) throw reported ?? failed.error;
      const copy = reported ?? buffer.getMappedRange(0, Math.ceil(bytes / 4) * 4).slice(0);
      buffer.unmap();
      if (copy instanceof ArrayBuffer) return copy;
      throw copy;
    },
  };
}

function grown(words: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const more = new Uint32Array(2 * words.length);
  more.set(words);
  return more;
}
