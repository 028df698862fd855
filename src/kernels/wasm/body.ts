/** How the body of a WASM function is written: locals, instructions by name, and blocks as closures. */
import { invariant } from '../../errors.ts';
import type { ImmediatesOf, Instruction, InstructionName, ValueType } from './instructions.ts';

/** A parameter or local variable of one body. */
export interface Local {
  readonly index: number;
  readonly type: ValueType;
  /** Shown in listings. */
  readonly name: string;
}

/** Where `br` goes: the end of a block or the start of a loop. */
export interface Label {
  /** Blocks open when this one was opened, itself included. */
  readonly depth: number;
}

/**
 * The body of one function, growing.
 *
 *   body.get(x).get(y).emit('f32x4.mul').set(z);
 *   body.loop((again) => { …; body.get(i).get(n).emit('i32.lt_u').branchIf(again); });
 *
 * Instructions are data until the module is encoded; the same calls give the same bytes.
 */
export class Body {
  readonly parameters: readonly Local[];
  readonly #locals: Local[] = [];
  readonly #free = new Map<ValueType, Local[]>();
  readonly #code: Instruction[] = [];
  #depth = 0;

  constructor(parameters: readonly (readonly [name: string, type: ValueType])[]) {
    this.parameters = parameters.map(([name, type], index) => ({ name, type, index }));
  }

  /** Locals declared so far, parameters excluded, in order of index. */
  get locals(): readonly Local[] {
    return this.#locals;
  }

  /** Instructions so far, without the final `end`. */
  get code(): readonly Instruction[] {
    return this.#code;
  }

  /** The parameter number `index`. */
  parameter(index: number): Local {
    const local = this.parameters[index];
    invariant(local !== undefined, `the function has a parameter number ${index}`);
    return local;
  }

  /** Declare a local of one's own: it is never handed out again. */
  local(type: ValueType, name = ''): Local {
    const local = { type, name, index: this.parameters.length + this.#locals.length };
    this.#locals.push(local);
    return local;
  }

  /** Take a local from the pool, or declare one. Its value is whatever its last user left. */
  borrow(type: ValueType): Local {
    return this.#free.get(type)?.pop() ?? this.local(type, 'scratch');
  }

  /** Give a borrowed local back. */
  release(...locals: readonly Local[]): void {
    for (const local of locals) {
      const free = this.#free.get(local.type) ?? [];
      invariant(!free.includes(local), 'a local is released once');
      free.push(local);
      this.#free.set(local.type, free);
    }
  }

  /** Borrow a local of each type; they return to the pool when `use` is done. */
  withLocals<T>(types: readonly ValueType[], use: (...locals: readonly Local[]) => T): T {
    const locals = types.map((type) => this.borrow(type));
    const result = use(...locals);
    this.release(...locals);
    return result;
  }

  /** Append one instruction. */
  emit<N extends InstructionName>(name: N, ...immediates: ImmediatesOf<N>): this {
    this.#code.push({ name, immediates });
    return this;
  }

  get(local: Local): this {
    return this.emit('local.get', local.index);
  }

  set(local: Local): this {
    return this.emit('local.set', local.index);
  }

  tee(local: Local): this {
    return this.emit('local.tee', local.index);
  }

  /** A constant integer. */
  i32(value: number): this {
    return this.emit('i32.const', value);
  }

  /** local ← local + amount. */
  increment(local: Local, amount: number): this {
    return this.get(local).i32(amount).emit('i32.add').set(local);
  }

  /** `block … end`; branching to its label leaves it. With a result type it leaves one value on the stack. */
  block(inside: (label: Label) => void, result: ValueType | null = null): this {
    return this.#enclosed('block', result, inside);
  }

  /** `loop … end`; branching to its label starts it again. */
  loop(inside: (label: Label) => void): this {
    return this.#enclosed('loop', null, inside);
  }

  /** `if … else … end` on the i32 on the stack. */
  if(
    then: (label: Label) => void,
    otherwise?: (label: Label) => void,
    result: ValueType | null = null,
  ): this {
    return this.#enclosed('if', result, (label) => {
      then(label);
      if (otherwise !== undefined) {
        this.emit('else');
        otherwise(label);
      }
    });
  }

  branch(label: Label): this {
    return this.emit('br', this.#distance(label));
  }

  /** Branch where the i32 on the stack is not 0. */
  branchIf(label: Label): this {
    return this.emit('br_if', this.#distance(label));
  }

  /**
   * for (counter = 0; counter < count; counter += step) inside, counts compared as unsigned; `count` is read anew each
   * time round. The test stands at the end, so that a pass costs one branch.
   */
  count(counter: Local, count: Local, inside: () => void, step = 1): this {
    this.i32(0).set(counter);
    return this.get(count).if(() => {
      this.loop((again) => {
        inside();
        this.get(counter).i32(step).emit('i32.add').tee(counter);
        this.get(count).emit('i32.lt_u').branchIf(again);
      });
    });
  }

  /** The instructions as text, one a line, indented by block; locals with their names. */
  listing(): string {
    const names = [...this.parameters, ...this.#locals];
    const lines: string[] = [];
    let indent = 0;
    for (const instruction of this.#code) {
      const { name } = instruction;
      if (name === 'end' || name === 'else') indent -= 1;
      lines.push('  '.repeat(indent) + instructionText(instruction, names));
      if (name === 'block' || name === 'loop' || name === 'if' || name === 'else') indent += 1;
    }
    return lines.join('\n');
  }

  #enclosed(kind: 'block' | 'if' | 'loop', result: ValueType | null, inside: (label: Label) => void): this {
    this.emit(kind, result);
    this.#depth += 1;
    inside({ depth: this.#depth });
    this.#depth -= 1;
    return this.emit('end');
  }

  #distance(label: Label): number {
    const distance = this.#depth - label.depth;
    invariant(distance >= 0, 'a branch goes to a block that is still open');
    return distance;
  }
}

/** `local.get x.3`, `v128.load 16`, `f32.const 0.5`. */
function instructionText({ name, immediates }: Instruction, locals: readonly Local[]): string {
  if (name === 'local.get' || name === 'local.set' || name === 'local.tee') {
    const index = Number(immediates[0]);
    const known = locals[index]?.name ?? '';
    return known === '' ? `${name} ${index}` : `${name} ${known}.${index}`;
  }
  const shown = immediates.flat().filter((i) => i !== null);
  return [name, ...shown.map((i) => (Object.is(i, -0) ? '-0' : String(i)))].join(' ');
}
