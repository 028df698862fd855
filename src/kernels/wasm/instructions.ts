/**
 * Which WASM instructions the code generators use: their names in the specification's spelling, their opcodes and the
 * immediates that follow.
 *
 * WebAssembly Core Specification 2.0 §5.4; relaxed SIMD and threads: the proposals' binary formats.
 */

/** What follows an opcode, and what a caller gives for it. */
export interface ImmediatesByKind {
  readonly none: readonly [];
  /** Blocks here have no parameters and leave nothing, except an `if` or block of one result type. */
  readonly block: readonly [result: ValueType | null];
  readonly label: readonly [depth: number];
  readonly function: readonly [index: number];
  readonly local: readonly [index: number];
  readonly global: readonly [index: number];
  readonly i32: readonly [value: number];
  readonly i64: readonly [value: bigint];
  readonly f32: readonly [value: number];
  readonly f64: readonly [value: number];
  /** The sixteen bytes of a constant, first byte first. */
  readonly v128: readonly [bytes: readonly number[]];
  /** Sixteen indices into the thirty-two bytes of both operands. */
  readonly shuffle: readonly [indices: readonly number[]];
  readonly lane: readonly [lane: number];
  /** Offset in bytes, added to the address operand. The alignment hint is the access's own width. */
  readonly memory: readonly [offset: number];
  readonly memoryLane: readonly [offset: number, lane: number];
}
export type ImmediateKind = keyof ImmediatesByKind;

export type ValueType = 'f32' | 'f64' | 'i32' | 'i64' | 'v128';

interface Shape<K extends ImmediateKind = ImmediateKind> {
  /** Every fixed byte of the instruction: prefix, opcode, and memory indices that are always 0. */
  readonly opcode: readonly number[];
  readonly immediate: K;
  /** log₂ of the bytes accessed; 0 where no memory is. */
  readonly align: number;
}

const shape = <K extends ImmediateKind>(opcode: readonly number[], immediate: K, align = 0): Shape<K> => ({
  opcode,
  immediate,
  align,
});
const op = (...opcode: readonly number[]): Shape<'none'> => shape(opcode, 'none');
const memory = (align: number, ...opcode: readonly number[]): Shape<'memory'> =>
  shape(opcode, 'memory', align);

/** Prefix byte, then the number as unsigned LEB128 (two bytes from 0x80 on; no number here needs three). */
const prefixed = (prefix: number, number: number): readonly number[] =>
  number < 0x80 ? [prefix, number] : [prefix, 0x80 | (number & 0x7f), number >> 7];
const simd = (number: number): Shape<'none'> => op(...prefixed(0xfd, number));
const simdMemory = (align: number, number: number): Shape<'memory'> =>
  memory(align, ...prefixed(0xfd, number));
const simdLane = (number: number): Shape<'lane'> => shape(prefixed(0xfd, number), 'lane');
const simdMemoryLane = (align: number, number: number): Shape<'memoryLane'> =>
  shape(prefixed(0xfd, number), 'memoryLane', align);
const atomic = (align: number, number: number): Shape<'memory'> => memory(align, 0xfe, number);

const control = {
  unreachable: op(0x00),
  nop: op(0x01),
  block: shape([0x02], 'block'),
  loop: shape([0x03], 'block'),
  if: shape([0x04], 'block'),
  else: op(0x05),
  end: op(0x0b),
  br: shape([0x0c], 'label'),
  br_if: shape([0x0d], 'label'),
  return: op(0x0f),
  call: shape([0x10], 'function'),
  drop: op(0x1a),
  select: op(0x1b),
  'local.get': shape([0x20], 'local'),
  'local.set': shape([0x21], 'local'),
  'local.tee': shape([0x22], 'local'),
  'global.get': shape([0x23], 'global'),
  'global.set': shape([0x24], 'global'),
} as const;

const scalarMemory = {
  'i32.load': memory(2, 0x28),
  'i64.load': memory(3, 0x29),
  'f32.load': memory(2, 0x2a),
  'f64.load': memory(3, 0x2b),
  'i32.load8_s': memory(0, 0x2c),
  'i32.load8_u': memory(0, 0x2d),
  'i32.load16_s': memory(1, 0x2e),
  'i32.load16_u': memory(1, 0x2f),
  'i32.store': memory(2, 0x36),
  'i64.store': memory(3, 0x37),
  'f32.store': memory(2, 0x38),
  'f64.store': memory(3, 0x39),
  'i32.store8': memory(0, 0x3a),
  'i32.store16': memory(1, 0x3b),
  'memory.size': op(0x3f, 0x00),
  'memory.grow': op(0x40, 0x00),
  'memory.copy': op(0xfc, 0x0a, 0x00, 0x00),
  'memory.fill': op(0xfc, 0x0b, 0x00),
} as const;

const integers = {
  'i32.const': shape([0x41], 'i32'),
  'i64.const': shape([0x42], 'i64'),
  'i32.eqz': op(0x45),
  'i32.eq': op(0x46),
  'i32.ne': op(0x47),
  'i32.lt_s': op(0x48),
  'i32.lt_u': op(0x49),
  'i32.gt_s': op(0x4a),
  'i32.gt_u': op(0x4b),
  'i32.le_s': op(0x4c),
  'i32.le_u': op(0x4d),
  'i32.ge_s': op(0x4e),
  'i32.ge_u': op(0x4f),
  'i64.eqz': op(0x50),
  'i64.eq': op(0x51),
  'i64.ne': op(0x52),
  'i64.lt_s': op(0x53),
  'i64.lt_u': op(0x54),
  'i64.gt_s': op(0x55),
  'i64.gt_u': op(0x56),
  'i64.le_s': op(0x57),
  'i64.le_u': op(0x58),
  'i64.ge_s': op(0x59),
  'i64.ge_u': op(0x5a),
  'i32.clz': op(0x67),
  'i32.ctz': op(0x68),
  'i32.popcnt': op(0x69),
  'i32.add': op(0x6a),
  'i32.sub': op(0x6b),
  'i32.mul': op(0x6c),
  'i32.div_s': op(0x6d),
  'i32.div_u': op(0x6e),
  'i32.rem_s': op(0x6f),
  'i32.rem_u': op(0x70),
  'i32.and': op(0x71),
  'i32.or': op(0x72),
  'i32.xor': op(0x73),
  'i32.shl': op(0x74),
  'i32.shr_s': op(0x75),
  'i32.shr_u': op(0x76),
  'i64.clz': op(0x79),
  'i64.ctz': op(0x7a),
  'i64.add': op(0x7c),
  'i64.sub': op(0x7d),
  'i64.mul': op(0x7e),
  'i64.div_s': op(0x7f),
  'i64.div_u': op(0x80),
  'i64.rem_s': op(0x81),
  'i64.rem_u': op(0x82),
  'i64.and': op(0x83),
  'i64.or': op(0x84),
  'i64.xor': op(0x85),
  'i64.shl': op(0x86),
  'i64.shr_s': op(0x87),
  'i64.shr_u': op(0x88),
  'i32.wrap_i64': op(0xa7),
  'i64.extend_i32_s': op(0xac),
  'i64.extend_i32_u': op(0xad),
} as const;

const reals = {
  'f32.const': shape([0x43], 'f32'),
  'f64.const': shape([0x44], 'f64'),
  'f32.eq': op(0x5b),
  'f32.ne': op(0x5c),
  'f32.lt': op(0x5d),
  'f32.gt': op(0x5e),
  'f32.le': op(0x5f),
  'f32.ge': op(0x60),
  'f64.eq': op(0x61),
  'f64.ne': op(0x62),
  'f64.lt': op(0x63),
  'f64.gt': op(0x64),
  'f64.le': op(0x65),
  'f64.ge': op(0x66),
  'f32.abs': op(0x8b),
  'f32.neg': op(0x8c),
  'f32.ceil': op(0x8d),
  'f32.floor': op(0x8e),
  'f32.trunc': op(0x8f),
  'f32.nearest': op(0x90),
  'f32.sqrt': op(0x91),
  'f32.add': op(0x92),
  'f32.sub': op(0x93),
  'f32.mul': op(0x94),
  'f32.div': op(0x95),
  'f32.min': op(0x96),
  'f32.max': op(0x97),
  'f32.copysign': op(0x98),
  'f64.abs': op(0x99),
  'f64.neg': op(0x9a),
  'f64.ceil': op(0x9b),
  'f64.floor': op(0x9c),
  'f64.trunc': op(0x9d),
  'f64.nearest': op(0x9e),
  'f64.sqrt': op(0x9f),
  'f64.add': op(0xa0),
  'f64.sub': op(0xa1),
  'f64.mul': op(0xa2),
  'f64.div': op(0xa3),
  'f64.min': op(0xa4),
  'f64.max': op(0xa5),
  'f64.copysign': op(0xa6),
  'f32.convert_i32_s': op(0xb2),
  'f32.convert_i32_u': op(0xb3),
  'f32.demote_f64': op(0xb6),
  'f64.convert_i32_s': op(0xb7),
  'f64.convert_i32_u': op(0xb8),
  'f64.convert_i64_s': op(0xb9),
  'f64.promote_f32': op(0xbb),
  'i32.reinterpret_f32': op(0xbc),
  'i64.reinterpret_f64': op(0xbd),
  'f32.reinterpret_i32': op(0xbe),
  'f64.reinterpret_i64': op(0xbf),
  'i32.trunc_sat_f32_s': op(0xfc, 0x00),
  'i32.trunc_sat_f32_u': op(0xfc, 0x01),
  'i32.trunc_sat_f64_s': op(0xfc, 0x02),
  'i32.trunc_sat_f64_u': op(0xfc, 0x03),
} as const;

const vectorMemory = {
  'v128.load': simdMemory(4, 0x00),
  'v128.load8_splat': simdMemory(0, 0x07),
  'v128.load16_splat': simdMemory(1, 0x08),
  'v128.load32_splat': simdMemory(2, 0x09),
  'v128.load64_splat': simdMemory(3, 0x0a),
  'v128.store': simdMemory(4, 0x0b),
  'v128.load32_lane': simdMemoryLane(2, 0x56),
  'v128.load64_lane': simdMemoryLane(3, 0x57),
  'v128.store32_lane': simdMemoryLane(2, 0x5a),
  'v128.store64_lane': simdMemoryLane(3, 0x5b),
  'v128.load32_zero': simdMemory(2, 0x5c),
  'v128.load64_zero': simdMemory(3, 0x5d),
} as const;

const vectors = {
  'v128.const': shape([0xfd, 0x0c], 'v128'),
  'i8x16.shuffle': shape([0xfd, 0x0d], 'shuffle'),
  'i8x16.swizzle': simd(0x0e),
  'i32x4.splat': simd(0x11),
  'i64x2.splat': simd(0x12),
  'f32x4.splat': simd(0x13),
  'f64x2.splat': simd(0x14),
  'i32x4.extract_lane': simdLane(0x1b),
  'i32x4.replace_lane': simdLane(0x1c),
  'i64x2.extract_lane': simdLane(0x1d),
  'i64x2.replace_lane': simdLane(0x1e),
  'f32x4.extract_lane': simdLane(0x1f),
  'f32x4.replace_lane': simdLane(0x20),
  'f64x2.extract_lane': simdLane(0x21),
  'f64x2.replace_lane': simdLane(0x22),
  'v128.not': simd(0x4d),
  'v128.and': simd(0x4e),
  'v128.andnot': simd(0x4f),
  'v128.or': simd(0x50),
  'v128.xor': simd(0x51),
  'v128.bitselect': simd(0x52),
  'v128.any_true': simd(0x53),
} as const;

const realVectors = {
  'f32x4.eq': simd(0x41),
  'f32x4.ne': simd(0x42),
  'f32x4.lt': simd(0x43),
  'f32x4.gt': simd(0x44),
  'f32x4.le': simd(0x45),
  'f32x4.ge': simd(0x46),
  'f64x2.eq': simd(0x47),
  'f64x2.ne': simd(0x48),
  'f64x2.lt': simd(0x49),
  'f64x2.gt': simd(0x4a),
  'f64x2.le': simd(0x4b),
  'f64x2.ge': simd(0x4c),
  'f32x4.demote_f64x2_zero': simd(0x5e),
  'f64x2.promote_low_f32x4': simd(0x5f),
  'f32x4.ceil': simd(0x67),
  'f32x4.floor': simd(0x68),
  'f32x4.trunc': simd(0x69),
  'f32x4.nearest': simd(0x6a),
  'f64x2.ceil': simd(0x74),
  'f64x2.floor': simd(0x75),
  'f64x2.trunc': simd(0x7a),
  'f64x2.nearest': simd(0x94),
  'f32x4.abs': simd(0xe0),
  'f32x4.neg': simd(0xe1),
  'f32x4.sqrt': simd(0xe3),
  'f32x4.add': simd(0xe4),
  'f32x4.sub': simd(0xe5),
  'f32x4.mul': simd(0xe6),
  'f32x4.div': simd(0xe7),
  'f32x4.min': simd(0xe8),
  'f32x4.max': simd(0xe9),
  'f32x4.pmin': simd(0xea),
  'f32x4.pmax': simd(0xeb),
  'f64x2.abs': simd(0xec),
  'f64x2.neg': simd(0xed),
  'f64x2.sqrt': simd(0xef),
  'f64x2.add': simd(0xf0),
  'f64x2.sub': simd(0xf1),
  'f64x2.mul': simd(0xf2),
  'f64x2.div': simd(0xf3),
  'f64x2.min': simd(0xf4),
  'f64x2.max': simd(0xf5),
  'f64x2.pmin': simd(0xf6),
  'f64x2.pmax': simd(0xf7),
  'i32x4.trunc_sat_f32x4_s': simd(0xf8),
  'f32x4.convert_i32x4_s': simd(0xfa),
  'f32x4.convert_i32x4_u': simd(0xfb),
  'i32x4.trunc_sat_f64x2_s_zero': simd(0xfc),
  'f64x2.convert_low_i32x4_s': simd(0xfe),
  'f64x2.convert_low_i32x4_u': simd(0xff),
} as const;

const integerVectors = {
  'i32x4.eq': simd(0x37),
  'i32x4.ne': simd(0x38),
  'i32x4.lt_s': simd(0x39),
  'i32x4.lt_u': simd(0x3a),
  'i32x4.gt_s': simd(0x3b),
  'i32x4.gt_u': simd(0x3c),
  'i32x4.le_s': simd(0x3d),
  'i32x4.ge_s': simd(0x3f),
  'i32x4.all_true': simd(0xa3),
  'i32x4.bitmask': simd(0xa4),
  'i32x4.shl': simd(0xab),
  'i32x4.shr_s': simd(0xac),
  'i32x4.shr_u': simd(0xad),
  'i32x4.add': simd(0xae),
  'i32x4.sub': simd(0xb1),
  'i32x4.mul': simd(0xb5),
  'i32x4.min_s': simd(0xb6),
  'i32x4.min_u': simd(0xb7),
  'i32x4.max_s': simd(0xb8),
  'i32x4.max_u': simd(0xb9),
  'i64x2.all_true': simd(0xc3),
  'i64x2.bitmask': simd(0xc4),
  'i64x2.extend_low_i32x4_s': simd(0xc7),
  'i64x2.extend_low_i32x4_u': simd(0xc9),
  'i64x2.shl': simd(0xcb),
  'i64x2.shr_s': simd(0xcc),
  'i64x2.shr_u': simd(0xcd),
  'i64x2.add': simd(0xce),
  'i64x2.sub': simd(0xd1),
  'i64x2.mul': simd(0xd5),
  'i64x2.eq': simd(0xd6),
  'i64x2.ne': simd(0xd7),
  'i64x2.lt_s': simd(0xd8),
  'i64x2.gt_s': simd(0xd9),
  'i64x2.le_s': simd(0xda),
  'i64x2.ge_s': simd(0xdb),
} as const;

/** a·b + c and −(a·b) + c, with one rounding or two as the machine likes (see `relaxed.ts` of the engine). */
const relaxed = {
  'f32x4.relaxed_madd': simd(0x105),
  'f32x4.relaxed_nmadd': simd(0x106),
  'f64x2.relaxed_madd': simd(0x107),
  'f64x2.relaxed_nmadd': simd(0x108),
} as const;

const atomics = {
  'memory.atomic.notify': atomic(2, 0x00),
  'memory.atomic.wait32': atomic(2, 0x01),
  'atomic.fence': op(0xfe, 0x03, 0x00),
  'i32.atomic.load': atomic(2, 0x10),
  'i64.atomic.load': atomic(3, 0x11),
  'i32.atomic.store': atomic(2, 0x17),
  'i64.atomic.store': atomic(3, 0x18),
  'i32.atomic.rmw.add': atomic(2, 0x1e),
  'i64.atomic.rmw.add': atomic(3, 0x1f),
  'i32.atomic.rmw.sub': atomic(2, 0x25),
  'i32.atomic.rmw.and': atomic(2, 0x2c),
  'i32.atomic.rmw.or': atomic(2, 0x33),
  'i32.atomic.rmw.xchg': atomic(2, 0x41),
  'i32.atomic.rmw.cmpxchg': atomic(2, 0x48),
} as const;

export const instructions = {
  ...control,
  ...scalarMemory,
  ...integers,
  ...reals,
  ...vectorMemory,
  ...vectors,
  ...realVectors,
  ...integerVectors,
  ...relaxed,
  ...atomics,
} as const satisfies Record<string, Shape>;

/** Name of an instruction, in the specification's spelling. */
export type InstructionName = keyof typeof instructions;

type ImmediateKindOf<N extends InstructionName> = (typeof instructions)[N]['immediate'];

/** The immediates of an instruction, in order. */
export type ImmediatesOf<N extends InstructionName> = ImmediatesByKind[ImmediateKindOf<N>];

/** One instruction of a body, as data: what `encode.ts` turns into bytes and `body.ts` into a listing. */
export interface Instruction {
  readonly name: InstructionName;
  readonly immediates: ImmediatesByKind[ImmediateKind];
}

/** The opcode and kind of immediate of an instruction, its name's own type forgotten. */
export function shapeOf(name: InstructionName): Shape {
  return instructions[name];
}
