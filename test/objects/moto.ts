/** A real S3 server for tests: moto's, an implementation in Python that is not ours. */
import { spawn } from 'node:child_process';
import { readS3Settings, type S3Settings } from '../../src/objects/s3-settings.ts';
import { pythonWith } from '../python.ts';

/** The interpreter that has moto, or null. */
export const motoPython = pythonWith('moto.server');

/** Why tests are skipped, for their titles. */
export const motoMissing = motoPython === null ? ' (skipped: no Python with `moto[server]` here)' : '';

/** What the environment of a process that uses the server holds. */
export interface Moto extends AsyncDisposable {
  readonly environment: Readonly<Record<string, string>>;
  readonly settings: S3Settings;
  readonly endpoint: string;
}

/** Keys on one page of a list: Amazon's server gives 1000. */
export const pageKeys = 10;

/** Starts a server on a free port and makes a bucket in it. */
export async function startMoto(bucket: string): Promise<Moto> {
  // A port of 0 is printed by the server once it listens.
  const child = spawn(motoPython!, ['-m', 'moto.server', '-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, MOTO_S3_DEFAULT_MAX_KEYS: String(pageKeys) },
  });
  const port = await new Promise<string>((resolve, reject) => {
    let text = '';
    const listen = (data: Buffer): void => {
      text += data.toString();
      const found = /127\.0\.0\.1:(\d+)/u.exec(text)?.[1];
      if (found !== undefined) resolve(found);
    };
    child.stdout.on('data', listen);
    child.stderr.on('data', listen);
    child.on('exit', (code) => reject(new Error(`moto ended with ${code}: ${text}`)));
    child.on('error', reject);
  });
  const endpoint = `http://127.0.0.1:${port}`;
  const environment = {
    AWS_ACCESS_KEY_ID: 'a-key',
    AWS_SECRET_ACCESS_KEY: 'its/secret+',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL_S3: endpoint,
  };
  const made = await fetch(`${endpoint}/${bucket}`, {
    method: 'PUT',
    body: '<CreateBucketConfiguration><LocationConstraint>eu-central-1</LocationConstraint></CreateBucketConfiguration>',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=a-key/20260101/eu-central-1/s3/aws4_request' },
  });
  if (!made.ok) throw new Error(`no bucket: ${await made.text()}`);
  return {
    environment,
    settings: readS3Settings(environment),
    endpoint,
    [Symbol.asyncDispose]: async () => {
      child.kill();
    },
  };
}
