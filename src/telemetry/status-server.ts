/**
 * How does an operator see whether a process is well? `/metrics`, `/livez` and `/readyz` over HTTP, and nothing else.
 *
 * These three say nothing of jobs' contents, so they need no token; there is no other path, and no CORS. Without an
 * address nothing listens.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SkewflowError } from '../errors.ts';
import type { Metrics } from './metrics.ts';

/** Whether something holds, and if not, why. */
export interface Health {
  readonly ok: boolean;
  /** One line, e.g. `redis: unreachable for 12 s`. */
  readonly detail: string;
}

export interface StatusOptions {
  /** `host:port`, `[::1]:9464`, or a port alone, which listens on the loopback; port 0 takes a free one. */
  readonly listen: string;
  readonly metrics: Metrics;
  /** Whether restarting the process would not help. */
  readonly live: () => Health;
  /** Whether it can take work now. */
  readonly ready: () => Health;
}

export interface StatusServer extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/**
 * Start listening.
 *
 * @throws UsageError for an address that cannot be read or listened on
 */
export async function serveStatus(options: StatusOptions): Promise<StatusServer> {
  const { host, port } = parseListen(options.listen);
  const server = createServer((request, response) => {
    answer(request, response, options).catch(() => response.destroy());
  });
  server.requestTimeout = 5_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new SkewflowError('UsageError', `--listen ${options.listen}: ${cause.message}`, {}, { cause })),
    );
    server.listen(port, host, resolve);
  });
  // A process that is done does not stay for a scraper.
  server.unref();
  const address = server.address() as AddressInfo;
  return {
    host,
    port: address.port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  options: StatusOptions,
): Promise<void> {
  const send = (status: number, body: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : body);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'only GET\n');
  const [path = ''] = (request.url ?? '').split('?', 1);
  switch (path) {
    case '/livez':
      return sendHealth(send, options.live());
    case '/metrics':
      return send(200, await options.metrics.text(), options.metrics.contentType);
    case '/readyz':
      return sendHealth(send, options.ready());
    default:
      return send(404, 'one of /livez, /metrics, /readyz\n');
  }
}

function sendHealth(send: (status: number, body: string) => void, { ok, detail }: Health): void {
  send(ok ? 200 : 503, `${detail}\n`);
}

/**
 * The host and port of `--listen`.
 *
 * @throws UsageError
 */
export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:(?<host>\[[0-9a-fA-F:.]+\]|[^:[\]]+):)?(?<port>\d{1,5})$/.exec(text);
  const port = Number(match?.groups?.['port']);
  if (match === null || port > 65_535) {
    throw new SkewflowError('UsageError', `--listen: expected HOST:PORT, as 127.0.0.1:9464, got \`${text}\``);
  }
  const host = match.groups?.['host'] ?? '127.0.0.1';
  return { host: host.replace(/^\[|\]$/g, ''), port };
}
