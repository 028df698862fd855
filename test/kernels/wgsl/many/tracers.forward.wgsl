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
var<workgroup> values_of: array<f32, 256>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

fn not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

fn infinity() -> f32 {
  return given[0];
}

fn is_nan(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn meet_max(size: u32, value: f32) -> f32 {
  workgroupBarrier();
  values_of[lane] = value;
  workgroupBarrier();
  var held = values_of[lane % size];
  for (var other = lane % size + size; other < workgroup_threads; other += size) {
    let value = values_of[other];
    if (value > held || is_nan(value)) { held = value; }
  }
  return held;
}

fn skewflow_clamp(x: f32, low: f32, high: f32) -> f32 {
  let above = select(x, low, x < low);
  return select(above, high, above > high);
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
  block = group / 16u;
  split = lane / 16u;
  row = group % 16u * 16u + lane % 16u;
  image_at = plan[block * 3u] * 1024u + row;
  number = plan[block * 3u + 1u] + row;
  present = row < plan[block * 3u + 2u];
  carry_at = block * 2304u + row;
}

// At a grid point: is the state finite, and is it kept?
fn reach(point: u32, row: u32, z: ptr<function, array<f32, 4>>, failed: ptr<function, f32>) {
  if (*failed == 0f && (not_finite((*z)[0]) || not_finite((*z)[1]) || not_finite((*z)[2]) || not_finite((*z)[3]))) {
    *failed = f32(point + 1u);
  }
  let n = plan[job.kept_at + point];
  if (n != 0xffffffffu && split == 0u) {
    kept[((n) * job.blocks + block) * 1024u + row] = (*z)[0];
    kept[((n) * job.blocks + block) * 1024u + row + 256u] = (*z)[1];
    kept[((n) * job.blocks + block) * 1024u + row + 512u] = (*z)[2];
    kept[((n) * job.blocks + block) * 1024u + row + 768u] = (*z)[3];
  }
}

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  if (group >= job.units) { return; }
  place(group);
  // failed: one more than the grid point at which the state was first not finite; 0: never.
  var state = array<f32, 4>();
  var failed = 0f;
  if (job.start == 0u) {
    state[0] = image[image_at + 0u];
    state[1] = image[image_at + 256u];
    state[2] = image[image_at + 512u];
    state[3] = image[image_at + 768u];
  } else if (job.start == 1u) {
    state[0] = carry[carry_at];
    state[1] = carry[carry_at + 256u];
    state[2] = carry[carry_at + 512u];
    state[3] = carry[carry_at + 768u];
    failed = carry[carry_at + 2048u];
  } else {
    state[0] = kept[((job.start - 2u) * job.blocks + block) * 1024u + row];
    state[1] = kept[((job.start - 2u) * job.blocks + block) * 1024u + row + 256u];
    state[2] = kept[((job.start - 2u) * job.blocks + block) * 1024u + row + 512u];
    state[3] = kept[((job.start - 2u) * job.blocks + block) * 1024u + row + 768u];
    failed = carry[carry_at + 2048u];
  }
  reach(job.first, row, &state, &failed);
  for (var k = job.first; k < job.end; k++) {
    let step_at = job.grid + k * 4u;
    let h = given[step_at];
    var slot0_0 = 0f;
    var slot0_1 = 0f;
    var slot0_2 = 0f;
    var slot0_3 = 0f;
    var slope0_0 = 0f;
    var slope0_1 = 0f;
    var slope0_2 = 0f;
    var slope0_3 = 0f;
    var slot1_0 = 0f;
    var slot1_1 = 0f;
    var slot1_2 = 0f;
    var slot1_3 = 0f;
    var slope1_0 = 0f;
    var slope1_1 = 0f;
    var slope1_2 = 0f;
    var slope1_3 = 0f;
    var slot2_0 = 0f;
    var slot2_1 = 0f;
    var slot2_2 = 0f;
    var slot2_3 = 0f;
    var slope2_0 = 0f;
    var slope2_1 = 0f;
    var slope2_2 = 0f;
    var slope2_3 = 0f;
    var slot3_0 = 0f;
    var slot3_1 = 0f;
    var slot3_2 = 0f;
    var slot3_3 = 0f;
    var slope3_0 = 0f;
    var slope3_1 = 0f;
    var slope3_2 = 0f;
    var slope3_3 = 0f;
    var z_next_0 = 0f;
    var z_next_1 = 0f;
    var z_next_2 = 0f;
    var z_next_3 = 0f;
    var time = 0f;
    var source = 0u;
    var z = array<f32, 4>();
    for (var stage = 0u; stage < job.stages; stage++) {
      switch (stage) {
        case 0u: {
          slot0_0 = state[0];
          slot0_1 = state[1];
          slot0_2 = state[2];
          slot0_3 = state[3];
          if (split == 0u) {
            held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row] = slot0_0;
            held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 256u] = slot0_1;
            held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 512u] = slot0_2;
            held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 768u] = slot0_3;
          }
          z = array<f32, 4>(slot0_0, slot0_1, slot0_2, slot0_3);
          time = given[step_at + 1u];
          source = (k * 4u) * 600u;
        }
        case 1u: {
          slot1_0 = state[0] + 0.5f * h * slope0_0;
          slot1_1 = state[1] + 0.5f * h * slope0_1;
          slot1_2 = state[2] + 0.5f * h * slope0_2;
          slot1_3 = state[3] + 0.5f * h * slope0_3;
          if (split == 0u) {
            held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row] = slot1_0;
            held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 256u] = slot1_1;
            held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 512u] = slot1_2;
            held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 768u] = slot1_3;
          }
          z = array<f32, 4>(slot1_0, slot1_1, slot1_2, slot1_3);
          time = given[step_at + 2u];
          source = (k * 4u + 1u) * 600u;
        }
        case 2u: {
          slot2_0 = state[0] + 0.5f * h * slope1_0;
          slot2_1 = state[1] + 0.5f * h * slope1_1;
          slot2_2 = state[2] + 0.5f * h * slope1_2;
          slot2_3 = state[3] + 0.5f * h * slope1_3;
          if (split == 0u) {
            held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row] = slot2_0;
            held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 256u] = slot2_1;
            held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 512u] = slot2_2;
            held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 768u] = slot2_3;
          }
          z = array<f32, 4>(slot2_0, slot2_1, slot2_2, slot2_3);
          time = given[step_at + 2u];
          source = (k * 4u + 2u) * 600u;
        }
        default: {
          slot3_0 = state[0] + h * slope2_0;
          slot3_1 = state[1] + h * slope2_1;
          slot3_2 = state[2] + h * slope2_2;
          slot3_3 = state[3] + h * slope2_3;
          if (split == 0u) {
            held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row] = slot3_0;
            held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 256u] = slot3_1;
            held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 512u] = slot3_2;
            held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 768u] = slot3_3;
          }
          z = array<f32, 4>(slot3_0, slot3_1, slot3_2, slot3_3);
          time = given[step_at + 3u];
          source = (k * 4u + 3u) * 600u;
        }
      }
      let v0 = z[0];
      let v4 = z[1];
      var a0_0 = (-infinity());
      for (var first0 = 0u; first0 < 300u; first0 += 256u) {
        workgroupBarrier();
        if (lane < 256u) {
          let j0 = min(first0 + lane, 299u);
          tile[lane * 1u + 0u] = vec4f(path[source + j0 * 2u], path[source + j0 * 2u + 1u], 0f, 0f);
        }
        workgroupBarrier();
        let last0 = min(256u, 300u - first0);
        for (var l0 = split; l0 < last0; l0 += 16u) {
          let j0 = first0 + l0;
          let w0_0 = tile[l0 * 1u + 0u];
          let v1 = w0_0.x;
          let v5 = w0_0.y;
          let v2 = (v0 - v1);
          let v3 = (v2 * v2);
          let v6 = (v4 - v5);
          let v7 = (v6 * v6);
          let v8 = (v3 + v7);
          let v9 = (-v8);
          if (v9 > a0_0 || is_nan(v9)) { a0_0 = v9; }
        }
      }
      a0_0 = meet_max(16u, a0_0);
      let v21 = skewflow_clamp(a0_0, (-3e+38f), 3e+38f);
      var a1_0 = 0f;
      var a1_1 = 0f;
      var a1_2 = 0f;
      for (var first1 = 0u; first1 < 300u; first1 += 256u) {
        workgroupBarrier();
        if (lane < 256u) {
          let j1 = min(first1 + lane, 299u);
          tile[lane * 1u + 0u] = vec4f(path[source + j1 * 2u], path[source + j1 * 2u + 1u], given[602u + j1], 0f);
        }
        workgroupBarrier();
        let last1 = min(256u, 300u - first1);
        for (var l1 = split; l1 < last1; l1 += 16u) {
          let j1 = first1 + l1;
          let w1_0 = tile[l1 * 1u + 0u];
          let v12 = w1_0.x;
          let v15 = w1_0.y;
          let v25 = w1_0.z;
          let v13 = (v0 - v12);
          let v14 = (v13 * v13);
          let v16 = (v4 - v15);
          let v17 = (v16 * v16);
          let v18 = (v14 + v17);
          let v22 = (v18 + v21);
          let v23 = ((-1.442695f) * v22);
          let v24 = skewflow_exp2(v23);
          let v26 = (v25 * v24);
          let v27 = (v13 * v26);
          let v28 = (v16 * v26);
          a1_0 += v24;
          a1_1 += v27;
          a1_2 += v28;
        }
      }
      let a1_0_met = meet_four(16u, vec4f(a1_0, a1_1, a1_2, 0f));
      a1_0 = a1_0_met.x;
      a1_1 = a1_0_met.y;
      a1_2 = a1_0_met.z;
      let v32 = z[2];
      let v33 = z[3];
      let v34 = (a1_1 / a1_0);
      let v35 = (-v34);
      let v36 = (a1_2 / a1_0);
      let v37 = (-v36);
      switch (stage) {
        case 0u: {
          slope0_0 = v32;
          slope0_1 = v33;
          slope0_2 = v35;
          slope0_3 = v37;
        }
        case 1u: {
          slope1_0 = v32;
          slope1_1 = v33;
          slope1_2 = v35;
          slope1_3 = v37;
        }
        case 2u: {
          slope2_0 = v32;
          slope2_1 = v33;
          slope2_2 = v35;
          slope2_3 = v37;
        }
        default: {
          slope3_0 = v32;
          slope3_1 = v33;
          slope3_2 = v35;
          slope3_3 = v37;
        }
      }
    }
    z_next_0 = state[0] + 0.16666667f * h * slope0_0 + 0.33333334f * h * slope1_0 + 0.33333334f * h * slope2_0 + 0.16666667f * h * slope3_0;
    z_next_1 = state[1] + 0.16666667f * h * slope0_1 + 0.33333334f * h * slope1_1 + 0.33333334f * h * slope2_1 + 0.16666667f * h * slope3_1;
    z_next_2 = state[2] + 0.16666667f * h * slope0_2 + 0.33333334f * h * slope1_2 + 0.33333334f * h * slope2_2 + 0.16666667f * h * slope3_2;
    z_next_3 = state[3] + 0.16666667f * h * slope0_3 + 0.33333334f * h * slope1_3 + 0.33333334f * h * slope2_3 + 0.16666667f * h * slope3_3;
    state[0] = z_next_0;
    state[1] = z_next_1;
    state[2] = z_next_2;
    state[3] = z_next_3;
    reach(k + 1u, row, &state, &failed);
  }
  if (split == 0u) {
    carry[carry_at] = state[0];
    carry[carry_at + 256u] = state[1];
    carry[carry_at + 512u] = state[2];
    carry[carry_at + 768u] = state[3];
    carry[carry_at + 2048u] = failed;
  }
}
