// Sums of runs of partials, in the order of the tree.

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
@group(0) @binding(2) var<storage, read_write> gamma: array<f32>;
@group(0) @binding(3) var<storage, read_write> totals: array<f32>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

@compute @workgroup_size(workgroup_threads)
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) index: u32) {
  lane = index;
  let group = workgroup.x + workgroup.y * 65535u;
  let number = group % job.count * 256u + lane;
  let run = job.records + group / job.count * 3u;
  if (group / job.count >= job.units || number >= job.partial) { return; }
  let first = plan[run];
  let partials = plan[run + 1u];
  for (var width = 1u; width < partials; width *= 2u) {
    for (var left = 0u; left + width < partials; left += 2u * width) {
      gamma[(first + left) * job.partial + number] += gamma[(first + left + width) * job.partial + number];
    }
  }
  totals[plan[run + 2u] * job.partial + number] = gamma[first * job.partial + number];
}
