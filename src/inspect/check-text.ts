/** How a check reads on a terminal. */
import type { CheckReport } from './check.ts';
import type { MeasuredOrder, OrderReport } from './order.ts';
import { aligned, counted, grouped } from './text.ts';

/**
 * The report as text: one line a gradient, the order, and the verdict.
 *
 * @param report - what `check` found
 *
 * @example
 * process.stdout.write(checkText(await check('job.yaml')));
 */
export function checkText(report: CheckReport): string {
  const { rows, loss, gradients, order, passed } = report;
  const taken =
    rows.all === 0
      ? 'no tracers'
      : rows.taken === rows.all
        ? `all ${counted(rows.all, 'tracer')}`
        : `${grouped(rows.taken)} of ${counted(rows.all, 'tracer')}, evenly spread, and all sources`;
  return [
    `${report.name}: ${report.numerics} against differences of ${report.oracle}`,
    `  ${taken}${oracleNote(report)}`,
    '',
    ...aligned([
      ['', 'numbers', 'norm', 'error', 'of the differences', 'tolerance', ''],
      ['loss', '1', digits(loss.value), power(loss.error), '', power(loss.tolerance), verdict(loss.passed)],
      ...gradients.map((g) => [
        `∂L/∂${g.field}`,
        grouped(g.size),
        digits(g.norm),
        power(g.error),
        power(g.uncertainty),
        power(g.tolerance),
        verdict(g.passed),
      ]),
    ]),
    '',
    ...gradients.flatMap((g) => (g.norm === 0 ? [`∂L/∂${g.field} ${zeroEverywhere}`] : [])),
    ...orderText(order),
    passed ? 'passed' : 'failed',
    '',
  ].join('\n');
}

/** What a gradient that is exactly 0 says: nobody asks for one that cancels (`c - c`) or is dead (`relu` of negative numbers). */
const zeroEverywhere = 'is 0 everywhere: at these numbers nothing of it reaches the loss';

function oracleNote({ oracleError }: CheckReport): string {
  if (oracleError === null) return '';
  return oracleError === 0 ? '' : `; its loss is the plain reference’s to ${power(oracleError)}`;
}

function orderText(order: OrderReport | null): readonly string[] {
  if (order === null) return [];
  const line = (what: string, measured: MeasuredOrder): string[] => [
    `order of the ${what}`,
    measured.orders.length === 0 ? '–' : measured.orders.map((p) => p.toFixed(2)).join(', '),
    `declared ${order.declared} (${order.scheme})`,
    `error of these steps ${power(measured.error)}`,
    remarks[measured.verdict],
  ];
  return [
    ...aligned([
      line('states', order.states),
      ...(order.gradient === null ? [] : [line('gradient', order.gradient)]),
    ]),
    ...(order.smooth ? [] : ['the flow has kinks or jumps: no order is promised']),
    '',
  ];
}

const remarks = {
  declared: 'ok',
  lower: 'LOWER',
  rounding: 'rounding: too small to measure',
  unsettled: 'not settled: longer steps than the order shows at',
} as const;

const verdict = (passed: boolean): string => (passed ? 'ok' : 'TOO FAR');

const power = (x: number): string => (x === 0 ? '0' : x.toExponential(1));

const digits = (x: number): string => String(Number(x.toPrecision(6)));
