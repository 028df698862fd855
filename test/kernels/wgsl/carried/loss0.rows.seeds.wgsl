// A term of the loss: its cotangents, and what tracers leave for everybody.

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
@group(0) @binding(5) var<storage, read_write> kept: array<f32>;
@group(0) @binding(6) var<storage, read_write> carry: array<f32>;
@group(0) @binding(7) var<storage, read_write> gamma: array<f32>;

const workgroup_threads = 256u;
// The thread in its workgroup.
var<private> lane: u32;

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
  for (var n = 0u; n < job.count; n++) {
    let record = job.records + n * 8u;
    let point = plan[record];
    let time = bitcast<f32>(plan[record + 5u]);
    let weight = bitcast<f32>(plan[record + 4u]);
    let source = (point * 1u) * 600u;
    let kept_here = plan[record + 3u];
    let z = array<f32, 3>(kept[((kept_here) * job.blocks + block) * 768u + row], kept[((kept_here) * job.blocks + block) * 768u + row + 256u], kept[((kept_here) * job.blocks + block) * 768u + row + 512u]);
    let κ = array<f32, 1>(select(0f, bitcast<f32>(plan[record + 6u]), present && (plan[record + 7u] == 0xffffffffu || plan[record + 7u] == number)));
    let v0 = z[0];
    let v1 = image[image_at + 768u];
    let v2 = (v0 - v1);
    let v4 = κ[0];
    let v5 = (0.002f * v4);
    let v6 = (v2 * v5);
    let v7 = z[1];
    let v8 = image[image_at + 1024u];
    let v9 = (v7 - v8);
    let v10 = (v9 * v5);
    let v11 = z[2];
    let v12 = image[image_at + 1280u];
    let v13 = (v11 - v12);
    let v14 = (v13 * v5);
    if (split == 0u) {
      kept[((plan[record + 3u] + job.points) * job.blocks + block) * 768u + row] += v6;
      kept[((plan[record + 3u] + job.points) * job.blocks + block) * 768u + row + 256u] += v10;
      kept[((plan[record + 3u] + job.points) * job.blocks + block) * 768u + row + 512u] += v14;
    }
  }
}
