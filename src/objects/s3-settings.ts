/** Where is the S3-compatible storage, and who are we there? The variables every S3 tool reads. */
import { SkewflowError } from '../errors.ts';

export interface S3Settings {
  /** Null: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are not set. */
  readonly credentials: S3Credentials | null;
  readonly region: string;
  /** Of a server other than Amazon's, without a slash at its end; null: Amazon's. */
  readonly endpoint: string | null;
}

interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | null;
}

export interface S3Environment {
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
  readonly AWS_SESSION_TOKEN?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_DEFAULT_REGION?: string | undefined;
  readonly AWS_ENDPOINT_URL?: string | undefined;
  readonly AWS_ENDPOINT_URL_S3?: string | undefined;
}

/**
 * The settings in an environment. `AWS_ENDPOINT_URL_S3` goes before `AWS_ENDPOINT_URL`, `AWS_REGION` before
 * `AWS_DEFAULT_REGION`; the default region is us-east-1.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 *
 * @throws UsageError for an endpoint that is no http or https URL
 */
export function readS3Settings(environment: S3Environment): S3Settings {
  const set = (...texts: readonly (string | undefined)[]): string | null =>
    texts.find((text) => text !== undefined && text !== '') ?? null;
  const accessKeyId = set(environment.AWS_ACCESS_KEY_ID);
  const secretAccessKey = set(environment.AWS_SECRET_ACCESS_KEY);
  return Object.freeze({
    credentials:
      accessKeyId === null || secretAccessKey === null
        ? null
        : { accessKeyId, secretAccessKey, sessionToken: set(environment.AWS_SESSION_TOKEN) },
    region: set(environment.AWS_REGION, environment.AWS_DEFAULT_REGION) ?? 'us-east-1',
    endpoint: endpointOf(set(environment.AWS_ENDPOINT_URL_S3, environment.AWS_ENDPOINT_URL)),
  });
}

function endpointOf(text: string | null): string | null {
  if (text === null) return null;
  if (!URL.canParse(text) || !/^https?:/iu.test(text)) {
    throw new SkewflowError(
      'UsageError',
      `AWS_ENDPOINT_URL: expected an http or https URL such as https://s3.example.org, got \`${text}\``,
    );
  }
  const url = new URL(text);
  return `${url.origin}${url.pathname.replace(/\/+$/u, '')}`;
}

/** A bucket and what its keys begin with. */
export interface S3Place {
  readonly bucket: string;
  /** Without slashes at its ends; empty: the whole bucket. */
  readonly prefix: string;
}

/**
 * The place an `s3://bucket/prefix` names.
 *
 * @returns null for any other text
 */
export function parseS3Url(text: string): S3Place | null {
  const parts = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/(.*))?$/iu.exec(text);
  if (parts === null) return null;
  const prefix = (parts[2] ?? '').split('/').filter((name) => name !== '');
  if (prefix.includes('.') || prefix.includes('..')) return null;
  return { bucket: parts[1]!, prefix: prefix.join('/') };
}
