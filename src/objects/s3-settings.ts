/** Where is the S3-compatible storage, and who are we there? What every S3 tool reads: variables, then a profile. */
import { SkewflowError } from '../errors.ts';
import { type Profile, profileOf } from './s3-profile.ts';

export interface S3Settings {
  readonly identity: S3Identity;
  readonly region: string;
  /** Of a server other than Amazon's, without a slash at its end; null: Amazon's. */
  readonly endpoint: string | null;
}

/** Who asks: somebody with keys, anybody at all, or nobody, and why that is so. */
export type S3Identity =
  | { readonly kind: 'anonymous' }
  | {
      readonly kind: 'keys';
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      readonly sessionToken: string | null;
    }
  | { readonly kind: 'unknown'; readonly why: string };

export interface S3Environment {
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
  readonly AWS_SESSION_TOKEN?: string | undefined;
  readonly AWS_REGION?: string | undefined;
  readonly AWS_DEFAULT_REGION?: string | undefined;
  readonly AWS_ENDPOINT_URL?: string | undefined;
  readonly AWS_ENDPOINT_URL_S3?: string | undefined;
  readonly AWS_NO_SIGN_REQUEST?: string | undefined;
  readonly AWS_PROFILE?: string | undefined;
  readonly AWS_SHARED_CREDENTIALS_FILE?: string | undefined;
  readonly AWS_CONFIG_FILE?: string | undefined;
  readonly HOME?: string | undefined;
  readonly USERPROFILE?: string | undefined;
}

/** What holds where nobody says more: nobody, at Amazon. */
export const noS3: S3Settings = Object.freeze({
  identity: Object.freeze({
    kind: 'unknown',
    why: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or AWS_NO_SIGN_REQUEST=yes for a public bucket (and AWS_ENDPOINT_URL for a storage other than Amazon's)",
  }),
  region: 'us-east-1',
  endpoint: null,
});

/**
 * The settings in an environment. Keys in variables go before a profile, `AWS_ENDPOINT_URL_S3` before `AWS_ENDPOINT_URL`,
 * `AWS_REGION` before `AWS_DEFAULT_REGION`, and all of them before the profile's; the default region is us-east-1.
 * `AWS_NO_SIGN_REQUEST` (GDAL's name for it; the AWS tools have an option only) asks as anybody.
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 *
 * @param fileText - the text of a file; null: it cannot be read
 * @throws UsageError for an endpoint that is no http or https URL
 */
export function readS3Settings(
  environment: S3Environment,
  fileText: (path: string) => string | null = () => null,
): S3Settings {
  const profile = profileOf(environment, fileText);
  return Object.freeze({
    identity: identityOf(environment, profile),
    region:
      set(environment.AWS_REGION, environment.AWS_DEFAULT_REGION, profile.settings.get('region')) ??
      noS3.region,
    endpoint: endpointOf(
      set(
        environment.AWS_ENDPOINT_URL_S3,
        environment.AWS_ENDPOINT_URL,
        profile.settings.get('endpoint_url'),
      ),
    ),
  });
}

/** The first that is set; an empty variable is not. */
function set(...texts: readonly (string | undefined)[]): string | null {
  return texts.find((text) => text !== undefined && text !== '') ?? null;
}

function identityOf(environment: S3Environment, { name, settings, found, files }: Profile): S3Identity {
  if (/^(1|true|yes|on)$/iu.test(environment.AWS_NO_SIGN_REQUEST ?? '')) return { kind: 'anonymous' };
  const own = keysOf(
    environment.AWS_ACCESS_KEY_ID,
    environment.AWS_SECRET_ACCESS_KEY,
    environment.AWS_SESSION_TOKEN,
  );
  if (own !== null) return own;
  const kept = keysOf(
    settings.get('aws_access_key_id'),
    settings.get('aws_secret_access_key'),
    settings.get('aws_session_token'),
  );
  if (kept !== null) return kept;
  const elsewhere = otherSources.find((key) => settings.has(key));
  if (elsewhere !== undefined) {
    return {
      kind: 'unknown',
      why: `the profile \`${name}\` gets its keys by \`${elsewhere}\`, which is not supported: export them, e.g. \`eval "$(aws configure export-credentials --profile ${name} --format env)"\``,
    };
  }
  if (set(environment.AWS_PROFILE) !== null) {
    const what = found ? `the profile \`${name}\` has no keys` : `there is no profile \`${name}\``;
    return { kind: 'unknown', why: `${what} in ${files.join(' or ')}` };
  }
  return noS3.identity;
}

/** Settings of a profile that say where keys come from, other than that they stand there. */
const otherSources = [
  'sso_session',
  'sso_start_url',
  'credential_process',
  'web_identity_token_file',
  'role_arn',
  'credential_source',
] as const;

function keysOf(
  accessKeyId: string | undefined,
  secretAccessKey: string | undefined,
  sessionToken: string | undefined,
): S3Identity | null {
  const [id, secret] = [set(accessKeyId), set(secretAccessKey)];
  if (id === null || secret === null) return null;
  return { kind: 'keys', accessKeyId: id, secretAccessKey: secret, sessionToken: set(sessionToken) };
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

/** Whether a text means a bucket, whatever else is wrong with it. */
export function isS3Url(text: string): boolean {
  return /^s3:\/\//iu.test(text);
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
