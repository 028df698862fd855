import { describe, expect, it } from 'vitest';
import type { Body } from '../../../src/kernels/wasm/body.ts';
import {
  type ImmediateKind,
  type ImmediatesByKind,
  type InstructionName,
  instructions,
} from '../../../src/kernels/wasm/instructions.ts';
import { ModuleBuilder } from '../../../src/kernels/wasm/module.ts';
import { disassembled } from './wabt.ts';

const sixteen = Array.from({ length: 16 }, (_, k) => k);
const examples: ImmediatesByKind = {
  none: [],
  block: [null],
  label: [0],
  function: [0],
  local: [0],
  global: [0],
  i32: [-123456],
  i64: [-(2n ** 40n)],
  f32: [0.1],
  f64: [0.1],
  v128: [sixteen],
  shuffle: [sixteen],
  lane: [1],
  memory: [1000],
  memoryLane: [1000, 1],
};

/** Instructions that open or close blocks, and those of globals, of which modules here have none. */
const structural: readonly InstructionName[] = [
  'block',
  'else',
  'end',
  'global.get',
  'global.set',
  'if',
  'loop',
];
const names = (Object.keys(instructions) as InstructionName[]).filter((name) => !structural.includes(name));

const memory = { module: 'env', name: 'memory', pagesMin: 1, pagesMax: 2, shared: true };

/** A function of one instruction; after `unreachable` any operands are at hand. */
function alone(name: InstructionName): Uint8Array<ArrayBuffer> {
  const builder = new ModuleBuilder(memory);
  builder.define(
    'alone',
    { parameters: [['x', name.startsWith('local') ? 'i32' : 'f64']], results: [] },
    (body) => {
      body.emit('unreachable');
      const emit = body.emit.bind(body) as (
        n: InstructionName,
        ...i: ImmediatesByKind[ImmediateKind]
      ) => Body;
      emit(name, ...examples[instructions[name].immediate]);
      body.emit('unreachable');
    },
  );
  return builder.bytes();
}

/** What the other assembler prints of each kind of immediate. */
const printed: Readonly<Record<ImmediateKind, string>> = {
  none: '',
  block: '',
  label: '0 (;@0;)',
  function: '0',
  local: '0',
  global: '0',
  i32: '-123456',
  i64: '-1099511627776',
  f32: '0x1.99999ap-4 (;=0.1;)',
  f64: '0x1.999999999999ap-4 (;=0.1;)',
  v128: 'i32x4 0x03020100 0x07060504 0x0b0a0908 0x0f0e0d0c',
  shuffle: sixteen.join(' '),
  lane: '1',
  memory: 'offset=1000',
  memoryLane: 'offset=1000 1',
};

describe('the instruction table', () => {
  // An alignment other than the access's own would be printed too.
  it.each(names)('%s is read back under its own name, with its immediates', (name) => {
    const body = disassembled(alone(name))
      .split('\n')
      .filter((line) => /^ {4}[a-z]/.test(line));
    expect(body[1]?.trim()).toBe(`${name} ${printed[instructions[name].immediate]}`.trim());
  });
});
