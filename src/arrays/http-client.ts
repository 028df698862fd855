/** How is something got over http? From hosts that may be asked only, with a limit on everything. */
import { lookup } from 'node:dns';
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { SkewflowError } from '../errors.ts';
import { isPublicAddress } from './public-address.ts';
import type { Reach } from './reach.ts';

const redirectsMax = 5;
/** Without a byte, and for one answer in all. */
const silenceMs = 30_000;
const answerMs = 600_000;
/** Attempts at a request that met a lost connection, a 429 or a 5xx. */
const attemptsMax = 4;
const firstWaitMs = 200;

/** An answer that is neither a redirect nor a failure of the server. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
}

export interface HttpRequest {
  readonly headers?: Readonly<Record<string, string>>;
  /** Longer answers are refused before they are read. */
  readonly bytesMax: number;
  /** Statuses whose body nobody wants: it is not read. */
  readonly withoutBody?: readonly number[];
}

/** Which hosts may be asked. */
export type AllowedHosts = Pick<Reach, 'allowHosts' | 'publicHosts'>;

/** Connections to the hosts of one job. */
export class HttpClient {
  readonly #allowHosts: ReadonlySet<string>;
  readonly #publicHosts: boolean;
  readonly #http: HttpAgent;
  readonly #https: HttpsAgent;

  constructor({ allowHosts, publicHosts }: AllowedHosts) {
    this.#publicHosts = publicHosts;
    this.#allowHosts = new Set(allowHosts.map((host) => host.toLowerCase()));
    // Connections of its own: one that another client was allowed to make is never taken up again by this one.
    this.#http = new HttpAgent({ keepAlive: true });
    this.#https = new HttpsAgent({ keepAlive: true });
  }

  /**
   * GET, along redirects.
   *
   * @throws InputError for a host that may not be asked; OutOfReachError for one that does not answer
   */
  async get(url: URL, wanted: HttpRequest): Promise<HttpAnswer> {
    for (let attempt = 1; ; attempt++) {
      let why: string;
      try {
        const answer = await this.#follow(url, wanted);
        if (answer.status < 500 && answer.status !== 429) return answer;
        why = `the server answers ${answer.status}`;
      } catch (error) {
        if (error instanceof SkewflowError) throw error;
        why = error instanceof Error ? error.message : String(error);
      }
      if (attempt === attemptsMax) {
        throw new SkewflowError(
          'OutOfReachError',
          `${withoutQuery(url)}: ${why} (tried ${attemptsMax} times)`,
        );
      }
      await sleep(Math.random() * firstWaitMs * 2 ** attempt);
    }
  }

  /** Ends the connections. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #follow(first: URL, wanted: HttpRequest): Promise<HttpAnswer> {
    let url = first;
    for (let redirects = 0; redirects <= redirectsMax; redirects++) {
      const answer = await this.#ask(url, wanted);
      const { location } = answer.headers;
      const redirected = [301, 302, 303, 307, 308].includes(answer.status) && location !== undefined;
      if (!redirected) return answer;
      if (!URL.canParse(location, url.href))
        throw refusal(first, `it is redirected to \`${location}\`, which is no URL`);
      url = new URL(location, url.href);
    }
    throw refusal(first, `it is redirected more than ${redirectsMax} times`);
  }

  #ask(url: URL, { headers = {}, bytesMax, withoutBody = [] }: HttpRequest): Promise<HttpAnswer> {
    const allowed =
      this.#allowHosts.has(url.host.toLowerCase()) || this.#allowHosts.has(url.hostname.toLowerCase());
    this.#refuseUnsafe(url, allowed);
    const secure = url.protocol === 'https:';
    return new Promise((resolve, reject) => {
      const request = (secure ? httpsRequest : httpRequest)(url, {
        agent: secure ? this.#https : this.#http,
        // What is read is what lies there: a compressed answer has other ranges.
        headers: { ...headers, 'accept-encoding': 'identity', 'user-agent': 'skewflow' },
        timeout: silenceMs,
        signal: AbortSignal.timeout(answerMs),
        ...(allowed ? {} : { lookup: publicLookup(url) }),
      });
      request.on('timeout', () =>
        request.destroy(new Error(`the server was silent for ${silenceMs / 1000} s`)),
      );
      request.on('error', reject);
      request.on('response', (response) => {
        const status = response.statusCode ?? 0;
        const done = (bytes: Buffer): void => resolve({ status, headers: response.headers, bytes });
        if (status >= 300 || withoutBody.includes(status)) {
          // Not worth reading; the connection is closed with it.
          response.destroy();
          return done(Buffer.alloc(0));
        }
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (part: Buffer) => {
          size += part.length;
          parts.push(part);
          if (size > bytesMax) response.destroy(refusal(url, `the answer is longer than ${bytesMax} bytes`));
        });
        response.on('error', reject);
        response.on('end', () => done(Buffer.concat(parts)));
      });
      request.end();
    });
  }

  #refuseUnsafe(url: URL, allowed: boolean): void {
    if (url.username !== '' || url.password !== '') {
      throw refusal(url, 'a URL holds no user name and no password');
    }
    if (allowed && /^https?:$/u.test(url.protocol)) return;
    if (!this.#publicHosts) {
      throw refusal(
        url,
        `this host may not be read here: coordinators and workers allow it with \`--allow-host ${url.host}\``,
      );
    }
    if (url.protocol !== 'https:') {
      throw refusal(
        url,
        `only https is read; a host of your own is allowed with \`--allow-host ${url.host}\``,
      );
    }
    const address = url.hostname.replace(/^\[|\]$/gu, '');
    // A numeric address is never looked up.
    if (isIP(address) !== 0 && !isPublicAddress(address)) throw privateAddress(url, address);
  }
}

/** Looks a name up and refuses it unless all of its addresses are public; what is checked is what is connected to. */
function publicLookup(url: URL): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, [], 0);
      const inside = addresses.find(({ address }) => !isPublicAddress(address));
      if (inside !== undefined) return callback(privateAddress(url, inside.address), [], 0);
      if (options.all === true) return callback(null, addresses);
      const [first] = addresses;
      callback(null, first?.address ?? '', first?.family ?? 0);
    });
  };
}

function privateAddress(url: URL, address: string): SkewflowError {
  return refusal(
    url,
    `${url.hostname} is ${address}, no public address; a host of your own is allowed with \`--allow-host ${url.host}\``,
  );
}

function refusal(url: URL, why: string): SkewflowError {
  return new SkewflowError('InputError', `${withoutQuery(url)}: ${why}`);
}

/** A URL as messages and digests name it: a query may hold a signature, which is a secret and changes. */
export function withoutQuery(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}
