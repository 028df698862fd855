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
var<private> θ_0: f32;

@compute @workgroup_size(workgroup_threads)
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
    var z = array<f32, 3>();
    var κ = array<f32, 3>();
    for (var stage = 0u; stage < job.stages; stage++) {
      κ0_0 = h * λ[0];
      κ0_1 = h * λ[1];
      κ0_2 = h * λ[2];
      z = array<f32, 3>(held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row], held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 256u], held[(((k - job.held) * job.holds * 1u) * job.blocks + block) * 768u + row + 512u]);
      κ = array<f32, 3>(κ0_0, κ0_1, κ0_2);
      time = given[step_at + 1u];
      source = (k * 1u) * 600u;
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
      for (var first0 = 0u; first0 < 100u; first0 += 128u) {
        workgroupBarrier();
        if (lane < 128u) {
          let j0 = min(first0 + lane, 99u);
          tile[lane * 2u + 0u] = vec4f(path[source + j0 * 6u], path[source + j0 * 6u + 3u], path[source + j0 * 6u + 4u], path[source + j0 * 6u + 5u]);
          tile[lane * 2u + 1u] = vec4f(path[source + j0 * 6u + 1u], path[source + j0 * 6u + 2u], 0f, 0f);
        }
        workgroupBarrier();
        let last0 = min(128u, 100u - first0);
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
      let a0_0_met = meet_four(32u, vec4f(a0_0, a0_1, a0_2, a0_3));
      a0_0 = a0_0_met.x;
      a0_1 = a0_0_met.y;
      a0_2 = a0_0_met.z;
      a0_3 = a0_0_met.w;
      let v50 = ((-2f) / v16);
      let v51 = (v50 * a0_0);
      let v52 = (v50 * a0_1);
      let v53 = (v50 * a0_2);
      let v54 = (v15 * v16);
      let v55 = (2f / v54);
      let v56 = (v55 * a0_3);
      θ_0 += v56;
      for (var base = 0u; base < 100u; base += 128u) {
        let j0_0 = min(base + lane % 32u, 99u);
        let j0_1 = min(base + lane % 32u + 32u, 99u);
        let j0_2 = min(base + lane % 32u + 64u, 99u);
        let j0_3 = min(base + lane % 32u + 96u, 99u);
        let v1_0 = path[source + j0_0 * 6u];
        let v1_1 = path[source + j0_1 * 6u];
        let v1_2 = path[source + j0_2 * 6u];
        let v1_3 = path[source + j0_3 * 6u];
        let v4_0 = path[source + j0_0 * 6u + 3u];
        let v4_1 = path[source + j0_1 * 6u + 3u];
        let v4_2 = path[source + j0_2 * 6u + 3u];
        let v4_3 = path[source + j0_3 * 6u + 3u];
        let v7_0 = path[source + j0_0 * 6u + 4u];
        let v7_1 = path[source + j0_1 * 6u + 4u];
        let v7_2 = path[source + j0_2 * 6u + 4u];
        let v7_3 = path[source + j0_3 * 6u + 4u];
        let v11_0 = path[source + j0_0 * 6u + 5u];
        let v11_1 = path[source + j0_1 * 6u + 5u];
        let v11_2 = path[source + j0_2 * 6u + 5u];
        let v11_3 = path[source + j0_3 * 6u + 5u];
        let v20_0 = path[source + j0_0 * 6u + 1u];
        let v20_1 = path[source + j0_1 * 6u + 1u];
        let v20_2 = path[source + j0_2 * 6u + 1u];
        let v20_3 = path[source + j0_3 * 6u + 1u];
        let v25_0 = path[source + j0_0 * 6u + 2u];
        let v25_1 = path[source + j0_1 * 6u + 2u];
        let v25_2 = path[source + j0_2 * 6u + 2u];
        let v25_3 = path[source + j0_3 * 6u + 2u];
        var sum0_0 = 0f;
        var sum0_1 = 0f;
        var sum0_2 = 0f;
        var sum0_3 = 0f;
        var sum1_0 = 0f;
        var sum1_1 = 0f;
        var sum1_2 = 0f;
        var sum1_3 = 0f;
        var sum2_0 = 0f;
        var sum2_1 = 0f;
        var sum2_2 = 0f;
        var sum2_3 = 0f;
        var sum3_0 = 0f;
        var sum3_1 = 0f;
        var sum3_2 = 0f;
        var sum3_3 = 0f;
        var sum4_0 = 0f;
        var sum4_1 = 0f;
        var sum4_2 = 0f;
        var sum4_3 = 0f;
        var sum5_0 = 0f;
        var sum5_1 = 0f;
        var sum5_2 = 0f;
        var sum5_3 = 0f;
        for (var chunk = 0u; chunk < 32u; chunk += 32u) {
          workgroupBarrier();
          let mine = lane % 32u;
          if (split == 0u && mine >= chunk && mine < chunk + 32u) {
            tile[(mine - chunk) * 2u + 0u] = vec4f(v0, v3, v6, v10);
            tile[(mine - chunk) * 2u + 1u] = vec4f(v19, v24, 0f, 0f);
          }
          workgroupBarrier();
          var part0_0 = 0f;
          var part0_1 = 0f;
          var part0_2 = 0f;
          var part0_3 = 0f;
          var part1_0 = 0f;
          var part1_1 = 0f;
          var part1_2 = 0f;
          var part1_3 = 0f;
          var part2_0 = 0f;
          var part2_1 = 0f;
          var part2_2 = 0f;
          var part2_3 = 0f;
          var part3_0 = 0f;
          var part3_1 = 0f;
          var part3_2 = 0f;
          var part3_3 = 0f;
          var part4_0 = 0f;
          var part4_1 = 0f;
          var part4_2 = 0f;
          var part4_3 = 0f;
          var part5_0 = 0f;
          var part5_1 = 0f;
          var part5_2 = 0f;
          var part5_3 = 0f;
          let visited = min(32u, 32u - chunk);
          for (var r = lane / 32u; r < visited; r += 8u) {
            let own = chunk + r;
            let own0 = tile[r * 2u + 0u];
            let own1 = tile[r * 2u + 1u];
            let v0 = own0.x;
            let v3 = own0.y;
            let v6 = own0.z;
            let v10 = own0.w;
            let v19 = own1.x;
            let v24 = own1.y;
            let v2_0 = (v0 - v1_0);
            let v2_1 = (v0 - v1_1);
            let v2_2 = (v0 - v1_2);
            let v2_3 = (v0 - v1_3);
            let v5_0 = (v3 * v4_0);
            let v5_1 = (v3 * v4_1);
            let v5_2 = (v3 * v4_2);
            let v5_3 = (v3 * v4_3);
            let v8_0 = (v6 * v7_0);
            let v8_1 = (v6 * v7_1);
            let v8_2 = (v6 * v7_2);
            let v8_3 = (v6 * v7_3);
            let v9_0 = (v5_0 + v8_0);
            let v9_1 = (v5_1 + v8_1);
            let v9_2 = (v5_2 + v8_2);
            let v9_3 = (v5_3 + v8_3);
            let v12_0 = (v10 * v11_0);
            let v12_1 = (v10 * v11_1);
            let v12_2 = (v10 * v11_2);
            let v12_3 = (v10 * v11_3);
            let v13_0 = (v9_0 + v12_0);
            let v13_1 = (v9_1 + v12_1);
            let v13_2 = (v9_2 + v12_2);
            let v13_3 = (v9_3 + v12_3);
            let v18_0 = (v2_0 * v2_0);
            let v18_1 = (v2_1 * v2_1);
            let v18_2 = (v2_2 * v2_2);
            let v18_3 = (v2_3 * v2_3);
            let v21_0 = (v19 - v20_0);
            let v21_1 = (v19 - v20_1);
            let v21_2 = (v19 - v20_2);
            let v21_3 = (v19 - v20_3);
            let v22_0 = (v21_0 * v21_0);
            let v22_1 = (v21_1 * v21_1);
            let v22_2 = (v21_2 * v21_2);
            let v22_3 = (v21_3 * v21_3);
            let v23_0 = (v18_0 + v22_0);
            let v23_1 = (v18_1 + v22_1);
            let v23_2 = (v18_2 + v22_2);
            let v23_3 = (v18_3 + v22_3);
            let v26_0 = (v24 - v25_0);
            let v26_1 = (v24 - v25_1);
            let v26_2 = (v24 - v25_2);
            let v26_3 = (v24 - v25_3);
            let v27_0 = (v26_0 * v26_0);
            let v27_1 = (v26_1 * v26_1);
            let v27_2 = (v26_2 * v26_2);
            let v27_3 = (v26_3 * v26_3);
            let v28_0 = (v23_0 + v27_0);
            let v28_1 = (v23_1 + v27_1);
            let v28_2 = (v23_2 + v27_2);
            let v28_3 = (v23_3 + v27_3);
            let v29_0 = (v17 * v28_0);
            let v29_1 = (v17 * v28_1);
            let v29_2 = (v17 * v28_2);
            let v29_3 = (v17 * v28_3);
            let v30_0 = skewflow_exp2(v29_0);
            let v30_1 = skewflow_exp2(v29_1);
            let v30_2 = skewflow_exp2(v29_2);
            let v30_3 = skewflow_exp2(v29_3);
            let v31_0 = (v13_0 * v30_0);
            let v31_1 = (v13_1 * v30_1);
            let v31_2 = (v13_2 * v30_2);
            let v31_3 = (v13_3 * v30_3);
            let v36_0 = (v3 * v30_0);
            let v36_1 = (v3 * v30_1);
            let v36_2 = (v3 * v30_2);
            let v36_3 = (v3 * v30_3);
            let v37_0 = (v6 * v30_0);
            let v37_1 = (v6 * v30_1);
            let v37_2 = (v6 * v30_2);
            let v37_3 = (v6 * v30_3);
            let v38_0 = (v10 * v30_0);
            let v38_1 = (v10 * v30_1);
            let v38_2 = (v10 * v30_2);
            let v38_3 = (v10 * v30_3);
            let v41_0 = (v40 * v31_0);
            let v41_1 = (v40 * v31_1);
            let v41_2 = (v40 * v31_2);
            let v41_3 = (v40 * v31_3);
            let v42_0 = (v2_0 * v41_0);
            let v42_1 = (v2_1 * v41_1);
            let v42_2 = (v2_2 * v41_2);
            let v42_3 = (v2_3 * v41_3);
            let v43_0 = (v21_0 * v41_0);
            let v43_1 = (v21_1 * v41_1);
            let v43_2 = (v21_2 * v41_2);
            let v43_3 = (v21_3 * v41_3);
            let v44_0 = (v26_0 * v41_0);
            let v44_1 = (v26_1 * v41_1);
            let v44_2 = (v26_2 * v41_2);
            let v44_3 = (v26_3 * v41_3);
            part0_0 += v36_0;
            part0_1 += v36_1;
            part0_2 += v36_2;
            part0_3 += v36_3;
            part1_0 += v37_0;
            part1_1 += v37_1;
            part1_2 += v37_2;
            part1_3 += v37_3;
            part2_0 += v38_0;
            part2_1 += v38_1;
            part2_2 += v38_2;
            part2_3 += v38_3;
            part3_0 += v42_0;
            part3_1 += v42_1;
            part3_2 += v42_2;
            part3_3 += v42_3;
            part4_0 += v43_0;
            part4_1 += v43_1;
            part4_2 += v43_2;
            part4_3 += v43_3;
            part5_0 += v44_0;
            part5_1 += v44_1;
            part5_2 += v44_2;
            part5_3 += v44_3;
          }
          sum0_0 += part0_0;
          sum0_1 += part0_1;
          sum0_2 += part0_2;
          sum0_3 += part0_3;
          sum1_0 += part1_0;
          sum1_1 += part1_1;
          sum1_2 += part1_2;
          sum1_3 += part1_3;
          sum2_0 += part2_0;
          sum2_1 += part2_1;
          sum2_2 += part2_2;
          sum2_3 += part2_3;
          sum3_0 += part3_0;
          sum3_1 += part3_1;
          sum3_2 += part3_2;
          sum3_3 += part3_3;
          sum4_0 += part4_0;
          sum4_1 += part4_1;
          sum4_2 += part4_2;
          sum4_3 += part4_3;
          sum5_0 += part5_0;
          sum5_1 += part5_1;
          sum5_2 += part5_2;
          sum5_3 += part5_3;
        }
        let sum0_0_met = meet_four(32u, vec4f(sum0_0, sum0_1, sum0_2, sum0_3));
        sum0_0 = sum0_0_met.x;
        sum0_1 = sum0_0_met.y;
        sum0_2 = sum0_0_met.z;
        sum0_3 = sum0_0_met.w;
        let sum1_0_met = meet_four(32u, vec4f(sum1_0, sum1_1, sum1_2, sum1_3));
        sum1_0 = sum1_0_met.x;
        sum1_1 = sum1_0_met.y;
        sum1_2 = sum1_0_met.z;
        sum1_3 = sum1_0_met.w;
        let sum2_0_met = meet_four(32u, vec4f(sum2_0, sum2_1, sum2_2, sum2_3));
        sum2_0 = sum2_0_met.x;
        sum2_1 = sum2_0_met.y;
        sum2_2 = sum2_0_met.z;
        sum2_3 = sum2_0_met.w;
        let sum3_0_met = meet_four(32u, vec4f(sum3_0, sum3_1, sum3_2, sum3_3));
        sum3_0 = sum3_0_met.x;
        sum3_1 = sum3_0_met.y;
        sum3_2 = sum3_0_met.z;
        sum3_3 = sum3_0_met.w;
        let sum4_0_met = meet_four(32u, vec4f(sum4_0, sum4_1, sum4_2, sum4_3));
        sum4_0 = sum4_0_met.x;
        sum4_1 = sum4_0_met.y;
        sum4_2 = sum4_0_met.z;
        sum4_3 = sum4_0_met.w;
        let sum5_0_met = meet_four(32u, vec4f(sum5_0, sum5_1, sum5_2, sum5_3));
        sum5_0 = sum5_0_met.x;
        sum5_1 = sum5_0_met.y;
        sum5_2 = sum5_0_met.z;
        sum5_3 = sum5_0_met.w;
        if (lane < 32u && base + lane < 100u) {
          gamma[group * job.partial + source + j0_0 * 6u + 3u] += sum0_0;
          gamma[group * job.partial + source + j0_0 * 6u + 4u] += sum1_0;
          gamma[group * job.partial + source + j0_0 * 6u + 5u] += sum2_0;
          gamma[group * job.partial + source + j0_0 * 6u + 0u] += sum3_0;
          gamma[group * job.partial + source + j0_0 * 6u + 1u] += sum4_0;
          gamma[group * job.partial + source + j0_0 * 6u + 2u] += sum5_0;
        }
        if (lane < 32u && base + lane + 32u < 100u) {
          gamma[group * job.partial + source + j0_1 * 6u + 3u] += sum0_1;
          gamma[group * job.partial + source + j0_1 * 6u + 4u] += sum1_1;
          gamma[group * job.partial + source + j0_1 * 6u + 5u] += sum2_1;
          gamma[group * job.partial + source + j0_1 * 6u + 0u] += sum3_1;
          gamma[group * job.partial + source + j0_1 * 6u + 1u] += sum4_1;
          gamma[group * job.partial + source + j0_1 * 6u + 2u] += sum5_1;
        }
        if (lane < 32u && base + lane + 64u < 100u) {
          gamma[group * job.partial + source + j0_2 * 6u + 3u] += sum0_2;
          gamma[group * job.partial + source + j0_2 * 6u + 4u] += sum1_2;
          gamma[group * job.partial + source + j0_2 * 6u + 5u] += sum2_2;
          gamma[group * job.partial + source + j0_2 * 6u + 0u] += sum3_2;
          gamma[group * job.partial + source + j0_2 * 6u + 1u] += sum4_2;
          gamma[group * job.partial + source + j0_2 * 6u + 2u] += sum5_2;
        }
        if (lane < 32u && base + lane + 96u < 100u) {
          gamma[group * job.partial + source + j0_3 * 6u + 3u] += sum0_3;
          gamma[group * job.partial + source + j0_3 * 6u + 4u] += sum1_3;
          gamma[group * job.partial + source + j0_3 * 6u + 5u] += sum2_3;
          gamma[group * job.partial + source + j0_3 * 6u + 0u] += sum3_3;
          gamma[group * job.partial + source + j0_3 * 6u + 1u] += sum4_3;
          gamma[group * job.partial + source + j0_3 * 6u + 2u] += sum5_3;
        }
      }
      ζ0_0 = v51;
      ζ0_1 = v52;
      ζ0_2 = v53;
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
