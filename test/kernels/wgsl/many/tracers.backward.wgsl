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

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

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

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  if (group >= job.units) { return; }
  place(group);
  var λ = array<f32, 4>();
  if (job.end < job.steps || job.start == 1u) {
    λ[0] = carry[carry_at + 1024u];
    λ[1] = carry[carry_at + 1280u];
    λ[2] = carry[carry_at + 1536u];
    λ[3] = carry[carry_at + 1792u];
  } else {
    let n = plan[job.kept_at + job.end];
    if (n != 0xffffffffu) {
      λ[0] = kept[((n + job.points) * job.blocks + block) * 1024u + row];
      λ[1] = kept[((n + job.points) * job.blocks + block) * 1024u + row + 256u];
      λ[2] = kept[((n + job.points) * job.blocks + block) * 1024u + row + 512u];
      λ[3] = kept[((n + job.points) * job.blocks + block) * 1024u + row + 768u];
    }
  }
  for (var left = job.end; left > job.first; left--) {
    let k = left - 1u;
    let step_at = job.grid + k * 4u;
    let h = given[step_at];
    var κ3_0 = 0f;
    var κ3_1 = 0f;
    var κ3_2 = 0f;
    var κ3_3 = 0f;
    var ζ3_0 = 0f;
    var ζ3_1 = 0f;
    var ζ3_2 = 0f;
    var ζ3_3 = 0f;
    var κ2_0 = 0f;
    var κ2_1 = 0f;
    var κ2_2 = 0f;
    var κ2_3 = 0f;
    var ζ2_0 = 0f;
    var ζ2_1 = 0f;
    var ζ2_2 = 0f;
    var ζ2_3 = 0f;
    var κ1_0 = 0f;
    var κ1_1 = 0f;
    var κ1_2 = 0f;
    var κ1_3 = 0f;
    var ζ1_0 = 0f;
    var ζ1_1 = 0f;
    var ζ1_2 = 0f;
    var ζ1_3 = 0f;
    var κ0_0 = 0f;
    var κ0_1 = 0f;
    var κ0_2 = 0f;
    var κ0_3 = 0f;
    var ζ0_0 = 0f;
    var ζ0_1 = 0f;
    var ζ0_2 = 0f;
    var ζ0_3 = 0f;
    var λ_0 = 0f;
    var λ_1 = 0f;
    var λ_2 = 0f;
    var λ_3 = 0f;
    var time = 0f;
    var source = 0u;
    var z = array<f32, 4>();
    var κ = array<f32, 4>();
    for (var stage = 0u; stage < job.stages; stage++) {
      switch (stage) {
        case 0u: {
          κ3_0 = 0.16666667f * h * λ[0];
          κ3_1 = 0.16666667f * h * λ[1];
          κ3_2 = 0.16666667f * h * λ[2];
          κ3_3 = 0.16666667f * h * λ[3];
          z = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ3_0, κ3_1, κ3_2, κ3_3);
          time = given[step_at + 3u];
          source = (k * 4u + 3u) * 600u;
        }
        case 1u: {
          κ2_0 = 0.33333334f * h * λ[0] + h * ζ3_0;
          κ2_1 = 0.33333334f * h * λ[1] + h * ζ3_1;
          κ2_2 = 0.33333334f * h * λ[2] + h * ζ3_2;
          κ2_3 = 0.33333334f * h * λ[3] + h * ζ3_3;
          z = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ2_0, κ2_1, κ2_2, κ2_3);
          time = given[step_at + 2u];
          source = (k * 4u + 2u) * 600u;
        }
        case 2u: {
          κ1_0 = 0.33333334f * h * λ[0] + 0.5f * h * ζ2_0;
          κ1_1 = 0.33333334f * h * λ[1] + 0.5f * h * ζ2_1;
          κ1_2 = 0.33333334f * h * λ[2] + 0.5f * h * ζ2_2;
          κ1_3 = 0.33333334f * h * λ[3] + 0.5f * h * ζ2_3;
          z = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ1_0, κ1_1, κ1_2, κ1_3);
          time = given[step_at + 2u];
          source = (k * 4u + 1u) * 600u;
        }
        default: {
          κ0_0 = 0.16666667f * h * λ[0] + 0.5f * h * ζ1_0;
          κ0_1 = 0.16666667f * h * λ[1] + 0.5f * h * ζ1_1;
          κ0_2 = 0.16666667f * h * λ[2] + 0.5f * h * ζ1_2;
          κ0_3 = 0.16666667f * h * λ[3] + 0.5f * h * ζ1_3;
          z = array<f32, 4>(held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ0_0, κ0_1, κ0_2, κ0_3);
          time = given[step_at + 1u];
          source = (k * 4u) * 600u;
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
      var a1_3 = 0f;
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
          a1_1 += v26;
          a1_2 += v27;
          a1_3 += v28;
        }
      }
      let a1_0_met = meet_four(16u, vec4f(a1_0, a1_1, a1_2, a1_3));
      a1_0 = a1_0_met.x;
      a1_1 = a1_0_met.y;
      a1_2 = a1_0_met.z;
      a1_3 = a1_0_met.w;
      let v43 = κ[2];
      let v44 = (v43 * a1_2);
      let v45 = κ[3];
      let v46 = (v45 * a1_3);
      let v47 = (v44 + v46);
      let v48 = (a1_0 * a1_0);
      let v49 = (v47 / v48);
      let v50 = (-v43);
      let v51 = (v50 / a1_0);
      let v55 = (-v45);
      let v56 = (v55 / a1_0);
      let v68 = (v43 / a1_0);
      let v75 = (v45 / a1_0);
      var a2_0 = 0f;
      var a2_1 = 0f;
      for (var first2 = 0u; first2 < 300u; first2 += 256u) {
        workgroupBarrier();
        if (lane < 256u) {
          let j2 = min(first2 + lane, 299u);
          tile[lane * 1u + 0u] = vec4f(path[source + j2 * 2u], path[source + j2 * 2u + 1u], given[602u + j2], 0f);
        }
        workgroupBarrier();
        let last2 = min(256u, 300u - first2);
        for (var l2 = split; l2 < last2; l2 += 16u) {
          let j2 = first2 + l2;
          let w2_0 = tile[l2 * 1u + 0u];
          let v33 = w2_0.x;
          let v36 = w2_0.y;
          let v52 = w2_0.z;
          let v34 = (v0 - v33);
          let v35 = (v34 * v34);
          let v37 = (v4 - v36);
          let v38 = (v37 * v37);
          let v39 = (v35 + v38);
          let v40 = (v39 + v21);
          let v41 = ((-1.442695f) * v40);
          let v42 = skewflow_exp2(v41);
          let v53 = (v51 * v52);
          let v54 = (v53 * v34);
          let v57 = (v56 * v52);
          let v58 = (v57 * v37);
          let v59 = (v54 + v58);
          let v60 = (v49 + v59);
          let v61 = (v42 * v60);
          let v62 = (v34 * v61);
          let v63 = (v37 * v61);
          a2_0 += v62;
          a2_1 += v63;
        }
      }
      let a2_0_met = meet_four(16u, vec4f(a2_0, a2_1, 0f, 0f));
      a2_0 = a2_0_met.x;
      a2_1 = a2_0_met.y;
      let v83 = ((-2f) * a2_0);
      let v84 = (a1_1 / a1_0);
      let v85 = (v43 * v84);
      let v86 = (v83 - v85);
      let v87 = ((-2f) * a2_1);
      let v88 = (v45 * v84);
      let v89 = (v87 - v88);
      let v90 = κ[0];
      let v91 = κ[1];
      for (var base = 0u; base < 300u; base += 512u) {
        let j2_0 = min(base + lane % 128u, 299u);
        let j2_1 = min(base + lane % 128u + 128u, 299u);
        let j2_2 = min(base + lane % 128u + 256u, 299u);
        let j2_3 = min(base + lane % 128u + 384u, 299u);
        let v33_0 = path[source + j2_0 * 2u];
        let v33_1 = path[source + j2_1 * 2u];
        let v33_2 = path[source + j2_2 * 2u];
        let v33_3 = path[source + j2_3 * 2u];
        let v36_0 = path[source + j2_0 * 2u + 1u];
        let v36_1 = path[source + j2_1 * 2u + 1u];
        let v36_2 = path[source + j2_2 * 2u + 1u];
        let v36_3 = path[source + j2_3 * 2u + 1u];
        let v52_0 = given[602u + j2_0];
        let v52_1 = given[602u + j2_1];
        let v52_2 = given[602u + j2_2];
        let v52_3 = given[602u + j2_3];
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
        for (var chunk = 0u; chunk < 16u; chunk += 16u) {
          workgroupBarrier();
          let mine = lane % 16u;
          if (split == 0u && mine >= chunk && mine < chunk + 16u) {
            tile[(mine - chunk) * 2u + 0u] = vec4f(v0, v4, v21, v49);
            tile[(mine - chunk) * 2u + 1u] = vec4f(v51, v56, v68, v75);
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
          let visited = min(16u, 16u - chunk);
          for (var r = lane / 128u; r < visited; r += 2u) {
            let own = chunk + r;
            let own0 = tile[r * 2u + 0u];
            let own1 = tile[r * 2u + 1u];
            let v0 = own0.x;
            let v4 = own0.y;
            let v21 = own0.z;
            let v49 = own0.w;
            let v51 = own1.x;
            let v56 = own1.y;
            let v68 = own1.z;
            let v75 = own1.w;
            let v34_0 = (v0 - v33_0);
            let v34_1 = (v0 - v33_1);
            let v34_2 = (v0 - v33_2);
            let v34_3 = (v0 - v33_3);
            let v35_0 = (v34_0 * v34_0);
            let v35_1 = (v34_1 * v34_1);
            let v35_2 = (v34_2 * v34_2);
            let v35_3 = (v34_3 * v34_3);
            let v37_0 = (v4 - v36_0);
            let v37_1 = (v4 - v36_1);
            let v37_2 = (v4 - v36_2);
            let v37_3 = (v4 - v36_3);
            let v38_0 = (v37_0 * v37_0);
            let v38_1 = (v37_1 * v37_1);
            let v38_2 = (v37_2 * v37_2);
            let v38_3 = (v37_3 * v37_3);
            let v39_0 = (v35_0 + v38_0);
            let v39_1 = (v35_1 + v38_1);
            let v39_2 = (v35_2 + v38_2);
            let v39_3 = (v35_3 + v38_3);
            let v40_0 = (v39_0 + v21);
            let v40_1 = (v39_1 + v21);
            let v40_2 = (v39_2 + v21);
            let v40_3 = (v39_3 + v21);
            let v41_0 = ((-1.442695f) * v40_0);
            let v41_1 = ((-1.442695f) * v40_1);
            let v41_2 = ((-1.442695f) * v40_2);
            let v41_3 = ((-1.442695f) * v40_3);
            let v42_0 = skewflow_exp2(v41_0);
            let v42_1 = skewflow_exp2(v41_1);
            let v42_2 = skewflow_exp2(v41_2);
            let v42_3 = skewflow_exp2(v41_3);
            let v53_0 = (v51 * v52_0);
            let v53_1 = (v51 * v52_1);
            let v53_2 = (v51 * v52_2);
            let v53_3 = (v51 * v52_3);
            let v54_0 = (v53_0 * v34_0);
            let v54_1 = (v53_1 * v34_1);
            let v54_2 = (v53_2 * v34_2);
            let v54_3 = (v53_3 * v34_3);
            let v57_0 = (v56 * v52_0);
            let v57_1 = (v56 * v52_1);
            let v57_2 = (v56 * v52_2);
            let v57_3 = (v56 * v52_3);
            let v58_0 = (v57_0 * v37_0);
            let v58_1 = (v57_1 * v37_1);
            let v58_2 = (v57_2 * v37_2);
            let v58_3 = (v57_3 * v37_3);
            let v59_0 = (v54_0 + v58_0);
            let v59_1 = (v54_1 + v58_1);
            let v59_2 = (v54_2 + v58_2);
            let v59_3 = (v54_3 + v58_3);
            let v60_0 = (v49 + v59_0);
            let v60_1 = (v49 + v59_1);
            let v60_2 = (v49 + v59_2);
            let v60_3 = (v49 + v59_3);
            let v61_0 = (v42_0 * v60_0);
            let v61_1 = (v42_1 * v60_1);
            let v61_2 = (v42_2 * v60_2);
            let v61_3 = (v42_3 * v60_3);
            let v64_0 = (v51 * v34_0);
            let v64_1 = (v51 * v34_1);
            let v64_2 = (v51 * v34_2);
            let v64_3 = (v51 * v34_3);
            let v65_0 = (v56 * v37_0);
            let v65_1 = (v56 * v37_1);
            let v65_2 = (v56 * v37_2);
            let v65_3 = (v56 * v37_3);
            let v66_0 = (v64_0 + v65_0);
            let v66_1 = (v64_1 + v65_1);
            let v66_2 = (v64_2 + v65_2);
            let v66_3 = (v64_3 + v65_3);
            let v67_0 = (v42_0 * v66_0);
            let v67_1 = (v42_1 * v66_1);
            let v67_2 = (v42_2 * v66_2);
            let v67_3 = (v42_3 * v66_3);
            let v69_0 = (v68 * v52_0);
            let v69_1 = (v68 * v52_1);
            let v69_2 = (v68 * v52_2);
            let v69_3 = (v68 * v52_3);
            let v70_0 = (v69_0 * v42_0);
            let v70_1 = (v69_1 * v42_1);
            let v70_2 = (v69_2 * v42_2);
            let v70_3 = (v69_3 * v42_3);
            let v72_0 = (2f * v61_0);
            let v72_1 = (2f * v61_1);
            let v72_2 = (2f * v61_2);
            let v72_3 = (2f * v61_3);
            let v73_0 = (v34_0 * v72_0);
            let v73_1 = (v34_1 * v72_1);
            let v73_2 = (v34_2 * v72_2);
            let v73_3 = (v34_3 * v72_3);
            let v74_0 = (v70_0 + v73_0);
            let v74_1 = (v70_1 + v73_1);
            let v74_2 = (v70_2 + v73_2);
            let v74_3 = (v70_3 + v73_3);
            let v76_0 = (v75 * v52_0);
            let v76_1 = (v75 * v52_1);
            let v76_2 = (v75 * v52_2);
            let v76_3 = (v75 * v52_3);
            let v77_0 = (v76_0 * v42_0);
            let v77_1 = (v76_1 * v42_1);
            let v77_2 = (v76_2 * v42_2);
            let v77_3 = (v76_3 * v42_3);
            let v78_0 = (v37_0 * v72_0);
            let v78_1 = (v37_1 * v72_1);
            let v78_2 = (v37_2 * v72_2);
            let v78_3 = (v37_3 * v72_3);
            let v79_0 = (v77_0 + v78_0);
            let v79_1 = (v77_1 + v78_1);
            let v79_2 = (v77_2 + v78_2);
            let v79_3 = (v77_3 + v78_3);
            part0_0 += v67_0;
            part0_1 += v67_1;
            part0_2 += v67_2;
            part0_3 += v67_3;
            part1_0 += v74_0;
            part1_1 += v74_1;
            part1_2 += v74_2;
            part1_3 += v74_3;
            part2_0 += v79_0;
            part2_1 += v79_1;
            part2_2 += v79_2;
            part2_3 += v79_3;
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
        }
        let sum0_0_met = meet_four(128u, vec4f(sum0_0, sum0_1, sum0_2, sum0_3));
        sum0_0 = sum0_0_met.x;
        sum0_1 = sum0_0_met.y;
        sum0_2 = sum0_0_met.z;
        sum0_3 = sum0_0_met.w;
        let sum1_0_met = meet_four(128u, vec4f(sum1_0, sum1_1, sum1_2, sum1_3));
        sum1_0 = sum1_0_met.x;
        sum1_1 = sum1_0_met.y;
        sum1_2 = sum1_0_met.z;
        sum1_3 = sum1_0_met.w;
        let sum2_0_met = meet_four(128u, vec4f(sum2_0, sum2_1, sum2_2, sum2_3));
        sum2_0 = sum2_0_met.x;
        sum2_1 = sum2_0_met.y;
        sum2_2 = sum2_0_met.z;
        sum2_3 = sum2_0_met.w;
        if (lane < 128u && base + lane < 300u) {
          gamma[group * job.partial + job.tail + 0u + j2_0 * 1u] += sum0_0;
          gamma[group * job.partial + source + j2_0 * 2u + 0u] += sum1_0;
          gamma[group * job.partial + source + j2_0 * 2u + 1u] += sum2_0;
        }
        if (lane < 128u && base + lane + 128u < 300u) {
          gamma[group * job.partial + job.tail + 0u + j2_1 * 1u] += sum0_1;
          gamma[group * job.partial + source + j2_1 * 2u + 0u] += sum1_1;
          gamma[group * job.partial + source + j2_1 * 2u + 1u] += sum2_1;
        }
        if (lane < 128u && base + lane + 256u < 300u) {
          gamma[group * job.partial + job.tail + 0u + j2_2 * 1u] += sum0_2;
          gamma[group * job.partial + source + j2_2 * 2u + 0u] += sum1_2;
          gamma[group * job.partial + source + j2_2 * 2u + 1u] += sum2_2;
        }
        if (lane < 128u && base + lane + 384u < 300u) {
          gamma[group * job.partial + job.tail + 0u + j2_3 * 1u] += sum0_3;
          gamma[group * job.partial + source + j2_3 * 2u + 0u] += sum1_3;
          gamma[group * job.partial + source + j2_3 * 2u + 1u] += sum2_3;
        }
      }
      switch (stage) {
        case 0u: {
          ζ3_0 = v86;
          ζ3_1 = v89;
          ζ3_2 = v90;
          ζ3_3 = v91;
        }
        case 1u: {
          ζ2_0 = v86;
          ζ2_1 = v89;
          ζ2_2 = v90;
          ζ2_3 = v91;
        }
        case 2u: {
          ζ1_0 = v86;
          ζ1_1 = v89;
          ζ1_2 = v90;
          ζ1_3 = v91;
        }
        default: {
          ζ0_0 = v86;
          ζ0_1 = v89;
          ζ0_2 = v90;
          ζ0_3 = v91;
        }
      }
    }
    λ_0 = λ[0] + ζ3_0 + ζ2_0 + ζ1_0 + ζ0_0;
    λ_1 = λ[1] + ζ3_1 + ζ2_1 + ζ1_1 + ζ0_1;
    λ_2 = λ[2] + ζ3_2 + ζ2_2 + ζ1_2 + ζ0_2;
    λ_3 = λ[3] + ζ3_3 + ζ2_3 + ζ1_3 + ζ0_3;
    λ[0] = λ_0;
    λ[1] = λ_1;
    λ[2] = λ_2;
    λ[3] = λ_3;
    let n = plan[job.kept_at + k];
    if (n != 0xffffffffu) {
      λ[0] += kept[((n + job.points) * job.blocks + block) * 1024u + row];
      λ[1] += kept[((n + job.points) * job.blocks + block) * 1024u + row + 256u];
      λ[2] += kept[((n + job.points) * job.blocks + block) * 1024u + row + 512u];
      λ[3] += kept[((n + job.points) * job.blocks + block) * 1024u + row + 768u];
    }
  }
  if (split == 0u) {
    carry[carry_at + 1024u] = λ[0];
    carry[carry_at + 1280u] = λ[1];
    carry[carry_at + 1536u] = λ[2];
    carry[carry_at + 1792u] = λ[3];
  }
}
