// Sources backward, a sweep a leaf: sum_rows of a stage.

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

fn skewflow_rsqrt(x: f32) -> f32 {
  return select(inverseSqrt(x), 0.0, x == 0.0);
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

var<private> row: u32;
// Whether there is such a row, and whether this thread writes what it leaves.
var<private> row_present: bool;
var<private> present: bool;
// Which of the threads of this row this one is.
var<private> split: u32;
var<private> work_at: u32;

fn place(leaf: u32, part: u32) {
  let at = part * 8u + lane % 8u;
  row = min(at, 299u);
  split = lane / 8u;
  row_present = at < 300u;
  present = row_present && split == 0u;
  work_at = leaf * 8400u;
}

fn slot_of(stage: u32) -> u32 {
  switch (stage) {
    case 0u: { return 3u; }
    case 1u: { return 2u; }
    case 2u: { return 1u; }
    default: { return 0u; }
  }
}

fn number_of_time(stage: u32) -> u32 {
  switch (stage) {
    case 0u: { return 3u; }
    case 1u: { return 2u; }
    case 2u: { return 2u; }
    default: { return 1u; }
  }
}

fn time_of(stage: u32, step_at: u32) -> f32 {
  return given[step_at + number_of_time(stage)];
}

fn source_of(stage: u32, k: u32) -> u32 {
  return (k * 4u + slot_of(stage)) * 600u;
}

fn flow_vjp(time: f32, source: u32, κ: array<f32, 2>) -> array<f32, 2> {
  let z = array<f32, 2>(path[source + row * 2u], path[source + row * 2u + 1u]);
  let v1 = f32(row);
  let v3 = z[0];
  let v9 = z[1];
  let v18 = κ[0];
  let v19 = (-v18);
  let v21 = κ[1];
  let v22 = (-v21);
  var a0_0 = 0f;
  var a0_1 = 0f;
  var a0_2 = 0f;
  for (var first0 = 0u; first0 < 300u; first0 += 256u) {
    workgroupBarrier();
    if (lane < 256u) {
      let j0 = min(first0 + lane, 299u);
      tile[lane * 1u + 0u] = vec4f(path[source + j0 * 2u], given[602u + j0], path[source + j0 * 2u + 1u], 0f);
    }
    workgroupBarrier();
    let last0 = min(256u, 300u - first0);
    for (var l0 = split; l0 < last0; l0 += 32u) {
      let j0 = first0 + l0;
      let w0_0 = tile[l0 * 1u + 0u];
      let v4 = w0_0.x;
      let v6 = w0_0.y;
      let v10 = w0_0.z;
      let v0 = f32(j0);
      let v2 = select(0.0, 1.0, v0 != v1);
      let v5 = (v3 - v4);
      let v8 = (v5 * v5);
      let v11 = (v9 - v10);
      let v12 = (v11 * v11);
      let v13 = (v8 + v12);
      let v14 = (0.01f + v13);
      let v15 = skewflow_rsqrt(v14);
      let v16 = (v15 * v15);
      let v17 = (v16 * v15);
      let v20 = (v19 * v5);
      let v23 = (v22 * v11);
      let v24 = (v20 + v23);
      let v25 = (v17 * v24);
      let v26 = (v6 * v25);
      let v27 = (v5 * v26);
      let v29 = select(0f, v27, v2 != 0.0);
      let v30 = (v11 * v26);
      let v31 = select(0f, v30, v2 != 0.0);
      let v32 = (v6 * v15);
      let v33 = select(0f, v32, v2 != 0.0);
      a0_0 += v29;
      a0_1 += v31;
      a0_2 += v33;
    }
  }
  let a0_0_met = meet_four(8u, vec4f(a0_0, a0_1, a0_2, 0f));
  a0_0 = a0_0_met.x;
  a0_1 = a0_0_met.y;
  a0_2 = a0_0_met.z;
  let v47 = (v18 * a0_2);
  let v48 = (v47 + a0_0);
  let v49 = (-v48);
  let v50 = (v21 * a0_2);
  let v51 = (v50 + a0_1);
  let v52 = (-v51);
  if (present) {
    work[work_at + 1500u + row] = v1;
    work[work_at + 1800u + row] = v3;
    work[work_at + 2100u + row] = v9;
    work[work_at + 2400u + row] = v18;
    work[work_at + 2700u + row] = v19;
    work[work_at + 3000u + row] = v21;
    work[work_at + 3300u + row] = v22;
  }
  return array<f32, 2>(v49, v52);
}

fn flow_passes(group: u32, part: u32, time: f32, source: u32) {
  for (var base = part * 8u; base < 300u; base += 38u * 8u) {
    let j0 = min(base + lane % 8u, 299u);
    let v0 = f32(j0);
    let v4 = path[source + j0 * 2u];
    let v6 = given[602u + j0];
    let v10 = path[source + j0 * 2u + 1u];
    var sum0 = 0f;
    var sum1 = 0f;
    var sum2 = 0f;
    for (var chunk = 0u; chunk < 300u; chunk += 256u) {
      workgroupBarrier();
      if (lane < 256u) {
        let mine = min(chunk + lane, 299u);
        tile[lane * 2u + 0u] = vec4f(work[work_at + 1500u + mine], work[work_at + 1800u + mine], work[work_at + 2100u + mine], work[work_at + 2400u + mine]);
        tile[lane * 2u + 1u] = vec4f(work[work_at + 2700u + mine], work[work_at + 3000u + mine], work[work_at + 3300u + mine], 0f);
      }
      workgroupBarrier();
      var part0 = 0f;
      var part1 = 0f;
      var part2 = 0f;
      let visited = min(256u, 300u - chunk);
      for (var r = lane / 8u; r < visited; r += 32u) {
        let own = chunk + r;
        let own0 = tile[r * 2u + 0u];
        let own1 = tile[r * 2u + 1u];
        let v1 = own0.x;
        let v3 = own0.y;
        let v9 = own0.z;
        let v18 = own0.w;
        let v19 = own1.x;
        let v21 = own1.y;
        let v22 = own1.z;
        let v2 = select(0.0, 1.0, v0 != v1);
        let v5 = (v3 - v4);
        let v8 = (v5 * v5);
        let v11 = (v9 - v10);
        let v12 = (v11 * v11);
        let v13 = (v8 + v12);
        let v14 = (0.01f + v13);
        let v15 = skewflow_rsqrt(v14);
        let v16 = (v15 * v15);
        let v17 = (v16 * v15);
        let v20 = (v19 * v5);
        let v23 = (v22 * v11);
        let v24 = (v20 + v23);
        let v25 = (v17 * v24);
        let v26 = (v6 * v25);
        let v27 = (v5 * v26);
        let v30 = (v11 * v26);
        let v34 = (v15 * v24);
        let v35 = select(0f, v34, v2 != 0.0);
        let v36 = (v18 * v6);
        let v37 = (v36 * v15);
        let v38 = (v37 + v27);
        let v39 = select(0f, v38, v2 != 0.0);
        let v40 = (v21 * v6);
        let v41 = (v40 * v15);
        let v42 = (v41 + v30);
        let v43 = select(0f, v42, v2 != 0.0);
        part0 += v35;
        part1 += v39;
        part2 += v43;
      }
      sum0 += part0;
      sum1 += part1;
      sum2 += part2;
    }
    let sum0_met = meet_four(8u, vec4f(sum0, sum1, sum2, 0f));
    sum0 = sum0_met.x;
    sum1 = sum0_met.y;
    sum2 = sum0_met.z;
    if (lane < 8u && base + lane < 300u) {
      gamma[group * job.partial + job.tail + 0u + j0 * 1u] += sum0;
      work[work_at + 900u + j0] += sum1;
      work[work_at + 1200u + j0] += sum2;
    }
  }
}

fn sum_rows(leaf: u32, part: u32, stage: u32, k: u32) {
  let step_at = job.grid + k * 4u;
  let h = given[step_at];
  flow_passes(leaf, part, time_of(stage, step_at), source_of(stage, k));
}

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  let leaf = group / 38u;
  let part = group % 38u;
  if (leaf >= job.units) { return; }
  place(leaf, part);
  sum_rows(leaf, part, job.stage, job.first);
}
