// Sources backward, a sweep a leaf: one workgroup, all steps of a dispatch.

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
@group(0) @binding(2) var<storage, read> path: array<f32>;
@group(0) @binding(3) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(4) var<storage, read_write> work: array<f32>;
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
  work_at = leaf * 3700u;
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

fn flow_vjp(time: f32, source: u32, κ: array<f32, 6>) -> array<f32, 6> {
  let z = array<f32, 6>(path[source + row * 6u], path[source + row * 6u + 1u], path[source + row * 6u + 2u], path[source + row * 6u + 3u], path[source + row * 6u + 4u], path[source + row * 6u + 5u]);
  let v1 = κ[3];
  let v2 = z[0];
  let v6 = κ[4];
  let v7 = z[1];
  let v12 = κ[5];
  let v13 = z[2];
  let v19 = given[2u];
  let v20 = (v19 * v19);
  let v21 = ((-1.442695f) / v20);
  let v35 = z[3];
  let v37 = z[4];
  let v40 = z[5];
  let v44 = κ[0];
  let v46 = κ[1];
  let v49 = κ[2];
  let v69 = (2f / v20);
  var a0_0 = 0f;
  var a0_1 = 0f;
  var a0_2 = 0f;
  var a0_3 = 0f;
  var a0_4 = 0f;
  var a0_5 = 0f;
  var a0_6 = 0f;
  var a0_7 = 0f;
  for (var first0 = 0u; first0 < 100u; first0 += 128u) {
    workgroupBarrier();
    if (lane < 128u) {
      let j0 = min(first0 + lane, 99u);
      tile[lane * 2u + 0u] = vec4f(path[source + j0 * 6u + 3u], path[source + j0 * 6u], path[source + j0 * 6u + 1u], path[source + j0 * 6u + 2u]);
      tile[lane * 2u + 1u] = vec4f(path[source + j0 * 6u + 4u], path[source + j0 * 6u + 5u], 0f, 0f);
    }
    workgroupBarrier();
    let last0 = min(128u, 100u - first0);
    var l0 = split;
    for (; l0 + 6u < last0; l0 += 8u) {
      {
        let j0 = first0 + l0;
        let w0_0 = tile[l0 * 2u + 0u];
        let w0_1 = tile[l0 * 2u + 1u];
        let v0 = w0_0.x;
        let v3 = w0_0.y;
        let v8 = w0_0.z;
        let v14 = w0_0.w;
        let v31 = w0_1.x;
        let v33 = w0_1.y;
        let v4 = (v2 - v3);
        let v5 = (v1 * v4);
        let v9 = (v7 - v8);
        let v10 = (v6 * v9);
        let v11 = (v5 + v10);
        let v15 = (v13 - v14);
        let v16 = (v12 * v15);
        let v17 = (v11 + v16);
        let v22 = (v4 * v4);
        let v23 = (v9 * v9);
        let v24 = (v22 + v23);
        let v25 = (v15 * v15);
        let v26 = (v24 + v25);
        let v27 = (v21 * v26);
        let v28 = skewflow_exp2(v27);
        let v29 = (v17 * v28);
        let v30 = (v0 * v29);
        let v32 = (v31 * v29);
        let v34 = (v33 * v29);
        let v36 = (v35 * v0);
        let v38 = (v37 * v31);
        let v39 = (v36 + v38);
        let v41 = (v40 * v33);
        let v42 = (v39 + v41);
        let v43 = (v17 * v42);
        let v45 = (v44 * v0);
        let v47 = (v46 * v31);
        let v48 = (v45 + v47);
        let v50 = (v49 * v33);
        let v51 = (v48 + v50);
        let v52 = (v43 + v51);
        let v53 = (v52 * v28);
        let v54 = (v4 * v53);
        let v55 = (v9 * v53);
        let v56 = (v15 * v53);
        let v57 = (v42 * v28);
        let v58 = (v26 * v53);
        a0_0 += v30;
        a0_1 += v32;
        a0_2 += v34;
        a0_3 += v54;
        a0_4 += v55;
        a0_5 += v56;
        a0_6 += v57;
        a0_7 += v58;
      }
      {
        let j0 = first0 + (l0 + 2u);
        let w0_0 = tile[(l0 + 2u) * 2u + 0u];
        let w0_1 = tile[(l0 + 2u) * 2u + 1u];
        let v0 = w0_0.x;
        let v3 = w0_0.y;
        let v8 = w0_0.z;
        let v14 = w0_0.w;
        let v31 = w0_1.x;
        let v33 = w0_1.y;
        let v4 = (v2 - v3);
        let v5 = (v1 * v4);
        let v9 = (v7 - v8);
        let v10 = (v6 * v9);
        let v11 = (v5 + v10);
        let v15 = (v13 - v14);
        let v16 = (v12 * v15);
        let v17 = (v11 + v16);
        let v22 = (v4 * v4);
        let v23 = (v9 * v9);
        let v24 = (v22 + v23);
        let v25 = (v15 * v15);
        let v26 = (v24 + v25);
        let v27 = (v21 * v26);
        let v28 = skewflow_exp2(v27);
        let v29 = (v17 * v28);
        let v30 = (v0 * v29);
        let v32 = (v31 * v29);
        let v34 = (v33 * v29);
        let v36 = (v35 * v0);
        let v38 = (v37 * v31);
        let v39 = (v36 + v38);
        let v41 = (v40 * v33);
        let v42 = (v39 + v41);
        let v43 = (v17 * v42);
        let v45 = (v44 * v0);
        let v47 = (v46 * v31);
        let v48 = (v45 + v47);
        let v50 = (v49 * v33);
        let v51 = (v48 + v50);
        let v52 = (v43 + v51);
        let v53 = (v52 * v28);
        let v54 = (v4 * v53);
        let v55 = (v9 * v53);
        let v56 = (v15 * v53);
        let v57 = (v42 * v28);
        let v58 = (v26 * v53);
        a0_0 += v30;
        a0_1 += v32;
        a0_2 += v34;
        a0_3 += v54;
        a0_4 += v55;
        a0_5 += v56;
        a0_6 += v57;
        a0_7 += v58;
      }
      {
        let j0 = first0 + (l0 + 4u);
        let w0_0 = tile[(l0 + 4u) * 2u + 0u];
        let w0_1 = tile[(l0 + 4u) * 2u + 1u];
        let v0 = w0_0.x;
        let v3 = w0_0.y;
        let v8 = w0_0.z;
        let v14 = w0_0.w;
        let v31 = w0_1.x;
        let v33 = w0_1.y;
        let v4 = (v2 - v3);
        let v5 = (v1 * v4);
        let v9 = (v7 - v8);
        let v10 = (v6 * v9);
        let v11 = (v5 + v10);
        let v15 = (v13 - v14);
        let v16 = (v12 * v15);
        let v17 = (v11 + v16);
        let v22 = (v4 * v4);
        let v23 = (v9 * v9);
        let v24 = (v22 + v23);
        let v25 = (v15 * v15);
        let v26 = (v24 + v25);
        let v27 = (v21 * v26);
        let v28 = skewflow_exp2(v27);
        let v29 = (v17 * v28);
        let v30 = (v0 * v29);
        let v32 = (v31 * v29);
        let v34 = (v33 * v29);
        let v36 = (v35 * v0);
        let v38 = (v37 * v31);
        let v39 = (v36 + v38);
        let v41 = (v40 * v33);
        let v42 = (v39 + v41);
        let v43 = (v17 * v42);
        let v45 = (v44 * v0);
        let v47 = (v46 * v31);
        let v48 = (v45 + v47);
        let v50 = (v49 * v33);
        let v51 = (v48 + v50);
        let v52 = (v43 + v51);
        let v53 = (v52 * v28);
        let v54 = (v4 * v53);
        let v55 = (v9 * v53);
        let v56 = (v15 * v53);
        let v57 = (v42 * v28);
        let v58 = (v26 * v53);
        a0_0 += v30;
        a0_1 += v32;
        a0_2 += v34;
        a0_3 += v54;
        a0_4 += v55;
        a0_5 += v56;
        a0_6 += v57;
        a0_7 += v58;
      }
      {
        let j0 = first0 + (l0 + 6u);
        let w0_0 = tile[(l0 + 6u) * 2u + 0u];
        let w0_1 = tile[(l0 + 6u) * 2u + 1u];
        let v0 = w0_0.x;
        let v3 = w0_0.y;
        let v8 = w0_0.z;
        let v14 = w0_0.w;
        let v31 = w0_1.x;
        let v33 = w0_1.y;
        let v4 = (v2 - v3);
        let v5 = (v1 * v4);
        let v9 = (v7 - v8);
        let v10 = (v6 * v9);
        let v11 = (v5 + v10);
        let v15 = (v13 - v14);
        let v16 = (v12 * v15);
        let v17 = (v11 + v16);
        let v22 = (v4 * v4);
        let v23 = (v9 * v9);
        let v24 = (v22 + v23);
        let v25 = (v15 * v15);
        let v26 = (v24 + v25);
        let v27 = (v21 * v26);
        let v28 = skewflow_exp2(v27);
        let v29 = (v17 * v28);
        let v30 = (v0 * v29);
        let v32 = (v31 * v29);
        let v34 = (v33 * v29);
        let v36 = (v35 * v0);
        let v38 = (v37 * v31);
        let v39 = (v36 + v38);
        let v41 = (v40 * v33);
        let v42 = (v39 + v41);
        let v43 = (v17 * v42);
        let v45 = (v44 * v0);
        let v47 = (v46 * v31);
        let v48 = (v45 + v47);
        let v50 = (v49 * v33);
        let v51 = (v48 + v50);
        let v52 = (v43 + v51);
        let v53 = (v52 * v28);
        let v54 = (v4 * v53);
        let v55 = (v9 * v53);
        let v56 = (v15 * v53);
        let v57 = (v42 * v28);
        let v58 = (v26 * v53);
        a0_0 += v30;
        a0_1 += v32;
        a0_2 += v34;
        a0_3 += v54;
        a0_4 += v55;
        a0_5 += v56;
        a0_6 += v57;
        a0_7 += v58;
      }
    }
    for (; l0 < last0; l0 += 2u) {
      let j0 = first0 + l0;
      let w0_0 = tile[l0 * 2u + 0u];
      let w0_1 = tile[l0 * 2u + 1u];
      let v0 = w0_0.x;
      let v3 = w0_0.y;
      let v8 = w0_0.z;
      let v14 = w0_0.w;
      let v31 = w0_1.x;
      let v33 = w0_1.y;
      let v4 = (v2 - v3);
      let v5 = (v1 * v4);
      let v9 = (v7 - v8);
      let v10 = (v6 * v9);
      let v11 = (v5 + v10);
      let v15 = (v13 - v14);
      let v16 = (v12 * v15);
      let v17 = (v11 + v16);
      let v22 = (v4 * v4);
      let v23 = (v9 * v9);
      let v24 = (v22 + v23);
      let v25 = (v15 * v15);
      let v26 = (v24 + v25);
      let v27 = (v21 * v26);
      let v28 = skewflow_exp2(v27);
      let v29 = (v17 * v28);
      let v30 = (v0 * v29);
      let v32 = (v31 * v29);
      let v34 = (v33 * v29);
      let v36 = (v35 * v0);
      let v38 = (v37 * v31);
      let v39 = (v36 + v38);
      let v41 = (v40 * v33);
      let v42 = (v39 + v41);
      let v43 = (v17 * v42);
      let v45 = (v44 * v0);
      let v47 = (v46 * v31);
      let v48 = (v45 + v47);
      let v50 = (v49 * v33);
      let v51 = (v48 + v50);
      let v52 = (v43 + v51);
      let v53 = (v52 * v28);
      let v54 = (v4 * v53);
      let v55 = (v9 * v53);
      let v56 = (v15 * v53);
      let v57 = (v42 * v28);
      let v58 = (v26 * v53);
      a0_0 += v30;
      a0_1 += v32;
      a0_2 += v34;
      a0_3 += v54;
      a0_4 += v55;
      a0_5 += v56;
      a0_6 += v57;
      a0_7 += v58;
    }
  }
  let a0_0_met = meet_four(128u, vec4f(a0_0, a0_1, a0_2, a0_3));
  a0_0 = a0_0_met.x;
  a0_1 = a0_0_met.y;
  a0_2 = a0_0_met.z;
  a0_3 = a0_0_met.w;
  let a0_4_met = meet_four(128u, vec4f(a0_4, a0_5, a0_6, a0_7));
  a0_4 = a0_4_met.x;
  a0_5 = a0_4_met.y;
  a0_6 = a0_4_met.z;
  a0_7 = a0_4_met.w;
  let v88 = (v1 * a0_6);
  let v89 = (v69 * a0_3);
  let v90 = (v88 - v89);
  let v91 = (v6 * a0_6);
  let v92 = (v69 * a0_4);
  let v93 = (v91 - v92);
  let v94 = (v12 * a0_6);
  let v95 = (v69 * a0_5);
  let v96 = (v94 - v95);
  let v97 = (v19 * v20);
  let v98 = (2f / v97);
  let v99 = (v98 * a0_7);
  if (present) {
    held_6 += v99;
    work[work_at + 1300u + row] = v1;
    work[work_at + 1400u + row] = v2;
    work[work_at + 1500u + row] = v6;
    work[work_at + 1600u + row] = v7;
    work[work_at + 1700u + row] = v12;
    work[work_at + 1800u + row] = v13;
    work[work_at + 1900u + row] = v35;
    work[work_at + 2000u + row] = v37;
    work[work_at + 2100u + row] = v40;
    work[work_at + 2200u + row] = v44;
    work[work_at + 2300u + row] = v46;
    work[work_at + 2400u + row] = v49;
  }
  return array<f32, 6>(v90, v93, v96, a0_0, a0_1, a0_2);
}

fn flow_passes(group: u32, part: u32, time: f32, source: u32) {
  let v19 = given[2u];
  let v20 = (v19 * v19);
  let v21 = ((-1.442695f) / v20);
  let v69 = (2f / v20);
  for (var base = part * 128u; base < 100u; base += 1u * 128u) {
    let j0 = min(base + lane % 128u, 99u);
    let v0 = path[source + j0 * 6u + 3u];
    let v3 = path[source + j0 * 6u];
    let v8 = path[source + j0 * 6u + 1u];
    let v14 = path[source + j0 * 6u + 2u];
    let v31 = path[source + j0 * 6u + 4u];
    let v33 = path[source + j0 * 6u + 5u];
    var sum0 = 0f;
    var sum1 = 0f;
    var sum2 = 0f;
    var sum3 = 0f;
    var sum4 = 0f;
    var sum5 = 0f;
    for (var chunk = 0u; chunk < 100u; chunk += 128u) {
      workgroupBarrier();
      if (lane < 128u) {
        let mine = min(chunk + lane, 99u);
        tile[lane * 3u + 0u] = vec4f(work[work_at + 1300u + mine], work[work_at + 1400u + mine], work[work_at + 1500u + mine], work[work_at + 1600u + mine]);
        tile[lane * 3u + 1u] = vec4f(work[work_at + 1700u + mine], work[work_at + 1800u + mine], work[work_at + 1900u + mine], work[work_at + 2000u + mine]);
        tile[lane * 3u + 2u] = vec4f(work[work_at + 2100u + mine], work[work_at + 2200u + mine], work[work_at + 2300u + mine], work[work_at + 2400u + mine]);
      }
      workgroupBarrier();
      var part0 = 0f;
      var part1 = 0f;
      var part2 = 0f;
      var part3 = 0f;
      var part4 = 0f;
      var part5 = 0f;
      let visited = min(128u, 100u - chunk);
      var r = lane / 128u;
      for (; r + 6u < visited; r += 8u) {
        {
          let own = chunk + r;
          let own0 = tile[r * 3u + 0u];
          let own1 = tile[r * 3u + 1u];
          let own2 = tile[r * 3u + 2u];
          let v1 = own0.x;
          let v2 = own0.y;
          let v6 = own0.z;
          let v7 = own0.w;
          let v12 = own1.x;
          let v13 = own1.y;
          let v35 = own1.z;
          let v37 = own1.w;
          let v40 = own2.x;
          let v44 = own2.y;
          let v46 = own2.z;
          let v49 = own2.w;
          let v4 = (v2 - v3);
          let v5 = (v1 * v4);
          let v9 = (v7 - v8);
          let v10 = (v6 * v9);
          let v11 = (v5 + v10);
          let v15 = (v13 - v14);
          let v16 = (v12 * v15);
          let v17 = (v11 + v16);
          let v22 = (v4 * v4);
          let v23 = (v9 * v9);
          let v24 = (v22 + v23);
          let v25 = (v15 * v15);
          let v26 = (v24 + v25);
          let v27 = (v21 * v26);
          let v28 = skewflow_exp2(v27);
          let v29 = (v17 * v28);
          let v36 = (v35 * v0);
          let v38 = (v37 * v31);
          let v39 = (v36 + v38);
          let v41 = (v40 * v33);
          let v42 = (v39 + v41);
          let v43 = (v17 * v42);
          let v45 = (v44 * v0);
          let v47 = (v46 * v31);
          let v48 = (v45 + v47);
          let v50 = (v49 * v33);
          let v51 = (v48 + v50);
          let v52 = (v43 + v51);
          let v53 = (v52 * v28);
          let v57 = (v42 * v28);
          let v59 = (v35 * v29);
          let v60 = (v44 * v28);
          let v61 = (v59 + v60);
          let v62 = (v37 * v29);
          let v63 = (v46 * v28);
          let v64 = (v62 + v63);
          let v65 = (v40 * v29);
          let v66 = (v49 * v28);
          let v67 = (v65 + v66);
          let v70 = (v69 * v53);
          let v71 = (v4 * v70);
          let v72 = (v1 * v57);
          let v73 = (v71 - v72);
          let v74 = (v9 * v70);
          let v75 = (v6 * v57);
          let v76 = (v74 - v75);
          let v77 = (v15 * v70);
          let v78 = (v12 * v57);
          let v79 = (v77 - v78);
          part0 += v61;
          part1 += v64;
          part2 += v67;
          part3 += v73;
          part4 += v76;
          part5 += v79;
        }
        {
          let own = chunk + (r + 2u);
          let own0 = tile[(r + 2u) * 3u + 0u];
          let own1 = tile[(r + 2u) * 3u + 1u];
          let own2 = tile[(r + 2u) * 3u + 2u];
          let v1 = own0.x;
          let v2 = own0.y;
          let v6 = own0.z;
          let v7 = own0.w;
          let v12 = own1.x;
          let v13 = own1.y;
          let v35 = own1.z;
          let v37 = own1.w;
          let v40 = own2.x;
          let v44 = own2.y;
          let v46 = own2.z;
          let v49 = own2.w;
          let v4 = (v2 - v3);
          let v5 = (v1 * v4);
          let v9 = (v7 - v8);
          let v10 = (v6 * v9);
          let v11 = (v5 + v10);
          let v15 = (v13 - v14);
          let v16 = (v12 * v15);
          let v17 = (v11 + v16);
          let v22 = (v4 * v4);
          let v23 = (v9 * v9);
          let v24 = (v22 + v23);
          let v25 = (v15 * v15);
          let v26 = (v24 + v25);
          let v27 = (v21 * v26);
          let v28 = skewflow_exp2(v27);
          let v29 = (v17 * v28);
          let v36 = (v35 * v0);
          let v38 = (v37 * v31);
          let v39 = (v36 + v38);
          let v41 = (v40 * v33);
          let v42 = (v39 + v41);
          let v43 = (v17 * v42);
          let v45 = (v44 * v0);
          let v47 = (v46 * v31);
          let v48 = (v45 + v47);
          let v50 = (v49 * v33);
          let v51 = (v48 + v50);
          let v52 = (v43 + v51);
          let v53 = (v52 * v28);
          let v57 = (v42 * v28);
          let v59 = (v35 * v29);
          let v60 = (v44 * v28);
          let v61 = (v59 + v60);
          let v62 = (v37 * v29);
          let v63 = (v46 * v28);
          let v64 = (v62 + v63);
          let v65 = (v40 * v29);
          let v66 = (v49 * v28);
          let v67 = (v65 + v66);
          let v70 = (v69 * v53);
          let v71 = (v4 * v70);
          let v72 = (v1 * v57);
          let v73 = (v71 - v72);
          let v74 = (v9 * v70);
          let v75 = (v6 * v57);
          let v76 = (v74 - v75);
          let v77 = (v15 * v70);
          let v78 = (v12 * v57);
          let v79 = (v77 - v78);
          part0 += v61;
          part1 += v64;
          part2 += v67;
          part3 += v73;
          part4 += v76;
          part5 += v79;
        }
        {
          let own = chunk + (r + 4u);
          let own0 = tile[(r + 4u) * 3u + 0u];
          let own1 = tile[(r + 4u) * 3u + 1u];
          let own2 = tile[(r + 4u) * 3u + 2u];
          let v1 = own0.x;
          let v2 = own0.y;
          let v6 = own0.z;
          let v7 = own0.w;
          let v12 = own1.x;
          let v13 = own1.y;
          let v35 = own1.z;
          let v37 = own1.w;
          let v40 = own2.x;
          let v44 = own2.y;
          let v46 = own2.z;
          let v49 = own2.w;
          let v4 = (v2 - v3);
          let v5 = (v1 * v4);
          let v9 = (v7 - v8);
          let v10 = (v6 * v9);
          let v11 = (v5 + v10);
          let v15 = (v13 - v14);
          let v16 = (v12 * v15);
          let v17 = (v11 + v16);
          let v22 = (v4 * v4);
          let v23 = (v9 * v9);
          let v24 = (v22 + v23);
          let v25 = (v15 * v15);
          let v26 = (v24 + v25);
          let v27 = (v21 * v26);
          let v28 = skewflow_exp2(v27);
          let v29 = (v17 * v28);
          let v36 = (v35 * v0);
          let v38 = (v37 * v31);
          let v39 = (v36 + v38);
          let v41 = (v40 * v33);
          let v42 = (v39 + v41);
          let v43 = (v17 * v42);
          let v45 = (v44 * v0);
          let v47 = (v46 * v31);
          let v48 = (v45 + v47);
          let v50 = (v49 * v33);
          let v51 = (v48 + v50);
          let v52 = (v43 + v51);
          let v53 = (v52 * v28);
          let v57 = (v42 * v28);
          let v59 = (v35 * v29);
          let v60 = (v44 * v28);
          let v61 = (v59 + v60);
          let v62 = (v37 * v29);
          let v63 = (v46 * v28);
          let v64 = (v62 + v63);
          let v65 = (v40 * v29);
          let v66 = (v49 * v28);
          let v67 = (v65 + v66);
          let v70 = (v69 * v53);
          let v71 = (v4 * v70);
          let v72 = (v1 * v57);
          let v73 = (v71 - v72);
          let v74 = (v9 * v70);
          let v75 = (v6 * v57);
          let v76 = (v74 - v75);
          let v77 = (v15 * v70);
          let v78 = (v12 * v57);
          let v79 = (v77 - v78);
          part0 += v61;
          part1 += v64;
          part2 += v67;
          part3 += v73;
          part4 += v76;
          part5 += v79;
        }
        {
          let own = chunk + (r + 6u);
          let own0 = tile[(r + 6u) * 3u + 0u];
          let own1 = tile[(r + 6u) * 3u + 1u];
          let own2 = tile[(r + 6u) * 3u + 2u];
          let v1 = own0.x;
          let v2 = own0.y;
          let v6 = own0.z;
          let v7 = own0.w;
          let v12 = own1.x;
          let v13 = own1.y;
          let v35 = own1.z;
          let v37 = own1.w;
          let v40 = own2.x;
          let v44 = own2.y;
          let v46 = own2.z;
          let v49 = own2.w;
          let v4 = (v2 - v3);
          let v5 = (v1 * v4);
          let v9 = (v7 - v8);
          let v10 = (v6 * v9);
          let v11 = (v5 + v10);
          let v15 = (v13 - v14);
          let v16 = (v12 * v15);
          let v17 = (v11 + v16);
          let v22 = (v4 * v4);
          let v23 = (v9 * v9);
          let v24 = (v22 + v23);
          let v25 = (v15 * v15);
          let v26 = (v24 + v25);
          let v27 = (v21 * v26);
          let v28 = skewflow_exp2(v27);
          let v29 = (v17 * v28);
          let v36 = (v35 * v0);
          let v38 = (v37 * v31);
          let v39 = (v36 + v38);
          let v41 = (v40 * v33);
          let v42 = (v39 + v41);
          let v43 = (v17 * v42);
          let v45 = (v44 * v0);
          let v47 = (v46 * v31);
          let v48 = (v45 + v47);
          let v50 = (v49 * v33);
          let v51 = (v48 + v50);
          let v52 = (v43 + v51);
          let v53 = (v52 * v28);
          let v57 = (v42 * v28);
          let v59 = (v35 * v29);
          let v60 = (v44 * v28);
          let v61 = (v59 + v60);
          let v62 = (v37 * v29);
          let v63 = (v46 * v28);
          let v64 = (v62 + v63);
          let v65 = (v40 * v29);
          let v66 = (v49 * v28);
          let v67 = (v65 + v66);
          let v70 = (v69 * v53);
          let v71 = (v4 * v70);
          let v72 = (v1 * v57);
          let v73 = (v71 - v72);
          let v74 = (v9 * v70);
          let v75 = (v6 * v57);
          let v76 = (v74 - v75);
          let v77 = (v15 * v70);
          let v78 = (v12 * v57);
          let v79 = (v77 - v78);
          part0 += v61;
          part1 += v64;
          part2 += v67;
          part3 += v73;
          part4 += v76;
          part5 += v79;
        }
      }
      for (; r < visited; r += 2u) {
        let own = chunk + r;
        let own0 = tile[r * 3u + 0u];
        let own1 = tile[r * 3u + 1u];
        let own2 = tile[r * 3u + 2u];
        let v1 = own0.x;
        let v2 = own0.y;
        let v6 = own0.z;
        let v7 = own0.w;
        let v12 = own1.x;
        let v13 = own1.y;
        let v35 = own1.z;
        let v37 = own1.w;
        let v40 = own2.x;
        let v44 = own2.y;
        let v46 = own2.z;
        let v49 = own2.w;
        let v4 = (v2 - v3);
        let v5 = (v1 * v4);
        let v9 = (v7 - v8);
        let v10 = (v6 * v9);
        let v11 = (v5 + v10);
        let v15 = (v13 - v14);
        let v16 = (v12 * v15);
        let v17 = (v11 + v16);
        let v22 = (v4 * v4);
        let v23 = (v9 * v9);
        let v24 = (v22 + v23);
        let v25 = (v15 * v15);
        let v26 = (v24 + v25);
        let v27 = (v21 * v26);
        let v28 = skewflow_exp2(v27);
        let v29 = (v17 * v28);
        let v36 = (v35 * v0);
        let v38 = (v37 * v31);
        let v39 = (v36 + v38);
        let v41 = (v40 * v33);
        let v42 = (v39 + v41);
        let v43 = (v17 * v42);
        let v45 = (v44 * v0);
        let v47 = (v46 * v31);
        let v48 = (v45 + v47);
        let v50 = (v49 * v33);
        let v51 = (v48 + v50);
        let v52 = (v43 + v51);
        let v53 = (v52 * v28);
        let v57 = (v42 * v28);
        let v59 = (v35 * v29);
        let v60 = (v44 * v28);
        let v61 = (v59 + v60);
        let v62 = (v37 * v29);
        let v63 = (v46 * v28);
        let v64 = (v62 + v63);
        let v65 = (v40 * v29);
        let v66 = (v49 * v28);
        let v67 = (v65 + v66);
        let v70 = (v69 * v53);
        let v71 = (v4 * v70);
        let v72 = (v1 * v57);
        let v73 = (v71 - v72);
        let v74 = (v9 * v70);
        let v75 = (v6 * v57);
        let v76 = (v74 - v75);
        let v77 = (v15 * v70);
        let v78 = (v12 * v57);
        let v79 = (v77 - v78);
        part0 += v61;
        part1 += v64;
        part2 += v67;
        part3 += v73;
        part4 += v76;
        part5 += v79;
      }
      sum0 += part0;
      sum1 += part1;
      sum2 += part2;
      sum3 += part3;
      sum4 += part4;
      sum5 += part5;
    }
    let sum0_met = meet_four(128u, vec4f(sum0, sum1, sum2, sum3));
    sum0 = sum0_met.x;
    sum1 = sum0_met.y;
    sum2 = sum0_met.z;
    sum3 = sum0_met.w;
    let sum4_met = meet_four(128u, vec4f(sum4, sum5, 0f, 0f));
    sum4 = sum4_met.x;
    sum5 = sum4_met.y;
    if (lane < 128u && base + lane < 100u) {
      held_10 += sum0;
      held_11 += sum1;
      held_12 += sum2;
      held_7 += sum3;
      held_8 += sum4;
      held_9 += sum5;
    }
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
  held_13 = work[work_at + 3100u + row];
  held_14 = work[work_at + 3200u + row];
  held_15 = work[work_at + 3300u + row];
  held_16 = work[work_at + 3400u + row];
  held_17 = work[work_at + 3500u + row];
  held_18 = work[work_at + 3600u + row];
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
  work[work_at + 3100u + row] = held_13;
  work[work_at + 3200u + row] = held_14;
  work[work_at + 3300u + row] = held_15;
  work[work_at + 3400u + row] = held_16;
  work[work_at + 3500u + row] = held_17;
  work[work_at + 3600u + row] = held_18;
}

fn start(leaf: u32, part: u32) {
  if (present) {
    held_0 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u];
    held_1 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u + 1u];
    held_2 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u + 2u];
    held_3 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u + 3u];
    held_4 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u + 4u];
    held_5 = gamma[leaf * job.partial + (job.steps * 1u) * 600u + row * 6u + 5u];
    held_6 = 0f;
  }
}

fn combine(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 2u;
  let h = given[step_at];
  if (present) {
    switch (stage) {
      case 0u: {
        held_7 = 0f;
        held_8 = 0f;
        held_9 = 0f;
        held_10 = 0f;
        held_11 = 0f;
        held_12 = 0f;
        let κ0_0 = h * held_0;
        let κ0_1 = h * held_1;
        let κ0_2 = h * held_2;
        let κ0_3 = h * held_3;
        let κ0_4 = h * held_4;
        let κ0_5 = h * held_5;
        work[work_at + 2500u + row] = κ0_0;
        work[work_at + 2600u + row] = κ0_1;
        work[work_at + 2700u + row] = κ0_2;
        work[work_at + 2800u + row] = κ0_3;
        work[work_at + 2900u + row] = κ0_4;
        work[work_at + 3000u + row] = κ0_5;
      }
      default: {
        held_13 += held_7 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u];
        held_14 += held_8 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u + 1u];
        held_15 += held_9 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u + 2u];
        held_16 += held_10 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u + 3u];
        held_17 += held_11 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u + 4u];
        held_18 += held_12 + gamma[leaf * job.partial + (k * 1u) * 600u + row * 6u + 5u];
        let λ_0 = held_0 + held_13;
        let λ_1 = held_1 + held_14;
        let λ_2 = held_2 + held_15;
        let λ_3 = held_3 + held_16;
        let λ_4 = held_4 + held_17;
        let λ_5 = held_5 + held_18;
        held_0 = λ_0;
        held_1 = λ_1;
        held_2 = λ_2;
        held_3 = λ_3;
        held_4 = λ_4;
        held_5 = λ_5;
      }
    }
  }
}

fn transpose_rows(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 2u;
  let h = given[step_at];
  var κ = array<f32, 6>();
  κ[0] = work[work_at + 2500u + row];
  κ[1] = work[work_at + 2600u + row];
  κ[2] = work[work_at + 2700u + row];
  κ[3] = work[work_at + 2800u + row];
  κ[4] = work[work_at + 2900u + row];
  κ[5] = work[work_at + 3000u + row];
  let ζ = flow_vjp(time_of(stage, step_at), source_of(stage, k), κ);
  if (present) {
    held_13 = ζ[0];
    held_14 = ζ[1];
    held_15 = ζ[2];
    held_16 = ζ[3];
    held_17 = ζ[4];
    held_18 = ζ[5];
  }
}

fn sum_rows(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 2u;
  let h = given[step_at];
  flow_passes(leaf, part, time_of(stage, step_at), source_of(stage, k));
}

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  let leaf = group / 1u;
  let part = group % 1u;
  if (leaf >= job.units) { return; }
  place(leaf, part);
  if (job.end == job.steps) { start(leaf, part); } else { recall(); }
  storageBarrier();
  for (var left = job.end; left > job.first; left--) {
    let k = left - 1u;
    for (var stage = 0u; stage < job.stages; stage++) {
      combine(leaf, part, stage, k);
      storageBarrier();
      transpose_rows(leaf, part, stage, k);
      storageBarrier();
      sum_rows(leaf, part, stage, k);
      storageBarrier();
    }
    combine(leaf, part, 1u, k);
    storageBarrier();
  }
  if (present) { keep(); }
}
