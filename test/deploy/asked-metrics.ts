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
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
}
interface Rules {
  readonly groups: readonly {
    readonly rules: readonly Rule[];
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

/** Series as an expression asks for them, e.g. `skewflow_queue_depth{state=~"waiting|active"}`. */
export interface Selector {
  readonly name: string;
  readonly matchers: readonly Matcher[];
}
interface Matcher {
  readonly label: string;
  readonly op: string;
  readonly value: string;
}

/** What an expression selects, whatever the metrics are called. */
export function selectorsOf(expr: string): readonly Selector[] {
  // Ranges and the labels of a grouping name no series; neither does what a bracket follows, nor an operator.
  const bare = expr
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  return [...bare.matchAll(/(?<![\w.:])([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\()?/g)].flatMap(
    ([, name = '', rest = '']) =>
      rest === '(' || operators.has(name) ? [] : [{ name, matchers: matchersOf(rest) }],
  );
}

const operators: ReadonlySet<string> = new Set(['and', 'bool', 'offset', 'or', 'unless']);

function matchersOf(braces: string): readonly Matcher[] {
  return [...braces.matchAll(/(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"/g)].map(
    ([, label = '', op = '', value = '']) => ({ label, op, value }),
  );
}

/** Whether a series is one of those that are asked for. */
export function selects({ name, matchers }: Selector, series: Series): boolean {
  return (
    series.name === name &&
    matchers.every(({ label, op, value }) => {
      const own = series.labels[label] ?? '';
      const like = op.endsWith('~') ? new RegExp(`^(?:${value})$`).test(own) : own === value;
      return like !== op.startsWith('!');
    })
  );
}

/** One line of `/metrics`. */
export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Every sample of a text in Prometheus' format. */
export function seriesOf(text: string): readonly Series[] {
  return [...text.matchAll(/^([a-zA-Z_:][\w:]*)(\{.*\})? (\S+)$/gm)].map(
    ([, name = '', braces = '', value]) => ({
      name,
      labels: Object.fromEntries(matchersOf(braces).map(({ label, value: own }) => [label, own])),
      value: Number(value),
    }),
  );
}
