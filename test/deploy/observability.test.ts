/**
 * Do the dashboard and the alerts ask for what the processes expose?
 */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { createMetrics, metricTable } from '../../src/telemetry/metrics.ts';
import { alerts, alertsFile, dashboard, expressions, metricsOf, stem } from './asked-metrics.ts';

describe('dashboard and alerts', () => {
  it('ask only for metrics that a coordinator or a worker exposes', async () => {
    const exposed = new Set(
      (
        await Promise.all((['coordinator', 'worker'] as const).map((role) => createMetrics(role).text()))
      ).flatMap((text) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)),
    );
    for (const [where, expr] of expressions) {
      const asked = metricsOf(expr);
      expect(asked.length, where).toBeGreaterThan(0);
      expect(
        asked.filter((name) => !exposed.has(name)),
        where,
      ).toEqual([]);
    }
  });

  it('show every metric there is', () => {
    const all = expressions.map(([, expr]) => expr).join(' ');
    expect(Object.keys(metricTable).filter((name) => !all.includes(name))).toEqual([]);
  });

  it('group only by labels that the metric has', () => {
    for (const [where, expr] of expressions) {
      for (const [, labels, name] of expr.matchAll(/by \(([^)]*)\) \([^(]*\(?(skewflow_[a-z_]+)/g)) {
        const record = metricTable[stem(name!) as keyof typeof metricTable];
        const known = [...record.labels, 'le', 'instance', 'pod', 'job'];
        expect(
          labels!.split(/,\s*/).filter((label) => !known.includes(label)),
          where,
        ).toEqual([]);
      }
    }
  });

  it('lay panels side by side, none over another', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, k) => `${x + (k % w)},${y + Math.floor(k / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
  });

  const promtool = hasPromtool();
  it.skipIf(!promtool)(
    `are rules that promtool accepts${promtool ? '' : ' (skipped: no promtool; it comes with the package prometheus)'}`,
    () => {
      expect(execFileSync('promtool', ['check', 'rules', alertsFile], { encoding: 'utf8' })).toContain(
        `${alerts.length} rules found`,
      );
    },
  );
});

function hasPromtool(): boolean {
  try {
    execFileSync('promtool', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
