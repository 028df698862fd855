import { describe, expect, test } from 'vitest';
import { parseS3Url, readS3Settings } from '../../src/objects/s3-settings.ts';

describe('readS3Settings', () => {
  test('knows nobody and goes to Amazon in us-east-1 by default', () => {
    expect(readS3Settings({})).toEqual({ credentials: null, region: 'us-east-1', endpoint: null });
    expect(readS3Settings({ AWS_ACCESS_KEY_ID: 'k' }).credentials).toBeNull();
  });

  test('prefers what is said of S3 alone', () => {
    expect(
      readS3Settings({
        AWS_ACCESS_KEY_ID: 'k',
        AWS_SECRET_ACCESS_KEY: 's',
        AWS_SESSION_TOKEN: 't',
        AWS_DEFAULT_REGION: 'eu-west-1',
        AWS_REGION: '',
        AWS_ENDPOINT_URL: 'https://all.example.org',
        AWS_ENDPOINT_URL_S3: 'http://s3.example.org:9000/base/',
      }),
    ).toEqual({
      credentials: { accessKeyId: 'k', secretAccessKey: 's', sessionToken: 't' },
      region: 'eu-west-1',
      endpoint: 'http://s3.example.org:9000/base',
    });
  });

  test.each(['s3.example.org', 'ftp://s3.example.org', '//s3'])('refuses the endpoint %s', (endpoint) => {
    expect(() => readS3Settings({ AWS_ENDPOINT_URL: endpoint })).toThrow(
      `AWS_ENDPOINT_URL: expected an http or https URL such as https://s3.example.org, got \`${endpoint}\``,
    );
  });
});

test.each([
  ['s3://bucket', { bucket: 'bucket', prefix: '' }],
  ['s3://bucket/', { bucket: 'bucket', prefix: '' }],
  ['s3://my.bucket-1/a/b c/', { bucket: 'my.bucket-1', prefix: 'a/b c' }],
  ['s3://bucket//a', { bucket: 'bucket', prefix: 'a' }],
  ['s3://b', null],
  ['s3://bucket/../other', null],
  ['s3:/bucket/a', null],
  ['https://bucket/a', null],
])('%s is read as %o', (text, place) => {
  expect(parseS3Url(text)).toEqual(place);
});
