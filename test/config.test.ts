import { describe, expect, it } from 'vitest';
import { readConfig } from '../src/config.ts';
import { isSkewflowError } from '../src/errors.ts';
import { readS3Settings } from '../src/objects/s3-settings.ts';

describe('readConfig', () => {
  it('is silent and leaves the threads to the machine by default', () => {
    const nothing = {
      logLevel: 'silent',
      traceDescriptor: 2,
      threads: null,
      redisUrl: null,
      redisPasswordFile: null,
      storage: null,
      listen: null,
      s3: readS3Settings({}),
    };
    expect(readConfig({})).toEqual(nothing);
    const empty = {
      SKEWFLOW_LOG: '',
      SKEWFLOW_THREADS: '',
      REDIS_URL: '',
      SKEWFLOW_REDIS_PASSWORD_FILE: '',
      SKEWFLOW_STORAGE: '',
      SKEWFLOW_LISTEN: '',
    };
    expect(readConfig(empty)).toEqual(nothing);
  });

  it('reads what is set', () => {
    const environment = {
      SKEWFLOW_LOG: 'debug',
      SKEWFLOW_TRACE_FD: '4',
      SKEWFLOW_THREADS: '3',
      REDIS_URL: 'redis://:x@host',
      SKEWFLOW_REDIS_PASSWORD_FILE: '/run/secrets/redis',
      SKEWFLOW_STORAGE: 'file:///mnt/skewflow',
      SKEWFLOW_LISTEN: '0.0.0.0:9464',
    };
    expect(readConfig(environment)).toEqual({
      logLevel: 'debug',
      traceDescriptor: 4,
      threads: 3,
      redisUrl: 'redis://:x@host',
      redisPasswordFile: '/run/secrets/redis',
      storage: 'file:///mnt/skewflow',
      listen: '0.0.0.0:9464',
      s3: readS3Settings({}),
    });
  });

  it.each([
    [
      { SKEWFLOW_LOG: 'loud' },
      'SKEWFLOW_LOG: expected one of silent, error, warn, info, debug, trace, got `loud`',
    ],
    [{ SKEWFLOW_THREADS: '0' }, 'SKEWFLOW_THREADS: expected a whole number from 1, got `0`'],
    [{ SKEWFLOW_THREADS: '2.5' }, 'SKEWFLOW_THREADS: expected a whole number from 1, got `2.5`'],
  ])('refuses %o', (environment, message) => {
    const caught = (() => {
      try {
        return readConfig(environment);
      } catch (error) {
        return error;
      }
    })();
    expect(isSkewflowError(caught, 'UsageError')).toBe(true);
    expect((caught as Error).message).toBe(message);
  });
});
