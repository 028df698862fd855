/**
 * How does a request reach an S3 storage, and its answer us? Signed by aws4fetch, waited for as long as something comes, and sent
 * again where that may help: after a lost connection, half an answer, or a failure that says it will pass.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import type { S3Settings } from './s3-settings.ts';
import { element } from './s3-text.ts';

/** Attempts at a request, and the longest first wait between them. */
const attemptsMax = 5;
const firstWaitMs = 100;
/** No attempt begins later than this after the first: whoever asked is told why it waits. */
const attemptsMs = 60_000;
/** Without a byte of an answer, on top of the time that the request itself may take; and for one answer in all. */
const silenceMs = 30_000;
const answerMs = 600_000;
/** How slow a link may be that takes a request: 1 Mbit/s. */
const sentBytesPerMs = 128;
/** A storage that copies or joins parts may say nothing until it has done so. */
const copyMs = 120_000;

/** A request as its kind needs it. */
export interface S3Request {
  readonly method: 'DELETE' | 'GET' | 'HEAD' | 'POST' | 'PUT';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** The storage may copy for long before it answers, and then say with status 200 that it failed. */
  readonly copies?: boolean;
}

/** An answer that has come whole. */
export interface S3Answer {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly headers: Headers;
  readonly bytes: Buffer;
}

/** An answer, or why there is none after all attempts: that may pass. */
export type S3Outcome =
  | { readonly kind: 'answer'; readonly answer: S3Answer }
  | { readonly kind: 'unreachable'; readonly why: string };

/** Sends requests, signed where somebody asks. */
interface Signer {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

export class S3Requests {
  readonly #signer: Signer;

  private constructor(signer: Signer) {
    this.#signer = signer;
  }

  /** @throws UsageError, with the storage's URL, when the environment does not say who asks */
  static async of(url: string, { identity, region }: S3Settings): Promise<S3Requests> {
    switch (identity.kind) {
      case 'anonymous':
        return new S3Requests({ fetch: (target, init) => fetch(target, init) });
      case 'unknown':
        throw new SkewflowError('UsageError', `${url}: ${identity.why}`);
      case 'keys': {
        const { AwsClient } = await import('aws4fetch');
        const { accessKeyId, secretAccessKey, sessionToken } = identity;
        const session = sessionToken === null ? {} : { sessionToken };
        return new S3Requests(
          new AwsClient({ accessKeyId, secretAccessKey, ...session, service: 's3', region, retries: 0 }),
        );
      }
    }
  }

  /** Send until there is an answer that sending again would not better. */
  async send(request: S3Request): Promise<S3Outcome> {
    const begun = performance.now();
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#attempt(request).catch(reasonOf);
      const why = typeof answer === 'string' ? answer : passing(answer, request.copies ?? false);
      if (typeof answer !== 'string' && why === null) return { kind: 'answer', answer };
      if (attempt === attemptsMax || performance.now() - begun > attemptsMs) {
        return { kind: 'unreachable', why: `${why} (tried ${attempt} times)` };
      }
      await sleep(Math.random() * firstWaitMs * 2 ** attempt);
    }
  }

  async #attempt({ method, url, headers, body, copies = false }: S3Request): Promise<S3Answer> {
    const halt = new AbortController();
    const patienceMs = (copies ? copyMs : silenceMs) + (body?.length ?? 0) / sentBytesPerMs;
    const stop = (ms: number): void => halt.abort(new Error(`nothing came for ${Math.round(ms / 1000)} s`));
    const silence = setTimeout(stop, patienceMs, patienceMs);
    const late = setTimeout(stop, answerMs, answerMs);
    try {
      const hash = createHash('sha256')
        .update(body ?? '')
        .digest('hex');
      const response = await this.#signer.fetch(url, {
        method,
        // Signed with the request, so that what arrives is what was sent.
        headers: { ...headers, 'x-amz-content-sha256': hash },
        ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
        signal: halt.signal,
      });
      const parts: Uint8Array[] = [];
      for await (const part of response.body ?? []) {
        silence.refresh();
        parts.push(part);
      }
      const { ok, status, statusText } = response;
      return { ok, status, statusText, headers: response.headers, bytes: Buffer.concat(parts) };
    } finally {
      clearTimeout(silence);
      clearTimeout(late);
    }
  }
}

/** What an answer says in an element of this name; null: it has none. */
export function saidIn({ bytes }: S3Answer, name: string): string | null {
  return element(bytes.toString('utf8'), name);
}

/** What S3 answers when it could not do now what it may do later, whatever the status is. */
const passingCodes: ReadonlySet<string | null> = new Set([
  'InternalError',
  'RequestTimeout',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
]);

/**
 * Why a request is sent again; null: its answer stands.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
 */
function passing(answer: S3Answer, copies: boolean): string | null {
  const { ok, status, statusText } = answer;
  if (ok && !copies) return null;
  // 501 is what a storage says that has no such thing as was asked for.
  const passes =
    status === 429 || (status >= 500 && status !== 501) || passingCodes.has(saidIn(answer, 'Code'));
  return passes ? `the storage answers ${status} ${saidIn(answer, 'Message') ?? statusText}` : null;
}

/** fetch says `fetch failed`, or `terminated`, and keeps the reason as its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? reasonOf(error.cause) : error.message;
}
