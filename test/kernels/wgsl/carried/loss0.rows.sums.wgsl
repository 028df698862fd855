// A term of the loss: what tracers add to its sums.

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
@group(0) @binding(5) var<storage, read> kept: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<u32>;
var<workgroup> values_of: array<f32, 256>;
var<workgroup> marks_of: array<u32, 256>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

fn not_finite(x: f32) -> bool {
  return (bitcast<u32>(x) & 0x7f800000u) == 0x7f800000u;
}

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

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  if (group >= job.units) { return; }
  place(group);
  let counts = present && split == 0u;
  var failed = 0u;
  var total = 0f;
  for (var n = 0u; n < job.count; n++) {
    let record = job.records + n * 8u;
    let point = plan[record];
    let time = bitcast<f32>(plan[record + 5u]);
    let weight = bitcast<f32>(plan[record + 4u]);
    let source = (point * 1u) * 600u;
    let kept_here = plan[record + 3u];
    let z = array<f32, 3>(kept[((kept_here) * job.blocks + block) * 768u + row], kept[((kept_here) * job.blocks + block) * 768u + row + 256u], kept[((kept_here) * job.blocks + block) * 768u + row + 512u]);
    let sum = plan[record + 2u];
    let v1 = z[0];
    let v2 = image[image_at + 768u];
    let v3 = (v1 - v2);
    let v4 = (v3 * v3);
    let v5 = z[1];
    let v6 = image[image_at + 1024u];
    let v7 = (v5 - v6);
    let v8 = (v7 * v7);
    let v9 = (v4 + v8);
    let v10 = z[2];
    let v11 = image[image_at + 1280u];
    let v12 = (v10 - v11);
    let v13 = (v12 * v12);
    let v14 = (v9 + v13);
    let v15 = (0.001f * v14);
    if (counts && (not_finite(v15))) {
      failed = max(failed, ~(point * 256u + row));
    }
    total += weight * select(0f, v15, counts);
  }
  let all = sum_all(total);
  if (lane == 0u && job.count > 0u) {
    let sum = plan[job.records + 2u];
    out[group * job.out_words + 4u + sum] = bitcast<u32>(all);
  }
  let worst = max_all(failed);
  if (lane == 0u) {
    out[group * job.out_words + 1u] = max(out[group * job.out_words + 1u], worst);
  }
}
