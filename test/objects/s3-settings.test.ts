import { describe, expect, test } from 'vitest';
import { noS3, parseS3Url, readS3Settings, type S3Environment } from '../../src/objects/s3-settings.ts';

describe('readS3Settings', () => {
  test('knows nobody and goes to Amazon in us-east-1 by default', () => {
    expect(readS3Settings({})).toEqual(noS3);
    expect(readS3Settings({ AWS_ACCESS_KEY_ID: 'k' }).identity.kind).toBe('unknown');
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
      identity: { kind: 'keys', accessKeyId: 'k', secretAccessKey: 's', sessionToken: 't' },
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

describe('a profile', () => {
  const files: Readonly<Record<string, string>> = {
    '/home/me/.aws/credentials': `
# made by hand
[default]
aws_access_key_id = default-id
aws_secret_access_key = se=cret
[work]
aws_access_key_id=work-id
aws_secret_access_key=work-secret
aws_session_token=work-token
[half]
aws_access_key_id = half-id
`,
    '/home/me/.aws/config': `
[default]
region = eu-north-1
[profile work]
region = eu-central-2
endpoint_url = https://s3.work.example
s3 =
    addressing_style = path
    region = never
[profile sso]
sso_session = corp
[profile kept]
aws_access_key_id = kept-id
aws_secret_access_key = kept-secret
[sso-session corp]
sso_region = us-west-2
`,
  };
  const settings = (environment: S3Environment) =>
    readS3Settings({ HOME: '/home/me', ...environment }, (path) => files[path] ?? null);

  test('is the default one where none is named, and goes after variables', () => {
    expect(settings({})).toEqual({
      identity: {
        kind: 'keys',
        accessKeyId: 'default-id',
        secretAccessKey: 'se=cret',
        sessionToken: null,
      },
      region: 'eu-north-1',
      endpoint: null,
    });
    const own = settings({ AWS_ACCESS_KEY_ID: 'k', AWS_SECRET_ACCESS_KEY: 's', AWS_REGION: 'r' });
    expect(own).toMatchObject({ identity: { accessKeyId: 'k' }, region: 'r' });
  });

  test('has keys, region and endpoint of its own, in either file', () => {
    expect(settings({ AWS_PROFILE: 'work' })).toEqual({
      identity: {
        kind: 'keys',
        accessKeyId: 'work-id',
        secretAccessKey: 'work-secret',
        sessionToken: 'work-token',
      },
      region: 'eu-central-2',
      endpoint: 'https://s3.work.example',
    });
    expect(settings({ AWS_PROFILE: 'kept' }).identity).toMatchObject({ accessKeyId: 'kept-id' });
  });

  test.each([
    ['sso', /`sso` gets its keys by `sso_session`, which is not supported: export them, e\.g\. `eval/u],
    ['half', /^the profile `half` has no keys in \/home\/me\/\.aws\/credentials or/u],
    ['none', /^there is no profile `none` in/u],
  ])('%s says why it cannot be used', (name, why) => {
    expect(settings({ AWS_PROFILE: name }).identity).toEqual({
      kind: 'unknown',
      why: expect.stringMatching(why),
    });
  });

  test('may lie elsewhere, or nowhere', () => {
    const moved = { AWS_SHARED_CREDENTIALS_FILE: '/home/me/.aws/credentials', AWS_CONFIG_FILE: '/none' };
    expect(readS3Settings(moved, (path) => files[path] ?? null)).toMatchObject({
      identity: { accessKeyId: 'default-id' },
      region: 'us-east-1',
    });
    expect(readS3Settings({ HOME: '/home/you' }, () => null)).toEqual(noS3);
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
