// Sources forward: one workgroup, all steps of a dispatch.

struct Job {
  first: u32,
  end: u32,
  held: u32,
  holds: u32,
  units: u32,
  blocks: u32,
  records: u32,
  count: u32,
  kept_at: u32,
  points: u32,
  start: u32,
  partial: u32,
  tail: u32,
  out_words: u32,
  sums: u32,
  grid: u32,
  steps: u32,
  at_time: u32,
  leaf: u32,
  params_at: u32,
  values_at: u32,
  seeds_at: u32,
  stage: u32,
  threads: u32,
  params: u32,
  stages: u32,
}

@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> given: array<f32>;
@group(0) @binding(2) var<storage, read_write> path: array<f32>;
@group(0) @binding(3) var<storage, read_write> work: array<f32>;
var<workgroup> tile: array<vec4f, 896>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

override built_in_exp2 = false;

fn skewflow_exp2(x: f32) -> f32 {
  if (built_in_exp2) { return exp2(x); }
  let n = clamp(round(x), -126.0, 127.0);
  return exp2(x - n) * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

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

fn not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

var<private> held_0: f32;
var<private> held_1: f32;
var<private> held_2: f32;
var<private> held_3: f32;
var<private> held_4: f32;
var<private> held_5: f32;
var<private> held_6: f32;
var<private> held_7: f32;
var<private> held_8: f32;
var<private> held_9: f32;
var<private> held_10: f32;
var<private> held_11: f32;
var<private> held_12: f32;
var<private> held_13: f32;
var<private> held_14: f32;
var<private> held_15: f32;
var<private> held_16: f32;
var<private> held_17: f32;
var<private> held_18: f32;
var<private> row: u32;
// Whether there is such a row, and whether this thread writes what it leaves.
var<private> row_present: bool;
var<private> present: bool;
// Which of the threads of this row this one is.
var<private> split: u32;
var<private> work_at: u32;

fn place(leaf: u32, part: u32) {
  let at = part * 128u + lane % 128u;
  row = min(at, 99u);
  split = lane / 128u;
  row_present = at < 100u;
  present = row_present && split == 0u;
  work_at = leaf * 1900u;
}

fn slot_of(stage: u32) -> u32 {
  return 0u;
}

fn number_of_time(stage: u32) -> u32 {
  return 1u;
}

fn time_of(stage: u32, step_at: u32) -> f32 {
  return given[step_at + number_of_time(stage)];
}

fn source_of(stage: u32, k: u32) -> u32 {
  return (k * 1u + slot_of(stage)) * 600u;
}

fn flow(time: f32, source: u32) -> array<f32, 6> {
  let z = array<f32, 6>(path[source + row * 6u], path[source + row * 6u + 1u], path[source + row * 6u + 2u], path[source + row * 6u + 3u], path[source + row * 6u + 4u], path[source + row * 6u + 5u]);
  let v0 = z[0];
  let v3 = z[3];
  let v6 = z[4];
  let v10 = z[5];
  let v15 = given[2u];
  let v16 = (v15 * v15);
  let v17 = ((-1.442695f) / v16);
  let v19 = z[1];
  let v24 = z[2];
  var a0_0 = 0f;
  var a0_1 = 0f;
  var a0_2 = 0f;
  var a0_3 = 0f;
  var a0_4 = 0f;
  var a0_5 = 0f;
  for (var first0 = 0u; first0 < 100u; first0 += 128u) {
    workgroupBarrier();
    if (lane < 128u) {
      let j0 = min(first0 + lane, 99u);
      tile[lane * 2u + 0u] = vec4f(path[source + j0 * 6u], path[source + j0 * 6u + 3u], path[source + j0 * 6u + 4u], path[source + j0 * 6u + 5u]);
      tile[lane * 2u + 1u] = vec4f(path[source + j0 * 6u + 1u], path[source + j0 * 6u + 2u], 0f, 0f);
    }
    workgroupBarrier();
    let last0 = min(128u, 100u - first0);
    var l0 = split;
    for (; l0 + 6u < last0; l0 += 8u) {
      {
        let j0 = first0 + l0;
        let w0_0 = tile[l0 * 2u + 0u];
        let w0_1 = tile[l0 * 2u + 1u];
        let v1 = w0_0.x;
        let v4 = w0_0.y;
        let v7 = w0_0.z;
        let v11 = w0_0.w;
        let v20 = w0_1.x;
        let v25 = w0_1.y;
        let v2 = (v0 - v1);
        let v5 = (v3 * v4);
        let v8 = (v6 * v7);
        let v9 = (v5 + v8);
        let v12 = (v10 * v11);
        let v13 = (v9 + v12);
        let v18 = (v2 * v2);
        let v21 = (v19 - v20);
        let v22 = (v21 * v21);
        let v23 = (v18 + v22);
        let v26 = (v24 - v25);
        let v27 = (v26 * v26);
        let v28 = (v23 + v27);
        let v29 = (v17 * v28);
        let v30 = skewflow_exp2(v29);
        let v31 = (v13 * v30);
        let v32 = (v2 * v31);
        let v33 = (v21 * v31);
        let v34 = (v26 * v31);
        let v35 = (v4 * v30);
        let v36 = (v7 * v30);
        let v37 = (v11 * v30);
        a0_0 += v32;
        a0_1 += v33;
        a0_2 += v34;
        a0_3 += v35;
        a0_4 += v36;
        a0_5 += v37;
      }
      {
        let j0 = first0 + (l0 + 2u);
        let w0_0 = tile[(l0 + 2u) * 2u + 0u];
        let w0_1 = tile[(l0 + 2u) * 2u + 1u];
        let v1 = w0_0.x;
        let v4 = w0_0.y;
        let v7 = w0_0.z;
        let v11 = w0_0.w;
        let v20 = w0_1.x;
        let v25 = w0_1.y;
        let v2 = (v0 - v1);
        let v5 = (v3 * v4);
        let v8 = (v6 * v7);
        let v9 = (v5 + v8);
        let v12 = (v10 * v11);
        let v13 = (v9 + v12);
        let v18 = (v2 * v2);
        let v21 = (v19 - v20);
        let v22 = (v21 * v21);
        let v23 = (v18 + v22);
        let v26 = (v24 - v25);
        let v27 = (v26 * v26);
        let v28 = (v23 + v27);
        let v29 = (v17 * v28);
        let v30 = skewflow_exp2(v29);
        let v31 = (v13 * v30);
        let v32 = (v2 * v31);
        let v33 = (v21 * v31);
        let v34 = (v26 * v31);
        let v35 = (v4 * v30);
        let v36 = (v7 * v30);
        let v37 = (v11 * v30);
        a0_0 += v32;
        a0_1 += v33;
        a0_2 += v34;
        a0_3 += v35;
        a0_4 += v36;
        a0_5 += v37;
      }
      {
        let j0 = first0 + (l0 + 4u);
        let w0_0 = tile[(l0 + 4u) * 2u + 0u];
        let w0_1 = tile[(l0 + 4u) * 2u + 1u];
        let v1 = w0_0.x;
        let v4 = w0_0.y;
        let v7 = w0_0.z;
        let v11 = w0_0.w;
        let v20 = w0_1.x;
        let v25 = w0_1.y;
        let v2 = (v0 - v1);
        let v5 = (v3 * v4);
        let v8 = (v6 * v7);
        let v9 = (v5 + v8);
        let v12 = (v10 * v11);
        let v13 = (v9 + v12);
        let v18 = (v2 * v2);
        let v21 = (v19 - v20);
        let v22 = (v21 * v21);
        let v23 = (v18 + v22);
        let v26 = (v24 - v25);
        let v27 = (v26 * v26);
        let v28 = (v23 + v27);
        let v29 = (v17 * v28);
        let v30 = skewflow_exp2(v29);
        let v31 = (v13 * v30);
        let v32 = (v2 * v31);
        let v33 = (v21 * v31);
        let v34 = (v26 * v31);
        let v35 = (v4 * v30);
        let v36 = (v7 * v30);
        let v37 = (v11 * v30);
        a0_0 += v32;
        a0_1 += v33;
        a0_2 += v34;
        a0_3 += v35;
        a0_4 += v36;
        a0_5 += v37;
      }
      {
        let j0 = first0 + (l0 + 6u);
        let w0_0 = tile[(l0 + 6u) * 2u + 0u];
        let w0_1 = tile[(l0 + 6u) * 2u + 1u];
        let v1 = w0_0.x;
        let v4 = w0_0.y;
        let v7 = w0_0.z;
        let v11 = w0_0.w;
        let v20 = w0_1.x;
        let v25 = w0_1.y;
        let v2 = (v0 - v1);
        let v5 = (v3 * v4);
        let v8 = (v6 * v7);
        let v9 = (v5 + v8);
        let v12 = (v10 * v11);
        let v13 = (v9 + v12);
        let v18 = (v2 * v2);
        let v21 = (v19 - v20);
        let v22 = (v21 * v21);
        let v23 = (v18 + v22);
        let v26 = (v24 - v25);
        let v27 = (v26 * v26);
        let v28 = (v23 + v27);
        let v29 = (v17 * v28);
        let v30 = skewflow_exp2(v29);
        let v31 = (v13 * v30);
        let v32 = (v2 * v31);
        let v33 = (v21 * v31);
        let v34 = (v26 * v31);
        let v35 = (v4 * v30);
        let v36 = (v7 * v30);
        let v37 = (v11 * v30);
        a0_0 += v32;
        a0_1 += v33;
        a0_2 += v34;
        a0_3 += v35;
        a0_4 += v36;
        a0_5 += v37;
      }
    }
    for (; l0 < last0; l0 += 2u) {
      let j0 = first0 + l0;
      let w0_0 = tile[l0 * 2u + 0u];
      let w0_1 = tile[l0 * 2u + 1u];
      let v1 = w0_0.x;
      let v4 = w0_0.y;
      let v7 = w0_0.z;
      let v11 = w0_0.w;
      let v20 = w0_1.x;
      let v25 = w0_1.y;
      let v2 = (v0 - v1);
      let v5 = (v3 * v4);
      let v8 = (v6 * v7);
      let v9 = (v5 + v8);
      let v12 = (v10 * v11);
      let v13 = (v9 + v12);
      let v18 = (v2 * v2);
      let v21 = (v19 - v20);
      let v22 = (v21 * v21);
      let v23 = (v18 + v22);
      let v26 = (v24 - v25);
      let v27 = (v26 * v26);
      let v28 = (v23 + v27);
      let v29 = (v17 * v28);
      let v30 = skewflow_exp2(v29);
      let v31 = (v13 * v30);
      let v32 = (v2 * v31);
      let v33 = (v21 * v31);
      let v34 = (v26 * v31);
      let v35 = (v4 * v30);
      let v36 = (v7 * v30);
      let v37 = (v11 * v30);
      a0_0 += v32;
      a0_1 += v33;
      a0_2 += v34;
      a0_3 += v35;
      a0_4 += v36;
      a0_5 += v37;
    }
  }
  let a0_0_met = meet_four(128u, vec4f(a0_0, a0_1, a0_2, a0_3));
  a0_0 = a0_0_met.x;
  a0_1 = a0_0_met.y;
  a0_2 = a0_0_met.z;
  a0_3 = a0_0_met.w;
  let a0_4_met = meet_four(128u, vec4f(a0_4, a0_5, 0f, 0f));
  a0_4 = a0_4_met.x;
  a0_5 = a0_4_met.y;
  return array<f32, 6>(a0_3, a0_4, a0_5, a0_0, a0_1, a0_2);
}

// The state at a grid point: is it finite?
fn reach(point: u32, z: array<f32, 6>) {
  if (held_6 == 0f && (not_finite(z[0]) || not_finite(z[1]) || not_finite(z[2]) || not_finite(z[3]) || not_finite(z[4]) || not_finite(z[5]))) {
    held_6 = f32(point + 1u);
  }
}

fn recall() {
  held_0 = work[work_at + 0u + row];
  held_1 = work[work_at + 100u + row];
  held_2 = work[work_at + 200u + row];
  held_3 = work[work_at + 300u + row];
  held_4 = work[work_at + 400u + row];
  held_5 = work[work_at + 500u + row];
  held_6 = work[work_at + 600u + row];
  held_7 = work[work_at + 700u + row];
  held_8 = work[work_at + 800u + row];
  held_9 = work[work_at + 900u + row];
  held_10 = work[work_at + 1000u + row];
  held_11 = work[work_at + 1100u + row];
  held_12 = work[work_at + 1200u + row];
  held_13 = work[work_at + 1300u + row];
  held_14 = work[work_at + 1400u + row];
  held_15 = work[work_at + 1500u + row];
  held_16 = work[work_at + 1600u + row];
  held_17 = work[work_at + 1700u + row];
  held_18 = work[work_at + 1800u + row];
}

fn keep() {
  work[work_at + 0u + row] = held_0;
  work[work_at + 100u + row] = held_1;
  work[work_at + 200u + row] = held_2;
  work[work_at + 300u + row] = held_3;
  work[work_at + 400u + row] = held_4;
  work[work_at + 500u + row] = held_5;
  work[work_at + 600u + row] = held_6;
  work[work_at + 700u + row] = held_7;
  work[work_at + 800u + row] = held_8;
  work[work_at + 900u + row] = held_9;
  work[work_at + 1000u + row] = held_10;
  work[work_at + 1100u + row] = held_11;
  work[work_at + 1200u + row] = held_12;
  work[work_at + 1300u + row] = held_13;
  work[work_at + 1400u + row] = held_14;
  work[work_at + 1500u + row] = held_15;
  work[work_at + 1600u + row] = held_16;
  work[work_at + 1700u + row] = held_17;
  work[work_at + 1800u + row] = held_18;
}

fn start(leaf: u32, part: u32) {
  let z = array<f32, 6>(given[3u + row * 6u], given[3u + row * 6u + 1u], given[3u + row * 6u + 2u], given[3u + row * 6u + 3u], given[3u + row * 6u + 4u], given[3u + row * 6u + 5u]);
  if (present) {
    held_0 = z[0];
    held_1 = z[1];
    held_2 = z[2];
    held_3 = z[3];
    held_4 = z[4];
    held_5 = z[5];
    path[row * 6u] = z[0];
    path[row * 6u + 1u] = z[1];
    path[row * 6u + 2u] = z[2];
    path[row * 6u + 3u] = z[3];
    path[row * 6u + 4u] = z[4];
    path[row * 6u + 5u] = z[5];
    held_6 = 0f;
    reach(0u, z);
  }
}

fn combine(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 2u;
  let h = given[step_at];
  if (present) {
    switch (stage) {
      case 0u: {
        let slot0_0 = held_0;
        let slot0_1 = held_1;
        let slot0_2 = held_2;
        let slot0_3 = held_3;
        let slot0_4 = held_4;
        let slot0_5 = held_5;
        path[(k * 1u) * 600u + row * 6u] = slot0_0;
        path[(k * 1u) * 600u + row * 6u + 1u] = slot0_1;
        path[(k * 1u) * 600u + row * 6u + 2u] = slot0_2;
        path[(k * 1u) * 600u + row * 6u + 3u] = slot0_3;
        path[(k * 1u) * 600u + row * 6u + 4u] = slot0_4;
        path[(k * 1u) * 600u + row * 6u + 5u] = slot0_5;
      }
      default: {
        let z_next_0 = held_0 + h * held_7;
        let z_next_1 = held_1 + h * held_8;
        let z_next_2 = held_2 + h * held_9;
        let z_next_3 = held_3 + h * held_10;
        let z_next_4 = held_4 + h * held_11;
        let z_next_5 = held_5 + h * held_12;
        held_0 = z_next_0;
        held_1 = z_next_1;
        held_2 = z_next_2;
        held_3 = z_next_3;
        held_4 = z_next_4;
        held_5 = z_next_5;
        path[((k + 1u) * 1u) * 600u + row * 6u] = z_next_0;
        path[((k + 1u) * 1u) * 600u + row * 6u + 1u] = z_next_1;
        path[((k + 1u) * 1u) * 600u + row * 6u + 2u] = z_next_2;
        path[((k + 1u) * 1u) * 600u + row * 6u + 3u] = z_next_3;
        path[((k + 1u) * 1u) * 600u + row * 6u + 4u] = z_next_4;
        path[((k + 1u) * 1u) * 600u + row * 6u + 5u] = z_next_5;
        reach(k + 1u, array<f32, 6>(z_next_0, z_next_1, z_next_2, z_next_3, z_next_4, z_next_5));
      }
    }
  }
}

fn advance(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 2u;
  let h = given[step_at];
  let slope = flow(time_of(stage, step_at), source_of(stage, k));
  if (present) {
    held_7 = slope[0];
    held_8 = slope[1];
    held_9 = slope[2];
    held_10 = slope[3];
    held_11 = slope[4];
    held_12 = slope[5];
  }
}

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  let leaf = group / 1u;
  let part = group % 1u;
  if (leaf >= job.units) { return; }
  place(leaf, part);
  if (job.first == 0u) { start(leaf, part); } else { recall(); }
  storageBarrier();
  for (var k = job.first; k < job.end; k++) {
    for (var stage = 0u; stage < job.stages; stage++) {
      combine(leaf, part, stage, k);
      storageBarrier();
      advance(leaf, part, stage, k);
    }
    combine(leaf, part, 1u, k);
    storageBarrier();
  }
  if (present) { keep(); }
}
