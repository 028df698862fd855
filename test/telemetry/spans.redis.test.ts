/** What does a tracer see of a run? A provider as an SDK registers it, in one process with a coordinator and a worker. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Attributes,
  type Context,
  context,
  type Span,
  type SpanContext,
  type SpanOptions,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { expect, onTestFinished, test } from 'vitest';
import { Client, Coordinator, Worker } from '../../src/index.ts';
import { describeWithRedis } from '../setup/describe-with.ts';
import { startRedis } from '../setup/redis-server.ts';

interface Recorded {
  readonly name: string;
  readonly parent: string | null;
  readonly id: string;
  readonly facts: Attributes;
  readonly begun: number;
  ended: number | null;
}

/** Spans as they are begun and ended; their parent is the span of the context. */
function recordingTracer(spans: Recorded[]): Tracer {
  const startSpan = (name: string, options: SpanOptions = {}, within: Context = context.active()): Span => {
    const id = String(spans.length + 1).padStart(16, '0');
    const parent = trace.getSpanContext(within)?.spanId ?? null;
    const recorded: Recorded = {
      name,
      id,
      parent,
      facts: options.attributes ?? {},
      ended: null,
      begun: Number(options.startTime ?? Date.now()),
    };
    spans.push(recorded);
    const where: SpanContext = { traceId: '0'.repeat(31).concat('1'), spanId: id, traceFlags: 1 };
    const same = (): Span => span;
    const span: Span = {
      spanContext: () => where,
      isRecording: () => true,
      recordException: () => {},
      setAttribute: same,
      setAttributes: same,
      addEvent: same,
      addLink: same,
      addLinks: same,
      setStatus: same,
      updateName: same,
      end: (time) => {
        recorded.ended = Number(time ?? Date.now());
      },
    };
    return span;
  };
  return { startSpan, startActiveSpan: () => expect.unreachable('spans are never made active') };
}

const job = `
name: traced
sources: { q: { uniform: [-1, 1], dim: 2, seed: 1 }, rows: 4 }
tracers: { x: { uniform: [-1, 1], dim: 2, seed: 3 }, rows: 1500 }
flow: { x: "mean(j, exp(-sqdist(x, q[j])) * (q[j] - x))", q: "sum(k != j, 0.1 * (q[k] - q))" }
integrate: { scheme: rk4, from: 0, to: 1, steps: 4 }
loss: log(mean(i, sqnorm(x)))
gradient: [q]
shards: 4
`;

describeWithRedis('a tracer', () => {
  test('sees a run, its phases, and the shards of a seat', { timeout: 120_000 }, async () => {
    const spans: Recorded[] = [];
    trace.setGlobalTracerProvider({ getTracer: () => recordingTracer(spans) });
    onTestFinished(() => trace.disable());
    await using redis = await startRedis();
    const folder = await mkdtemp(join(tmpdir(), 'skewflow-spans-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const fleet = { redis: redis.url, storage: join(folder, 'storage') };
    await writeFile(join(folder, 'job.yaml'), job);
    let id = '';
    {
      await using _coordinator = await Coordinator.start(fleet);
      await using _worker = await Worker.start({ ...fleet, engine: 'reference', threads: 1 });
      await using client = new Client(fleet);
      const handle = await client.submit(join(folder, 'job.yaml'));
      id = handle.id;
      await handle.result();
    }
    const named = (name: string): readonly Recorded[] => spans.filter((span) => span.name === name);
    const [run] = named('skewflow.run');
    const [seat] = named('skewflow.seat');
    expect(run?.facts).toMatchObject({ 'skewflow.run': id, 'skewflow.job': 'traced' });
    expect(seat?.facts).toMatchObject({ 'skewflow.run': id });

    const parts = spans.filter(({ parent }) => parent === run?.id);
    expect(parts.map(({ name }) => name)).toEqual([
      'skewflow.sums',
      'skewflow.all-reduce',
      'skewflow.head',
      'skewflow.all-reduce',
      'skewflow.gradient',
    ]);
    // One after another, within the run.
    const times = parts.flatMap(({ begun, ended }) => [begun, ended ?? Number.NaN]);
    expect([...times].sort((a, b) => a - b)).toEqual(times);
    expect(times[0]).toBeGreaterThan((run?.begun ?? 0) - 1);

    const shards = named('skewflow.shard');
    expect(shards.every(({ parent }) => parent === seat?.id)).toBe(true);
    const asked = shards.map(({ facts }) => [facts['skewflow.phase'], facts['skewflow.shard']].join(' '));
    const all = ['0', '1', '2', '3'];
    expect(asked.sort()).toEqual(
      [
        ...all.map((shard) => `sums ${shard}`),
        'head sources',
        ...[...all, 'sources'].map((shard) => `gradient ${shard}`),
      ].sort(),
    );
    expect(spans.filter(({ ended }) => ended === null)).toEqual([]);
  });
});
