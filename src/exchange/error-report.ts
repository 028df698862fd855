/**
 * How does an error cross the exchange? As data; classes are put on again on the other side.
 */
import { type ErrorTag, errorTable, isSkewflowError, SkewflowError } from '../errors.ts';
import type { ErrorReport } from '../protocol.ts';

/** An error as data. What is not ours becomes a `JobFailedError` that keeps its stack. */
export function reportOf(error: unknown): ErrorReport {
  if (isSkewflowError(error))
    return { tag: error.tag, message: error.message, details: { ...error.details } };
  const cause = error instanceof Error ? error : new Error(String(error));
  return { tag: 'JobFailedError', message: cause.message, details: { stack: cause.stack ?? null } };
}

/** The error a report stands for; a tag from a later version is a `JobFailedError`. */
export function errorOf(report: ErrorReport): SkewflowError {
  const tag = Object.hasOwn(errorTable, report.tag) ? (report.tag as ErrorTag) : 'JobFailedError';
  return new SkewflowError(tag, report.message, report.details);
}

/** Whether no other worker would fare better. */
export function isFinal(report: ErrorReport): boolean {
  return errorTable[errorOf(report).tag].retry === 'nowhere';
}

/** Longest text of a report that crosses a wire, in characters, and most figures. */
const textMax = 3000;
const detailsMax = 32;

/** A report that fits into a control part: long texts (a stack, a list) are cut. */
export function shortened({ tag, message, details }: ErrorReport): ErrorReport {
  const entries = Object.entries(details).slice(0, detailsMax);
  let left = textMax;
  const cut = <T>(value: T): T | string => {
    if (typeof value !== 'string') return value;
    const text = value.slice(0, left);
    left -= text.length;
    return text.length < value.length ? `${text}…` : text;
  };
  return {
    tag: tag.slice(0, 100),
    message: cut(message),
    details: Object.fromEntries(entries.map(([name, value]) => [name.slice(0, 100), cut(value)])),
  };
}
