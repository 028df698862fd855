// What rows carried, as one a workgroup.

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
@group(0) @binding(1) var<storage, read> plan: array<u32>;
@group(0) @binding(2) var<storage, read> carry: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;
var<workgroup> values_of: array<f32, 256>;
var<workgroup> marks_of: array<u32, 256>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

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
  let at = group * job.out_words;
  let failed = carry[carry_at + 2560u];
  let state = max_all(select(0u, ~((u32(failed) - 1u) * 256u + row), counts && failed > 0f));
  let gradient = max_all(select(0u, ~(0u * 256u + row), counts && (not_finite(carry[carry_at + 768u]) || not_finite(carry[carry_at + 1024u]) || not_finite(carry[carry_at + 1280u]) || not_finite(carry[carry_at + 1536u]) || not_finite(carry[carry_at + 1792u]) || not_finite(carry[carry_at + 2048u]))));
  if (lane == 0u) {
    out[at] = state;
    out[at + 2u] = gradient;
  }
  for (var c = 0u; c < job.params; c++) {
    let sum = sum_all(select(0f, carry[carry_at + (9u + c) * 256u], counts));
    if (lane == 0u) { out[at + 3u + c] = bitcast<u32>(sum); }
  }
}
