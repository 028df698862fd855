/** Functions that printed shaders may call, and which of them a text calls. */
import { code } from './code.ts';
import { opFunctions } from './op-functions.ts';

/** Name ↦ text. What a function calls is found in its text. */
const functions: Readonly<Record<string, string>> = {
  // Constants that are not finite cannot be written: the host puts ∞ at the front of `given`.
  infinity: code`
    fn infinity() -> f32 {
      return given[0];
    }
  `,
  // And a NaN behind it: ∞ − ∞ may be taken for 0.
  not_a_number: code`
    fn not_a_number() -> f32 {
      return given[1];
    }
  `,

  // By bits: a compiler may assume that floats are finite.
  is_nan: code`
    fn is_nan(x: f32) -> bool {
      return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
    }
  `,
  not_finite: code`
    fn not_finite(x: f32) -> bool {
      return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
    }
  `,

  // --- what lanes and rows of a workgroup leave, as one -----------------------------------------------------

  // The sum over the threads that are equal modulo `size`, in ascending order, for each of them.
  meet: code`
    fn meet(size: u32, value: f32) -> f32 {
      workgroupBarrier();
      values_of[lane] = value;
      workgroupBarrier();
      var sum = values_of[lane % size];
      for (var other = lane % size + size; other < workgroup_threads; other += size) {
        sum += values_of[other];
      }
      return sum;
    }
  `,
  // The same of four sums at once.
  meet_four: code`
    fn meet_four(size: u32, value: vec4f) -> vec4f {
      workgroupBarrier();
      tile[lane] = value;
      workgroupBarrier();
      var sum = tile[lane % size];
      for (var other = lane % size + size; other < workgroup_threads; other += size) {
        sum += tile[other];
      }
      return sum;
    }
  `,
  ...meetExtreme('min', '<'),
  ...meetExtreme('max', '>'),
  ...meetArgument('min', '<'),
  ...meetArgument('max', '>'),

  // The sum over all threads, sixteen by sixteen.
  sum_all: code`
    fn sum_all(value: f32) -> f32 {
      workgroupBarrier();
      values_of[lane] = value;
      workgroupBarrier();
      if (lane < workgroup_threads / 16u) {
        var sum = 0f;
        for (var n = lane * 16u; n < lane * 16u + 16u; n++) { sum += values_of[n]; }
        values_of[lane * 16u] = sum;
      }
      workgroupBarrier();
      var sum = 0f;
      for (var n = 0u; n < job.threads; n += 16u) { sum += values_of[n]; }
      return sum;
    }
  `,

  // The largest over all threads.
  max_all: code`
    fn max_all(value: u32) -> u32 {
      workgroupBarrier();
      marks_of[lane] = value;
      workgroupBarrier();
      if (lane < workgroup_threads / 16u) {
        var most = 0u;
        for (var n = lane * 16u; n < lane * 16u + 16u; n++) { most = max(most, marks_of[n]); }
        marks_of[lane * 16u] = most;
      }
      workgroupBarrier();
      var most = 0u;
      for (var n = 0u; n < job.threads; n += 16u) { most = max(most, marks_of[n]); }
      return most;
    }
  `,

  // The best value of threads that have one and the lowest row attaining it (row 2³² − 1: no value).
  ...bestOf('min', '<'),
  ...bestOf('max', '>'),

  ...opFunctions,
};

/** The extreme over the threads that are equal modulo `size`; a NaN stays. */
function meetExtreme(by: 'max' | 'min', sign: '<' | '>'): Readonly<Record<string, string>> {
  return {
    [`meet_${by}`]: code`
      fn meet_${by}(size: u32, value: f32) -> f32 {
        workgroupBarrier();
        values_of[lane] = value;
        workgroupBarrier();
        var held = values_of[lane % size];
        for (var other = lane % size + size; other < workgroup_threads; other += size) {
          let value = values_of[other];
          if (value ${sign} held || is_nan(value)) { held = value; }
        }
        return held;
      }
    `,
  };
}

/** The lowest row attaining the extreme of those threads; −1: none has a row. */
function meetArgument(by: 'max' | 'min', sign: '<' | '>'): Readonly<Record<string, string>> {
  return {
    [`meet_arg${by}`]: code`
      fn meet_arg${by}(size: u32, index: f32, value: f32) -> f32 {
        workgroupBarrier();
        values_of[lane] = value;
        marks_of[lane] = bitcast<u32>(index);
        workgroupBarrier();
        var held = bitcast<f32>(marks_of[lane % size]);
        var at = values_of[lane % size];
        for (var other = lane % size + size; other < workgroup_threads; other += size) {
          let row = bitcast<f32>(marks_of[other]);
          let value = values_of[other];
          let better = held < 0.0 || value ${sign} at || (value == at && row < held);
          if (row >= 0.0 && better) { held = row; at = value; }
        }
        return held;
      }
    `,
  };
}

function bestOf(by: 'max' | 'min', sign: '<' | '>'): Readonly<Record<string, string>> {
  const enter = code`
    let other = marks_of[at];
    let value = values_of[at];
    let better = best.row == 0xffffffffu || value ${sign} best.value || (value == best.value && other < best.row);
    if (other != 0xffffffffu && better) { best = Best_${by}(value, other); }
  `;
  return {
    [`best_${by}`]: code`
      struct Best_${by} { value: f32, row: u32 }

      fn best_${by}(value: f32, row: u32) -> Best_${by} {
        workgroupBarrier();
        values_of[lane] = value;
        marks_of[lane] = row;
        workgroupBarrier();
        if (lane < workgroup_threads / 16u) {
          var best = Best_${by}(0f, 0xffffffffu);
          for (var at = lane * 16u; at < lane * 16u + 16u; at++) {
            ${enter}
          }
          values_of[lane * 16u] = best.value;
          marks_of[lane * 16u] = best.row;
        }
        workgroupBarrier();
        var best = Best_${by}(0f, 0xffffffffu);
        for (var at = 0u; at < job.threads; at += 16u) {
          ${enter}
        }
        return best;
      }
    `,
  };
}

/** The functions that a text calls, and those that they call, each before its user. */
export function preludeOf(text: string): readonly string[] {
  const taken = new Set<string>();
  const take = (from: string): void => {
    for (const [, name = ''] of from.matchAll(/\b([a-z][a-z0-9_]*)\(/g)) {
      const found = Object.hasOwn(functions, name) ? functions[name] : undefined;
      if (found === undefined || taken.has(name) || from === found) continue;
      take(found);
      taken.add(name);
    }
  };
  take(text);
  return [...taken].map((name) => functions[name] ?? '');
}
