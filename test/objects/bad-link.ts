/**
 * What goes wrong between us and a bucket? A proxy in front of a server, which lets requests pass or does to them what happens
 * to requests on bad days: refused, cut off before or after they took effect, answered in part, slowly, or with a failure inside.
 */
import {
  request as forward,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { listening } from '../http-server.ts';

/** What is done to one request. */
export type Mishap =
  /** 503 SlowDown, 500 InternalError, 400 RequestTimeout: nothing took effect, and trying again is right. */
  | 'busy'
  | 'broken'
  | 'late'
  /** 403: the credentials are over, or the clocks differ too much. */
  | 'expired'
  | 'skewed'
  /** The connection is reset: before the server hears of the request, or when it has done what was asked. */
  | 'cut-before'
  | 'cut-after'
  /** Half of the answer's body, then a reset; all of it, in pieces over a second. */
  | 'truncated'
  | 'slow'
  /** Status 200 and a document that says it failed, as the requests that take long are answered. */
  | 'failed-inside'
  /** As if the server had not heard the request that came just before it took effect: done, answered with 503. */
  | 'done-but-busy';

/** Those that trying again gets over. */
export const passingMishaps = [
  'busy',
  'broken',
  'late',
  'cut-before',
  'cut-after',
  'done-but-busy',
  'truncated',
] as const satisfies readonly Mishap[];

/** A request, as whoever draws mishaps sees it. */
export interface Asked {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
}

export interface BadLink extends AsyncDisposable {
  readonly url: string;
  /** What was done, in order: `PUT /bucket/key cut-after`. */
  readonly mishaps: readonly string[];
}

/** Starts a proxy in front of `endpoint`. */
export async function badLink(endpoint: string, draw: (asked: Asked) => Mishap | null): Promise<BadLink> {
  const mishaps: string[] = [];
  const ended = new Set<string>();
  const server = await listening(async (request, response) => {
    const asked = { method: request.method ?? '', url: request.url ?? '', headers: request.headers };
    const mishap = draw(asked);
    if (mishap !== null) mishaps.push(`${asked.method} ${asked.url} ${mishap}`);
    try {
      await pass(endpoint, { request, response, mishap, ended });
    } catch {
      response.destroy();
    }
  });
  return { url: server.url, mishaps, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

const refusals: Readonly<Partial<Record<Mishap, readonly [number, string, string]>>> = {
  busy: [503, 'SlowDown', 'Please reduce your request rate.'],
  broken: [500, 'InternalError', 'We encountered an internal error. Please try again.'],
  late: [400, 'RequestTimeout', 'Your socket connection to the server was not read from or written to.'],
  expired: [403, 'ExpiredToken', 'The provided token has expired.'],
  skewed: [
    403,
    'RequestTimeTooSkewed',
    'The difference between the request time and the current time is too large.',
  ],
  'failed-inside': [200, 'InternalError', 'We encountered an internal error. Please try again.'],
};

interface Passing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly mishap: Mishap | null;
  /** Uploads that are complete: most servers do not know them any more; moto does. */
  readonly ended: Set<string>;
}

async function pass(endpoint: string, { request, response, mishap, ended }: Passing): Promise<void> {
  if (mishap === 'cut-before') return void request.socket.resetAndDestroy();
  const body = await bytesOf(request);
  const refusal = mishap === null ? undefined : refusals[mishap];
  if (refusal !== undefined) return refuse(response, ...refusal);
  const upload = request.method === 'POST' ? (/\?uploadId=.*$/u.exec(request.url ?? '')?.[0] ?? null) : null;
  if (upload !== null && ended.has(upload)) {
    return refuse(
      response,
      404,
      'NoSuchUpload',
      'The upload ID may be invalid, or the upload may be completed.',
    );
  }
  const answer = await answered(endpoint, request, body);
  if (upload !== null && answer.status === 200) ended.add(upload);
  if (mishap === 'cut-after') return void request.socket.resetAndDestroy();
  if (mishap === 'done-but-busy')
    return refuse(response, 503, 'SlowDown', 'Please reduce your request rate.');
  response.writeHead(answer.status, answer.headers);
  if (mishap === 'truncated') {
    response.write(answer.bytes.subarray(0, answer.bytes.length >> 1));
    await sleep(20);
    return void request.socket.resetAndDestroy();
  }
  if (mishap === 'slow') {
    for (let n = 0; n < 10; n++) {
      const at = (part: number): number => Math.floor((answer.bytes.length * part) / 10);
      response.write(answer.bytes.subarray(at(n), at(n + 1)));
      await sleep(100);
    }
    return void response.end();
  }
  response.end(answer.bytes);
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

function answered(endpoint: string, request: IncomingMessage, body: Buffer): Promise<Answer> {
  const { method, url = '', headers } = request;
  return new Promise((resolve, reject) => {
    const onward = forward(`${endpoint}${url}`, { method, headers }, (answer) => {
      bytesOf(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, bytes }),
        reject,
      );
    });
    onward.on('error', reject);
    onward.end(body);
  });
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}
