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
  for (var other = lane % size + size; other < 256u; other += size) {
    let value = values_of[other];
    if (value > held || is_nan(value)) { held = value; }
  }
  return held;
}

fn skewflow_clamp(x: f32, low: f32, high: f32) -> f32 {
  let above = select(x, low, x < low);
  return select(above, high, above > high);
}

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
  block = group / 16u;
  row = group % 16u * 16u + lane % 16u;
  split = lane / 16u;
  image_at = plan[block * 3u] * 1024u + row;
  number = plan[block * 3u + 1u] + row;
  present = row < plan[block * 3u + 2u];
  carry_at = block * 2304u + row;
}

fn flow_vjp(group: u32, time: f32, source: u32, z: array<f32, 4>, κ: array<f32, 4>) -> array<f32, 4> {
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
  a1_0 = meet(16u, a1_0);
  a1_1 = meet(16u, a1_1);
  a1_2 = meet(16u, a1_2);
  a1_3 = meet(16u, a1_3);
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
  a2_0 = meet(16u, a2_0);
  a2_1 = meet(16u, a2_1);
  let v83 = ((-2f) * a2_0);
  let v84 = (a1_1 / a1_0);
  let v85 = (v43 * v84);
  let v86 = (v83 - v85);
  let v87 = ((-2f) * a2_1);
  let v88 = (v45 * v84);
  let v89 = (v87 - v88);
  let v90 = κ[0];
  let v91 = κ[1];
  for (var base = 0u; base < 300u; base += 256u) {
    let j2 = min(base + lane % 256u, 299u);
    let v33 = path[source + j2 * 2u];
    let v36 = path[source + j2 * 2u + 1u];
    let v52 = given[602u + j2];
    var sum0 = 0f;
    var sum1 = 0f;
    var sum2 = 0f;
    for (var chunk = 0u; chunk < 16u; chunk += 16u) {
      workgroupBarrier();
      let mine = lane % 16u;
      if (split == 0u && mine >= chunk && mine < chunk + 16u) {
        tile[(mine - chunk) * 2u + 0u] = vec4f(v0, v4, v21, v49);
        tile[(mine - chunk) * 2u + 1u] = vec4f(v51, v56, v68, v75);
      }
      workgroupBarrier();
      var part0 = 0f;
      var part1 = 0f;
      var part2 = 0f;
      let visited = min(16u, 16u - chunk);
      for (var r = lane / 256u; r < visited; r += 1u) {
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
        let v64 = (v51 * v34);
        let v65 = (v56 * v37);
        let v66 = (v64 + v65);
        let v67 = (v42 * v66);
        let v69 = (v68 * v52);
        let v70 = (v69 * v42);
        let v72 = (2f * v61);
        let v73 = (v34 * v72);
        let v74 = (v70 + v73);
        let v76 = (v75 * v52);
        let v77 = (v76 * v42);
        let v78 = (v37 * v72);
        let v79 = (v77 + v78);
        part0 += v67;
        part1 += v74;
        part2 += v79;
      }
      sum0 += part0;
      sum1 += part1;
      sum2 += part2;
    }
    if (lane < 256u && base + lane < 300u) {
      gamma[group * job.partial + job.tail + 0u + j2 * 1u] += sum0;
      gamma[group * job.partial + source + j2 * 2u + 0u] += sum1;
      gamma[group * job.partial + source + j2 * 2u + 1u] += sum2;
    }
  }
  return array<f32, 4>(v86, v89, v90, v91);
}

@compute @workgroup_size(256)
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
    var state = array<f32, 4>();
    var κ = array<f32, 4>();
    for (var stage = 0u; stage < job.stages; stage++) {
      switch (stage) {
        case 0u: {
          κ3_0 = 0.16666667f * h * λ[0];
          κ3_1 = 0.16666667f * h * λ[1];
          κ3_2 = 0.16666667f * h * λ[2];
          κ3_3 = 0.16666667f * h * λ[3];
          time = given[step_at + 3u];
          source = (k * 4u + 3u) * 600u;
          state = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 3u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ3_0, κ3_1, κ3_2, κ3_3);
        }
        case 1u: {
          κ2_0 = 0.33333334f * h * λ[0] + h * ζ3_0;
          κ2_1 = 0.33333334f * h * λ[1] + h * ζ3_1;
          κ2_2 = 0.33333334f * h * λ[2] + h * ζ3_2;
          κ2_3 = 0.33333334f * h * λ[3] + h * ζ3_3;
          time = given[step_at + 2u];
          source = (k * 4u + 2u) * 600u;
          state = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 2u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ2_0, κ2_1, κ2_2, κ2_3);
        }
        case 2u: {
          κ1_0 = 0.33333334f * h * λ[0] + 0.5f * h * ζ2_0;
          κ1_1 = 0.33333334f * h * λ[1] + 0.5f * h * ζ2_1;
          κ1_2 = 0.33333334f * h * λ[2] + 0.5f * h * ζ2_2;
          κ1_3 = 0.33333334f * h * λ[3] + 0.5f * h * ζ2_3;
          time = given[step_at + 2u];
          source = (k * 4u + 1u) * 600u;
          state = array<f32, 4>(held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u + 1u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ1_0, κ1_1, κ1_2, κ1_3);
        }
        default: {
          κ0_0 = 0.16666667f * h * λ[0] + 0.5f * h * ζ1_0;
          κ0_1 = 0.16666667f * h * λ[1] + 0.5f * h * ζ1_1;
          κ0_2 = 0.16666667f * h * λ[2] + 0.5f * h * ζ1_2;
          κ0_3 = 0.16666667f * h * λ[3] + 0.5f * h * ζ1_3;
          time = given[step_at + 1u];
          source = (k * 4u) * 600u;
          state = array<f32, 4>(held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 256u], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 512u], held[(((k - job.held) * job.holds * 4u) * job.blocks + block) * 1024u + row + 768u]);
          κ = array<f32, 4>(κ0_0, κ0_1, κ0_2, κ0_3);
        }
      }
      let f = flow_vjp(group, time, source, state, κ);
      switch (stage) {
        case 0u: {
          ζ3_0 = f[0];
          ζ3_1 = f[1];
          ζ3_2 = f[2];
          ζ3_3 = f[3];
        }
        case 1u: {
          ζ2_0 = f[0];
          ζ2_1 = f[1];
          ζ2_2 = f[2];
          ζ2_3 = f[3];
        }
        case 2u: {
          ζ1_0 = f[0];
          ζ1_1 = f[1];
          ζ1_2 = f[2];
          ζ1_3 = f[3];
        }
        default: {
          ζ0_0 = f[0];
          ζ0_1 = f[1];
          ζ0_2 = f[2];
          ζ0_3 = f[3];
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
