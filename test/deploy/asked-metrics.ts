/**
 * Which metrics do people look at? Every expression of the dashboard and of the alerts.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { deployFolder } from './rendered.ts';

export interface Dashboard {
  readonly panels: readonly {
    readonly title: string;
    readonly targets: readonly { readonly expr: string }[];
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }[];
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

export const dashboard = JSON.parse(
  readFileSync(`${deployFolder}grafana/dashboard.json`, 'utf8'),
) as Dashboard;

export const alertsFile = `${deployFolder}prometheus/alerts.yaml`;

export const alerts = (parse(readFileSync(alertsFile, 'utf8')) as Rules).groups.flatMap(({ rules }) => rules);

/** Expressions with where they stand. */
export const expressions: readonly (readonly [string, string])[] = [
  ...dashboard.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  ...alerts.map(({ alert, expr }) => [alert, expr] as const),
];

/** Names that Prometheus derives from one histogram. */
export const stem = (name: string): string => name.replace(/_(bucket|sum|count)$/, '');

/** Metrics that an expression names. */
export function metricsOf(expr: string): readonly string[] {
  return [...expr.matchAll(/skewflow_[a-z_]+/g)].map(([name]) => stem(name));
}

/** Metrics that any of them names. */
export function askedMetrics(): readonly string[] {
  return [...new Set(expressions.flatMap(([, expr]) => metricsOf(expr)))];
}
