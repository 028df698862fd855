// Tracers forward through the steps of a dispatch.

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
@group(0) @binding(2) var<storage, read> plan: array<u32>;
@group(0) @binding(3) var<storage, read> path: array<f32>;
@group(0) @binding(4) var<storage, read> image: array<f32>;
@group(0) @binding(5) var<storage, read_write> carry: array<f32>;
@group(0) @binding(6) var<storage, read_write> held: array<f32>;
@group(0) @binding(7) var<storage, read_write> kept: array<f32>;
var<workgroup> tile: array<vec4f, 896>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

fn not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

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

// The row's number in its block and among all rows; whether there is such a row, or it fills up the block.
var<private> row: u32;
var<private> number: u32;
var<private> present: bool;
// Which of the threads of this row this one is.
var<private> split: u32;
var<private> block: u32;
var<private> image_at: u32;
var<private> carry_at: u32;

fn place(group: u32) {
  block = group / 8u;
  split = lane / 32u;
  row = group % 8u * 32u + lane % 32u;
  image_at = plan[block * 3u] * 1536u + row;
  number = plan[block * 3u + 1u] + row;
  present = row < plan[block * 3u + 2u];
  carry_at = block * 2816u + row;
}

// At a grid point: is the state finite, and is it kept?
fn reach(point: u32, row: u32, z: ptr<function, array<f32, 3>>, failed: ptr<function, f32>) {
  if (*failed == 0f && (not_finite((*z)[0]) || not_finite((*z)[1]) || not_finite((*z)[2]))) {
    *failed = f32(point + 1u);
  }
  let n = plan[job.kept_at + point];
  if (n != 0xffffffffu && split == 0u) {
    kept[((n) * job.blocks + block) * 768u + row] = (*z)[0];
    kept[((n) * job.blocks + block) * 768u + row + 256u] = (*z)[1];
    kept[((n) * job.blocks + block) * 768u + row + 512u] = (*z)[2];
  }
}

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  if (group >= job.units) { return; }
  place(group);
  // failed: one more than the grid point at which the state was first not finite; 0: never.
  var state = array<f32, 3>();
  var failed = 0f;
  if (job.start == 0u) {
    state[0] = image[image_at + 0u];
    state[1] = image[image_at + 256u];
    state[2] = image[image_at + 512u];
  } else if (job.start == 1u) {
    state[0] = carry[carry_at];
    state[1] = carry[carry_at + 256u];
    state[2] = carry[carry_at + 512u];
    failed = carry[carry_at + 2560u];
  } else {
    state[0] = kept[((job.start - 2u) * job.blocks + block) * 768u + row];
    state[1] = kept[((job.start - 2u) * job.blocks + block) * 768u + row + 256u];
    state[2] = kept[((job.start - 2u) * job.blocks + block) * 768u + row + 512u];
    failed = carry[carry_at + 2560u];
  }
  reach(job.first, row, &state, &failed);
  for (var k = job.first; k < job.end; k++) {
    let step_at = job.grid + k * 2u;
    let h = given[step_at];
    var slot0_0 = 0f;
    var slot0_1 = 0f;
    var slot0_2 = 0f;
    var slope0_0 = 0f;
    var slope0_1 = 0f;
    var slope0_2 = 0f;
    var z_next_0 = 0f;
    var z_next_1 = 0f;
    var z_next_2 = 0f;
    var time = 0f;
    var source = 0u;
    var z = array<f32, 3>();
    for (var stage = 0u; stage < job.stages; stage++) {
      slot0_0 = state[0];
      slot0_1 = state[1];
      slot0_2 = state[2];
      if (split == 0u) {
        held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row] = slot0_0;
        held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 256u] = slot0_1;
        held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 512u] = slot0_2;
      }
      z = array<f32, 3>(slot0_0, slot0_1, slot0_2);
      time = given[step_at + 1u];
      source = (k * 1u) * 600u;
      let v2 = given[2u];
      let v3 = (v2 * v2);
      let v4 = ((-1.442695f) / v3);
      let v5 = z[0];
      let v9 = z[1];
      let v14 = z[2];
      var a0_0 = 0f;
      var a0_1 = 0f;
      var a0_2 = 0f;
      for (var first0 = 0u; first0 < 100u; first0 += 128u) {
        workgroupBarrier();
        if (lane < 128u) {
          let j0 = min(first0 + lane, 99u);
          tile[lane * 2u + 0u] = vec4f(path[source + j0 * 6u + 3u], path[source + j0 * 6u], path[source + j0 * 6u + 1u], path[source + j0 * 6u + 2u]);
          tile[lane * 2u + 1u] = vec4f(path[source + j0 * 6u + 4u], path[source + j0 * 6u + 5u], 0f, 0f);
        }
        workgroupBarrier();
        let last0 = min(128u, 100u - first0);
        for (var l0 = split; l0 < last0; l0 += 8u) {
          let j0 = first0 + l0;
          let w0_0 = tile[l0 * 2u + 0u];
          let w0_1 = tile[l0 * 2u + 1u];
          let v0 = w0_0.x;
          let v6 = w0_0.y;
          let v10 = w0_0.z;
          let v15 = w0_0.w;
          let v22 = w0_1.x;
          let v24 = w0_1.y;
          let v7 = (v5 - v6);
          let v8 = (v7 * v7);
          let v11 = (v9 - v10);
          let v12 = (v11 * v11);
          let v13 = (v8 + v12);
          let v16 = (v14 - v15);
          let v17 = (v16 * v16);
          let v18 = (v13 + v17);
          let v19 = (v4 * v18);
          let v20 = skewflow_exp2(v19);
          let v21 = (v0 * v20);
          let v23 = (v22 * v20);
          let v25 = (v24 * v20);
          a0_0 += v21;
          a0_1 += v23;
          a0_2 += v25;
        }
      }
      let a0_0_met = meet_four(32u, vec4f(a0_0, a0_1, a0_2, 0f));
      a0_0 = a0_0_met.x;
      a0_1 = a0_0_met.y;
      a0_2 = a0_0_met.z;
      slope0_0 = a0_0;
      slope0_1 = a0_1;
      slope0_2 = a0_2;
    }
    z_next_0 = state[0] + h * slope0_0;
    z_next_1 = state[1] + h * slope0_1;
    z_next_2 = state[2] + h * slope0_2;
    state[0] = z_next_0;
    state[1] = z_next_1;
    state[2] = z_next_2;
    reach(k + 1u, row, &state, &failed);
  }
  if (split == 0u) {
    carry[carry_at] = state[0];
    carry[carry_at + 256u] = state[1];
    carry[carry_at + 512u] = state[2];
    carry[carry_at + 2560u] = failed;
  }
}
