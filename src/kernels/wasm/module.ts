/** How functions, an imported memory and data become the bytes of a WASM module. */
import { invariant } from '../../errors.ts';
import { Body, type Local } from './body.ts';
import {
  type Bytes,
  instructionBytes,
  joined,
  nameBytes,
  section,
  signed,
  sized,
  typeByte,
  unsigned,
  vector,
} from './encode.ts';
import type { ValueType } from './instructions.ts';

/** The memory a module imports. */
export interface MemoryImport {
  readonly module: string;
  readonly name: string;
  /** Pages of 64 KiB. A shared memory needs a maximum. */
  readonly pagesMin: number;
  readonly pagesMax: number | null;
  readonly shared: boolean;
}

export interface Signature {
  /** Name and type of each parameter; names are for listings. */
  readonly parameters: readonly (readonly [name: string, type: ValueType])[];
  readonly results: readonly ValueType[];
}

/** A function of the module: what `call` names. */
export interface FunctionRef {
  readonly index: number;
  readonly name: string;
}

interface Defined {
  readonly ref: FunctionRef;
  readonly type: number;
  readonly exported: boolean;
  readonly body: Body;
}

/**
 * A module, growing. Imported functions come first, then defined ones; each may call those before it.
 *
 *   const module = new ModuleBuilder({ module: 'env', name: 'memory', pagesMin: 1, pagesMax: null, shared: false });
 *   module.define('twice', { parameters: [['x', 'f64']], results: ['f64'] }, (body) => { … });
 *   new WebAssembly.Module(module.bytes());
 */
export class ModuleBuilder {
  readonly #memory: MemoryImport | null;
  readonly #types: Bytes[] = [];
  readonly #imports: { readonly module: string; readonly ref: FunctionRef; readonly type: number }[] = [];
  readonly #defined: Defined[] = [];
  readonly #data: { readonly address: number; readonly bytes: Bytes }[] = [];

  constructor(memory: MemoryImport | null) {
    this.#memory = memory;
  }

  /** A function of the host. */
  importFunction(module: string, name: string, signature: Signature): FunctionRef {
    invariant(
      this.#defined.length === 0,
      'functions are imported before any is defined: their numbers come first',
    );
    const ref = { index: this.#imports.length, name };
    this.#imports.push({ module, ref, type: this.#typeNumber(signature) });
    return ref;
  }

  /** A function of this module, exported under its name unless it is said to be internal. */
  define(
    name: string,
    signature: Signature,
    write: (body: Body, ...parameters: readonly Local[]) => void,
    visibility: 'exported' | 'internal' = 'exported',
  ): FunctionRef {
    const body = new Body(signature.parameters);
    write(body, ...body.parameters);
    const ref = { index: this.#imports.length + this.#defined.length, name };
    this.#defined.push({ ref, type: this.#typeNumber(signature), exported: visibility === 'exported', body });
    return ref;
  }

  /** Bytes that every instantiation copies to a fixed address of the memory. */
  data(address: number, bytes: Uint8Array): void {
    this.#data.push({ address, bytes: new Uint8Array(bytes) });
  }

  /** Every defined function as text. */
  listing(): string {
    return this.#defined.map(({ ref, body }) => `${ref.name}:\n${indented(body.listing())}`).join('\n\n');
  }

  /** The binary module. The name section lets profilers and stack traces name the functions. */
  bytes(): Uint8Array<ArrayBuffer> {
    const exported = this.#defined.filter((f) => f.exported);
    return joined(
      preamble,
      section(1, this.#types),
      section(2, [...this.#memoryImport(), ...this.#imports.map(functionImport)]),
      section(
        3,
        this.#defined.map((f) => unsigned(f.type)),
      ),
      section(
        7,
        exported.map((f) => [...nameBytes(f.ref.name), 0x00, ...unsigned(f.ref.index)]),
      ),
      section(10, this.#defined.map(codeEntry)),
      section(11, this.#data.map(dataEntry)),
      this.#nameSection(),
    );
  }

  /** The number of a function type, shared by equal ones. */
  #typeNumber({ parameters, results }: Signature): number {
    const bytes = [
      0x60,
      ...vector(parameters.map(([, type]) => [typeByte(type)])),
      ...vector(results.map((type) => [typeByte(type)])),
    ];
    const known = this.#types.findIndex(
      (t) => t.length === bytes.length && t.every((b, k) => b === bytes[k]),
    );
    return known >= 0 ? known : this.#types.push(bytes) - 1;
  }

  #memoryImport(): readonly Bytes[] {
    if (this.#memory === null) return [];
    const { module, name, pagesMin, pagesMax, shared } = this.#memory;
    invariant(!shared || pagesMax !== null, 'a shared memory has a maximum');
    const flags = (pagesMax === null ? 0 : 1) | (shared ? 2 : 0);
    const limits = [flags, ...unsigned(pagesMin), ...(pagesMax === null ? [] : unsigned(pagesMax))];
    return [[...nameBytes(module), ...nameBytes(name), 0x02, ...limits]];
  }

  #nameSection(): Bytes {
    const refs = [...this.#imports, ...this.#defined].map((f) => f.ref);
    const names = vector(refs.map((ref) => [...unsigned(ref.index), ...nameBytes(ref.name)]));
    return [0x00, ...sized([...nameBytes('name'), 0x01, ...sized(names)])];
  }
}

/** '\0asm', version 1. */
const preamble: Bytes = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

function functionImport(f: {
  readonly module: string;
  readonly ref: FunctionRef;
  readonly type: number;
}): Bytes {
  return [...nameBytes(f.module), ...nameBytes(f.ref.name), 0x00, ...unsigned(f.type)];
}

/** Locals in runs of one type, then the instructions. */
function codeEntry({ body }: Defined): Bytes {
  const runs: { type: ValueType; count: number }[] = [];
  for (const { type } of body.locals) {
    const last = runs.at(-1);
    if (last?.type === type) last.count += 1;
    else runs.push({ type, count: 1 });
  }
  const locals = vector(runs.map(({ type, count }) => [...unsigned(count), typeByte(type)]));
  return sized(
    joined(locals, instructionBytes(body.code), instructionBytes([{ name: 'end', immediates: [] }])),
  );
}

function dataEntry({ address, bytes }: { readonly address: number; readonly bytes: Bytes }): Bytes {
  return [0x00, 0x41, ...signed(BigInt(address | 0)), 0x0b, ...sized(bytes)];
}

const indented = (text: string): string => text.replace(/^(?=.)/gm, '  ');
