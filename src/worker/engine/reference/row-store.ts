/** The results of a shard that have one row a tracer, collected block after block. */
import type { Field } from '../../../kernels/system.ts';
import type { ShardRange } from '../../../partition/plan.ts';
import type { RowData, RowOutputs } from '../engine.ts';
import { columnsOf } from './arrays.ts';
import type { Context } from './context.ts';

export interface RowStore {
  /** States of rows [begin, …) of the shard at the end and at the trajectory's points. */
  readonly putStates: (begin: number, states: readonly Float64Array[]) => void;
  readonly putValues: (begin: number, planes: ReadonlyMap<string, Float64Array>) => void;
  /** dL/d(state at t_0) and dL/d(constants). */
  readonly putGradient: (begin: number, λ: Float64Array, ofConstants: Float64Array) => void;
  readonly wantsStates: boolean;
  readonly wantsValues: boolean;
  readonly wantsGradient: boolean;
  readonly all: () => readonly RowData[];
}

export function rowStore(
  { program, grid }: Context,
  shard: ShardRange,
  wanted: RowOutputs,
  backward: boolean,
): RowStore {
  const rows = shard.end - shard.begin;
  const evolving = placed(program.system.tracers?.evolving ?? []);
  const constant = placed(program.system.tracers?.constant ?? []);
  const stateComponents = program.tracers?.stateComponents ?? 0;
  const constantComponents = program.tracers?.constantComponents ?? 0;
  const outputs: RowData[] = [];
  const output = (kind: RowData['kind'], { name, width }: Field, blocks: number): Float64Array => {
    const data = new Float64Array(blocks * rows * width);
    outputs.push({ kind, field: name, shard, width, data });
    return data;
  };

  const finals = wanted.final ? evolving.map((f) => ({ ...f, data: output('final', f, 1) })) : [];
  const points = wanted.trajectory;
  const paths =
    points.length > 0 ? evolving.map((f) => ({ ...f, data: output('trajectory', f, points.length) })) : [];
  const values = wanted.values
    ? [...program.system.values].map(([name, e]) => ({
        name,
        width: e.width,
        data: output('values', { name, width: e.width }, 1),
      }))
    : [];
  const gradients = (fields: readonly Placed[]) =>
    backward
      ? fields
          .filter((f) => wanted.gradient.includes(f.name))
          .map((f) => ({ ...f, data: output('gradient', f, 1) }))
      : [];
  const ofState = gradients(evolving);
  const ofConstant = gradients(constant);

  return {
    wantsStates: finals.length + paths.length > 0,
    wantsValues: values.length > 0,
    wantsGradient: ofState.length + ofConstant.length > 0,
    putStates: (begin, states) => {
      const at = (k: number, f: Placed): Float64Array =>
        columnsOf(states[k]!, stateComponents, f.start, f.width);
      for (const f of finals) f.data.set(at(grid.times.length - 1, f), begin * f.width);
      for (const f of paths) {
        for (const [n, k] of points.entries()) f.data.set(at(k, f), (n * rows + begin) * f.width);
      }
    },
    putValues: (begin, planes) => {
      for (const v of values) v.data.set(planes.get(v.name)!, begin * v.width);
    },
    putGradient: (begin, λ, ofConstants) => {
      for (const f of ofState) {
        f.data.set(columnsOf(λ, stateComponents, f.start, f.width), begin * f.width);
      }
      for (const f of ofConstant) {
        f.data.set(columnsOf(ofConstants, constantComponents, f.start, f.width), begin * f.width);
      }
    },
    all: () => outputs,
  };
}

type Placed = Field & { readonly start: number };

function placed(fields: readonly Field[]): readonly Placed[] {
  let start = 0;
  return fields.map((f) => {
    const here = { ...f, start };
    start += f.width;
    return here;
  });
}
