// Tracers backward through the steps of a dispatch: λ, and what rows leave for everybody.

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
@group(0) @binding(6) var<storage, read> held: array<f32>;
@group(0) @binding(7) var<storage, read> kept: array<f32>;
@group(0) @binding(8) var<storage, read_write> gamma: array<f32>;
var<workgroup> tile: array<vec4f, 896>;
var<workgroup> values_of: array<f32, 256>;

// The thread in its workgroup.
var<private> lane: u32;

fn skewflow_exp2(x: f32) -> f32 {
  let n = clamp(round(x), -126.0, 127.0);
  return exp2(x - n) * bitcast<f32>(u32(i32(n) + 127) << 23u);
}

fn meet(size: u32, value: f32) -> f32 {
  workgroupBarrier();
  values_of[lane] = value;
  workgroupBarrier();
  var sum = values_of[lane % size];
  for (var other = lane % size + size; other < 256u; other += size) {
    sum += values_of[other];
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
  row = group % 8u * 32u + lane % 32u;
  split = lane / 32u;
  image_at = plan[block * 3u] * 1536u + row;
  number = plan[block * 3u + 1u] + row;
  present = row < plan[block * 3u + 2u];
  carry_at = block * 2816u + row;
}
var<private> θ_0: f32;

fn flow_vjp(group: u32, time: f32, source: u32, z: array<f32, 3>, κ: array<f32, 3>) -> array<f32, 3> {
  let v0 = z[0];
  let v3 = κ[0];
  let v6 = κ[1];
  let v10 = κ[2];
  let v15 = given[2u];
  let v16 = (v15 * v15);
  let v17 = ((-1.442695f) / v16);
  let v19 = z[1];
  let v24 = z[2];
  let v40 = (2f / v16);
  var a0_0 = 0f;
  var a0_1 = 0f;
  var a0_2 = 0f;
  var a0_3 = 0f;
  for (var first0 = 0u; first0 < 100u; first0 += 256u) {
    workgroupBarrier();
    if (lane < 256u) {
      let j0 = min(first0 + lane, 99u);
      tile[lane * 2u + 0u] = vec4f(path[source + j0 * 6u], path[source + j0 * 6u + 3u], path[source + j0 * 6u + 4u], path[source + j0 * 6u + 5u]);
      tile[lane * 2u + 1u] = vec4f(path[source + j0 * 6u + 1u], path[source + j0 * 6u + 2u], 0f, 0f);
    }
    workgroupBarrier();
    let last0 = min(256u, 100u - first0);
    for (var l0 = split; l0 < last0; l0 += 8u) {
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
      let v35 = (v28 * v31);
      a0_0 += v32;
      a0_1 += v33;
      a0_2 += v34;
      a0_3 += v35;
    }
  }
  a0_0 = meet(32u, a0_0);
  a0_1 = meet(32u, a0_1);
  a0_2 = meet(32u, a0_2);
  a0_3 = meet(32u, a0_3);
  let v50 = ((-2f) / v16);
  let v51 = (v50 * a0_0);
  let v52 = (v50 * a0_1);
  let v53 = (v50 * a0_2);
  let v54 = (v15 * v16);
  let v55 = (2f / v54);
  let v56 = (v55 * a0_3);
  θ_0 += v56;
  for (var base = 0u; base < 100u; base += 128u) {
    let j0 = min(base + lane % 128u, 99u);
    let v1 = path[source + j0 * 6u];
    let v4 = path[source + j0 * 6u + 3u];
    let v7 = path[source + j0 * 6u + 4u];
    let v11 = path[source + j0 * 6u + 5u];
    let v20 = path[source + j0 * 6u + 1u];
    let v25 = path[source + j0 * 6u + 2u];
    var sum0 = 0f;
    var sum1 = 0f;
    var sum2 = 0f;
    var sum3 = 0f;
    var sum4 = 0f;
    var sum5 = 0f;
    for (var chunk = 0u; chunk < 32u; chunk += 32u) {
      workgroupBarrier();
      let mine = lane % 32u;
      if (split == 0u && mine >= chunk && mine < chunk + 32u) {
        tile[(mine - chunk) * 2u + 0u] = vec4f(v0, v3, v6, v10);
        tile[(mine - chunk) * 2u + 1u] = vec4f(v19, v24, 0f, 0f);
      }
      workgroupBarrier();
      var part0 = 0f;
      var part1 = 0f;
      var part2 = 0f;
      var part3 = 0f;
      var part4 = 0f;
      var part5 = 0f;
      let visited = min(32u, 32u - chunk);
      for (var r = lane / 128u; r < visited; r += 2u) {
        let own = chunk + r;
        let own0 = tile[r * 2u + 0u];
        let own1 = tile[r * 2u + 1u];
        let v0 = own0.x;
        let v3 = own0.y;
        let v6 = own0.z;
        let v10 = own0.w;
        let v19 = own1.x;
        let v24 = own1.y;
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
        let v36 = (v3 * v30);
        let v37 = (v6 * v30);
        let v38 = (v10 * v30);
        let v41 = (v40 * v31);
        let v42 = (v2 * v41);
        let v43 = (v21 * v41);
        let v44 = (v26 * v41);
        part0 += v36;
        part1 += v37;
        part2 += v38;
        part3 += v42;
        part4 += v43;
        part5 += v44;
      }
      sum0 += part0;
      sum1 += part1;
      sum2 += part2;
      sum3 += part3;
      sum4 += part4;
      sum5 += part5;
    }
    sum0 = meet(128u, sum0);
    sum1 = meet(128u, sum1);
    sum2 = meet(128u, sum2);
    sum3 = meet(128u, sum3);
    sum4 = meet(128u, sum4);
    sum5 = meet(128u, sum5);
    if (lane < 128u && base + lane < 100u) {
      gamma[group * job.partial + source + j0 * 6u + 3u] += sum0;
      gamma[group * job.partial + source + j0 * 6u + 4u] += sum1;
      gamma[group * job.partial + source + j0 * 6u + 5u] += sum2;
      gamma[group * job.partial + source + j0 * 6u + 0u] += sum3;
      gamma[group * job.partial + source + j0 * 6u + 1u] += sum4;
      gamma[group * job.partial + source + j0 * 6u + 2u] += sum5;
    }
  }
  return array<f32, 3>(v51, v52, v53);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  if (group >= job.units) { return; }
  place(group);
  var λ = array<f32, 3>();
  θ_0 = carry[carry_at + 2304u];
  if (job.end < job.steps || job.start == 1u) {
    λ[0] = carry[carry_at + 768u];
    λ[1] = carry[carry_at + 1024u];
    λ[2] = carry[carry_at + 1280u];
  } else {
    let n = plan[job.kept_at + job.end];
    if (n != 0xffffffffu) {
      λ[0] = kept[((n + job.points) * job.blocks + block) * 768u + row];
      λ[1] = kept[((n + job.points) * job.blocks + block) * 768u + row + 256u];
      λ[2] = kept[((n + job.points) * job.blocks + block) * 768u + row + 512u];
    }
  }
  for (var left = job.end; left > job.first; left--) {
    let k = left - 1u;
    let step_at = job.grid + k * 2u;
    let h = given[step_at];
    var κ0_0 = 0f;
    var κ0_1 = 0f;
    var κ0_2 = 0f;
    var ζ0_0 = 0f;
    var ζ0_1 = 0f;
    var ζ0_2 = 0f;
    var λ_0 = 0f;
    var λ_1 = 0f;
    var λ_2 = 0f;
    var time = 0f;
    var source = 0u;
    var state = array<f32, 3>();
    var κ = array<f32, 3>();
    for (var stage = 0u; stage < job.stages; stage++) {
      κ0_0 = h * λ[0];
      κ0_1 = h * λ[1];
      κ0_2 = h * λ[2];
      time = given[step_at + 1u];
      source = (k * 1u) * 600u;
      state = array<f32, 3>(held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row], held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 256u], held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 512u]);
      κ = array<f32, 3>(κ0_0, κ0_1, κ0_2);
      let f = flow_vjp(group, time, source, state, κ);
      ζ0_0 = f[0];
      ζ0_1 = f[1];
      ζ0_2 = f[2];
    }
    λ_0 = λ[0] + ζ0_0;
    λ_1 = λ[1] + ζ0_1;
    λ_2 = λ[2] + ζ0_2;
    λ[0] = λ_0;
    λ[1] = λ_1;
    λ[2] = λ_2;
    let n = plan[job.kept_at + k];
    if (n != 0xffffffffu) {
      λ[0] += kept[((n + job.points) * job.blocks + block) * 768u + row];
      λ[1] += kept[((n + job.points) * job.blocks + block) * 768u + row + 256u];
      λ[2] += kept[((n + job.points) * job.blocks + block) * 768u + row + 512u];
    }
  }
  if (split == 0u) {
    carry[carry_at + 768u] = λ[0];
    carry[carry_at + 1024u] = λ[1];
    carry[carry_at + 1280u] = λ[2];
    carry[carry_at + 2304u] = θ_0;
  }
}
