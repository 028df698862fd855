import { describe, expect, it } from 'vitest';
import { isSkewflowError, SkewflowError } from '../../src/errors.ts';
import { errorOf, isFinal, reportOf } from '../../src/exchange/error-report.ts';
import { ErrorReport } from '../../src/protocol.ts';

describe('an error that crosses the exchange', () => {
  it('comes back with its tag, message and figures', () => {
    const error = new SkewflowError('MemoryError', 'too little', { needed: 10, available: 4 });
    const report = ErrorReport.parse(structuredClone(reportOf(error)));
    const back = errorOf(report);
    expect(isSkewflowError(back, 'MemoryError')).toBe(true);
    expect(back).toMatchObject({ message: 'too little', details: { needed: 10, available: 4 } });
  });

  it('is a failed job when it is none of ours, and keeps where it came from', () => {
    const report = ErrorReport.parse(reportOf(new TypeError('x is not a function')));
    expect(report).toMatchObject({ tag: 'JobFailedError', message: 'x is not a function' });
    expect(report.details['stack']).toContain('error-report.test');
    expect(reportOf('thrown text')).toMatchObject({ tag: 'JobFailedError', message: 'thrown text' });
  });

  it('is a failed job when a later version wrote its tag', () => {
    expect(errorOf({ tag: 'QuotaError', message: 'no', details: {} }).tag).toBe('JobFailedError');
    expect(errorOf({ tag: 'toString', message: 'no', details: {} }).tag).toBe('JobFailedError');
  });

  it.each([
    ['InputError', true],
    ['NonFiniteError', true],
    ['DeviceError', false],
    ['MemoryError', false],
  ])('of kind %s is final: %s', (tag, final) => {
    expect(isFinal({ tag, message: '', details: {} })).toBe(final);
  });
});
