/** How elements of a zarr array are read by range: from the chunks that hold them, decoded once while they are near. */
import type { Chunk, DataType, Readable, Slice, Array as ZarrArray } from 'zarrita';
import { SkewflowError } from '../errors.ts';
import { boxElements, boxesOf } from './boxes.ts';
import type { ByteTree } from './byte-tree.ts';
import { elementCount, type RawArray, type Reals } from './source.ts';

/** Decoded chunks that are kept, and chunks that are read at the same time. */
const decodedBytesMax = 64 * 2 ** 20;
const readsAtOnce = 8;

/**
 * An array of a zarr, version 2 or 3, with any codec that zarrita has: blosc, zstd, lz4, gzip, zlib, crc32c, sharding, …
 *
 * @param name - the path of the array in it; empty: the zarr is one array
 * @throws InputError when there is no such array, or its elements are not real numbers
 */
export async function openZarr(tree: ByteTree, name: string, label: string): Promise<RawArray> {
  try {
    return await opened(tree, name, label);
  } catch (error) {
    await tree.close();
    throw error;
  }
}

async function opened(tree: ByteTree, name: string, label: string): Promise<RawArray> {
  const refuse = (why: string, cause?: unknown): never => {
    throw new SkewflowError('InputError', `${label}: ${why}`, {}, { cause });
  };
  const path = name.split('/').filter((part) => part !== '');
  if (path.includes('..') || path.includes('.')) return refuse('an array is named from the root of the zarr');
  const { get, isZarritaError, open, root, slice } = await import('zarrita');
  /** zarrita's words for what went wrong, in ours. */
  const explained = (error: unknown): never => {
    if (error instanceof SkewflowError) throw error;
    const reason = error instanceof Error ? error : new Error(String(error));
    if (isZarritaError(error, 'UnknownCodecError')) {
      return refuse(
        `the codec \`${error.codec}\` is not read: save it with zstd, blosc, gzip or none`,
        error,
      );
    }
    if (isZarritaError(error, 'CodecPipelineError')) {
      return refuse(`a chunk cannot be decoded: it is damaged (${reason.message})`, error);
    }
    return refuse(`not a zarr that can be read: ${reason.message}`, error);
  };

  const location = root(storeOf(tree)).resolve(path.map(encodeURIComponent).join('/'));
  const node = await open(location, { attrs: false }).catch(async (error: unknown) => {
    if (!isZarritaError(error, 'NotFoundError')) return explained(error);
    return refuse(
      `there is no array \`${path.join('/')}\` in the zarr${await namesIn(tree, path.slice(0, -1))}`,
    );
  });
  if (node.kind === 'group') {
    return refuse(`this is a group: name an array, \`path.zarr#name\`${await namesIn(tree, path)}`);
  }
  refuseType(node.dtype, refuse);

  const near = withChunksNear(node, label);
  const elements = async (begin: number, end: number): Promise<Reals> => {
    const single = singles.has(node.dtype);
    const result = single ? new Float32Array(end - begin) : new Float64Array(end - begin);
    let at = 0;
    for (const box of boxesOf(node.shape, begin, end)) {
      // An array without axes has one element, which zarrita gives as it is.
      const selection: Slice[] = box.map(([from, to]) => slice(from, to));
      const part = await get(near, selection, { createQueue: fewAtOnce }).catch(explained);
      copyInOrder(part, result.subarray(at, at + boxElements(box)));
      at += boxElements(box);
    }
    return result;
  };
  return {
    label,
    shape: node.shape,
    elements,
    identity: `zarr ${await tree.identity(path.join('/'))}`,
    close: tree.close,
  };
}

function storeOf(tree: ByteTree): Readable {
  return {
    get: async (key) => (await tree.get(key.slice(1))) ?? undefined,
    getRange: async (key, range) =>
      (await tree.range(
        key.slice(1),
        'suffixLength' in range
          ? { suffix: range.suffixLength }
          : { begin: range.offset, end: range.offset + range.length },
      )) ?? undefined,
  };
}

/** `: it holds a, b`, where that can be known. */
async function namesIn(tree: ByteTree, path: readonly string[]): Promise<string> {
  const own = /^(zarr\.json|\.z(array|attrs|group|metadata)|c)$/u;
  const names = (await tree.members(path.join('/'))).filter((name) => !own.test(name)).sort();
  if (names.length === 0) return '';
  return `: ${path.length === 0 ? 'it' : `\`${path.join('/')}\``} holds ${names.map((name) => `\`${name}\``).join(', ')}`;
}

// --- numbers ----------------------------------------------------------------------------------------------

/** Types whose every value is a single. */
const singles: ReadonlySet<DataType> = new Set(['float32', 'int8', 'int16', 'uint8', 'uint16']);
const doubles: ReadonlySet<DataType> = new Set(['float64', 'int32', 'int64', 'uint32', 'uint64']);

function refuseType(type: DataType, refuse: (why: string) => never): void {
  if (singles.has(type) || doubles.has(type)) return;
  refuse(`elements of type \`${type}\` are not real numbers that are read: save it as \`a.astype('f4')\``);
}

/** The elements of a box in row-major order, whatever their order in memory. */
function copyInOrder(part: unknown, into: Reals): void {
  if (typeof part === 'number' || typeof part === 'bigint') {
    into[0] = Number(part);
    return;
  }
  const { data, shape, stride } = part as Chunk<DataType> & { readonly data: ArrayLike<number | bigint> };
  if (isRowMajor(shape, stride) && (data instanceof Float32Array || data instanceof Float64Array)) {
    into.set(data.subarray(0, into.length));
    return;
  }
  const index = shape.map(() => 0);
  let from = 0;
  for (let at = 0; at < into.length; at++) {
    into[at] = Number(data[from]);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]! += 1;
      from += stride[axis]!;
      if (index[axis]! < shape[axis]!) break;
      from -= shape[axis]! * stride[axis]!;
      index[axis] = 0;
    }
  }
}

function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  let expected = 1;
  return shape
    .map((length, axis) => ({ length, step: stride[axis] }))
    .toReversed()
    .every(({ length, step }) => {
      const right = length === 1 || step === expected;
      expected *= length;
      return right;
    });
}

// --- chunks -----------------------------------------------------------------------------------------------

/**
 * The array with the chunks that were used last kept decoded: shards are smaller than most chunks and come one after
 * another. One chunk is always kept, however large.
 */
function withChunksNear<A extends ZarrArray<DataType, Readable>>(array: A, label: string): A {
  const near = new Map<string, Promise<Chunk<DataType>>>();
  const sizes = new Map<string, number>();
  const forget = (key: string): void => {
    near.delete(key);
    sizes.delete(key);
  };
  const getChunk: A['getChunk'] = async (coordinates, ...rest) => {
    const key = coordinates.join('/');
    const known = near.get(key);
    const chunk = known ?? array.getChunk(coordinates, ...rest);
    // Back to the end of the queue of those that are forgotten.
    near.delete(key);
    near.set(key, chunk);
    try {
      const { data, shape } = await chunk;
      if (data.length !== elementCount(shape)) {
        throw new SkewflowError(
          'InputError',
          `${label}: chunk ${key} is truncated: it has ${data.length} elements of ${elementCount(shape)}`,
        );
      }
      sizes.delete(key);
      sizes.set(key, 'byteLength' in data ? Number(data.byteLength) : 0);
    } catch (error) {
      forget(key);
      throw error;
    }
    let held = [...sizes.values()].reduce((sum, bytes) => sum + bytes, 0);
    for (const [oldest, bytes] of sizes) {
      if (held <= decodedBytesMax || sizes.size === 1) break;
      forget(oldest);
      held -= bytes;
    }
    return chunk;
  };
  return new Proxy(array, {
    get: (target, property) => {
      if (property === 'getChunk') return getChunk;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

type Task = () => Promise<void>;

/** A queue, as zarrita wants one, that runs a few tasks at a time; the first failure is thrown when it is idle. */
function fewAtOnce(): { add: (task: Task) => void; onIdle: () => Promise<Awaited<ReturnType<Task>>[]> } {
  const tasks: Task[] = [];
  return {
    add: (task) => void tasks.push(task),
    onIdle: async () => {
      const waiting = tasks.values();
      const lane = async (): Promise<void> => {
        for (const task of waiting) await task();
      };
      return Promise.all(Array.from({ length: readsAtOnce }, lane));
    },
  };
}
