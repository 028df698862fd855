/**
 * Do the dashboard and the alerts ask for what the processes expose?
 */
import { describe, expect, it } from 'vitest';
import { createMetrics, metricTable } from '../../src/telemetry/metrics.ts';
import { dashboard, expressions, selectorsOf, stem } from './asked-metrics.ts';

describe('dashboard and alerts', () => {
  it('ask only for metrics that a coordinator or a worker exposes', async () => {
    const exposed = new Set(
      (
        await Promise.all((['coordinator', 'worker'] as const).map((role) => createMetrics(role).text()))
      ).flatMap((text) => [...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!)),
    );
    for (const [where, expr] of expressions) {
      const asked = selectorsOf(expr);
      expect(asked.length, where).toBeGreaterThan(0);
      expect(
        asked.filter(({ name }) => !exposed.has(stem(name))),
        where,
      ).toEqual([]);
    }
  });

  it('are read whatever the metrics are called', () => {
    const expr =
      'sum by (le, pod) (rate(a_bucket{x="y", z!~"1|2"}[5m])) / on (b) vector(0) > 1e3 or up unless up offset 5m';
    expect(selectorsOf(expr)).toEqual([
      {
        name: 'a_bucket',
        matchers: [
          { label: 'x', op: '=', value: 'y' },
          { label: 'z', op: '!~', value: '1|2' },
        ],
      },
      { name: 'up', matchers: [] },
      { name: 'up', matchers: [] },
    ]);
  });

  it('show every metric there is', () => {
    const all = expressions.map(([, expr]) => expr).join(' ');
    expect(Object.keys(metricTable).filter((name) => !all.includes(name))).toEqual([]);
  });

  it('group only by labels that the metric has', () => {
    for (const [where, expr] of expressions) {
      for (const [, labels, name] of expr.matchAll(/by \(([^)]*)\) \([^(]*\(?(skewflow_[a-z_]+)/g)) {
        const record = metricTable[stem(name!) as keyof typeof metricTable];
        const known = [...record.labels, 'le', 'instance', 'pod', 'role'];
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
});
