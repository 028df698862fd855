/**
 * Does an alert fire when it should, and only then? Prometheus' own promtool evaluates the rules over an hour of made-up series.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { alerts, alertsFile } from './asked-metrics.ts';

/** A minute each, in promtool's notation: `0+10x60` grows by ten sixty times. */
type SeriesOfAnHour = Readonly<Record<string, string>>;

const mismatch = 'skewflow_notices_total{role="coordinator", code="AUDIT_MISMATCH"}';
const poison = 'skewflow_notices_total{role="coordinator", code="POISON_SHARD"}';
const restarts = 'skewflow_child_restarts_total{role="worker", instance="w", pod="p", code="GPU_LOST"}';
const lost = 'skewflow_workers_lost_total{role="coordinator"}';
const pairs = 'skewflow_pairs_total{role="coordinator"}';
const runs = 'skewflow_runs{role="coordinator"}';
const seatsHeld = 'skewflow_leases{role="worker"}';
const seatsWaiting = 'skewflow_queue_depth{role="coordinator", queue="seats", state="waiting"}';
const fast = 'skewflow_redis_round_trip_seconds_bucket{le="0.01"}';

/** A run that goes on, and nothing amiss. */
const well: SeriesOfAnHour = {
  [mismatch]: '0x60',
  [poison]: '0x60',
  [restarts]: '0x60',
  [lost]: '0x60',
  [pairs]: '0+1000x60',
  [runs]: '1x60',
  [seatsHeld]: '2x60',
  'skewflow_leases{role="coordinator"}': '2x60',
  [seatsWaiting]: '0x60',
  [fast]: '0+10x60',
  'skewflow_redis_round_trip_seconds_bucket{le="0.3"}': '0+10x60',
  'skewflow_redis_round_trip_seconds_bucket{le="+Inf"}': '0+10x60',
};

/** What happened, what was scraped otherwise (null: nothing was), and what fires half an hour on. */
const cases: readonly (readonly [
  what: string,
  Readonly<Record<string, string | null>>,
  firing: readonly string[],
])[] = [
  ['nothing', {}, []],
  ['the coordinators are gone', { [runs]: null }, ['SkewflowNoCoordinator']],
  [
    'no worker has ever been there',
    { [seatsHeld]: null, [seatsWaiting]: '2x60', [pairs]: '0x60' },
    ['SkewflowRunStands', 'SkewflowRunsWithoutWorkers'],
  ],
  [
    'the workers take no seat',
    { [seatsHeld]: '0x60', [seatsWaiting]: '2x60', [pairs]: '7x60' },
    ['SkewflowRunStands', 'SkewflowRunsWithoutWorkers'],
  ],
  ['seats wait, as others are held', { [seatsWaiting]: '2x60' }, []],
  ['nothing is computed', { [pairs]: '7x60' }, ['SkewflowRunStands']],
  ['nobody wants anything', { [runs]: '0x60', [pairs]: '7x60', [seatsHeld]: '0x60' }, []],
  ['six workers are lost', { [lost]: '0x20 6x40' }, ['SkewflowWorkersLost']],
  ['three workers are lost', { [lost]: '0x20 3x40' }, []],
  ['the first mismatch of all', { [mismatch]: '0x20 1x40' }, ['SkewflowAuditMismatch']],
  ['the first poison shard of all', { [poison]: '0x20 1x40' }, ['SkewflowPoisonShard']],
  ['a device fails five times', { [restarts]: '0x15 1 2 3 4 5x40' }, ['SkewflowChildRestarts']],
  ['a device fails once', { [restarts]: '0x15 1x40' }, []],
  ['Redis is slow', { [fast]: '0x60' }, ['SkewflowRedisSlow']],
];

/** The case as promtool tests it: no alert fires but those. */
function tested([what, changes, firing]: (typeof cases)[number]): object {
  const all = Object.entries({ ...well, ...changes });
  const labelsOf = (alert: string): string => {
    const { labels, expr } = alerts.find((rule) => rule.alert === alert) ?? { labels: {}, expr: '' };
    const own = { alertname: alert, alertstate: 'firing', ...labels };
    const kept = expr.includes('by (pod, instance, code)')
      ? { code: 'GPU_LOST', instance: 'w', pod: 'p' }
      : {};
    return Object.entries({ ...own, ...kept })
      .map(([label, value]) => `${label}="${value}"`)
      .join(', ');
  };
  return {
    name: what,
    interval: '1m',
    input_series: all.flatMap(([series, values]) => (values === null ? [] : [{ series, values }])),
    promql_expr_test: [
      {
        expr: 'ALERTS{alertstate="firing"}',
        eval_time: '30m',
        exp_samples: firing.map((alert) => ({ labels: `ALERTS{${labelsOf(alert)}}`, value: 1 })),
      },
    ],
  };
}

const promtool = hasPromtool();

describe.skipIf(!promtool)(
  `the alerts${promtool ? '' : ' (skipped: no promtool; it comes with the package prometheus)'}`,
  () => {
    it('are rules that promtool accepts', () => {
      expect(execFileSync('promtool', ['check', 'rules', alertsFile], { encoding: 'utf8' })).toContain(
        `${alerts.length} rules found`,
      );
    });

    it('fire for what they name, and for nothing else', () => {
      expect(alerts.map(({ alert }) => alert).sort()).toEqual(
        [...new Set(cases.flatMap(([, , firing]) => firing))].sort(),
      );
      const folder = mkdtempSync(join(tmpdir(), 'skewflow-alerts-'));
      try {
        const file = join(folder, 'cases.yaml');
        writeFileSync(file, stringify({ rule_files: [alertsFile], tests: cases.map(tested) }));
        expect(said(['test', 'rules', file])).toContain('SUCCESS');
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  },
);

/** What promtool prints, also of a failure. */
function said(args: readonly string[]): string {
  try {
    return execFileSync('promtool', args, { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    return `${stdout}${stderr}`;
  }
}

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
