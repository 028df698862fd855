/** A real http server for tests, on a free port of this machine. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export interface Listening extends AsyncDisposable {
  /** `http://127.0.0.1:port`, and its `127.0.0.1:port`. */
  readonly url: string;
  readonly host: string;
}

/** Starts a server; disposing of it cuts every connection. */
export async function listening(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
): Promise<Listening> {
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a port was asked for');
  const host = `127.0.0.1:${address.port}`;
  return {
    url: `http://${host}`,
    host,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What a server of static files answers: a range if one is asked for, with an ETag. */
export function answerFile(
  request: IncomingMessage,
  response: ServerResponse,
  bytes: Buffer | null,
  validator: Readonly<Record<string, string>>,
): void {
  if (bytes === null) return void response.writeHead(404).end('nothing here');
  const { range, 'if-match': wanted } = request.headers;
  if (wanted !== undefined && wanted !== validator['etag']) return void response.writeHead(412).end();
  if (range === undefined) return void response.writeHead(200, validator).end(bytes);
  const [, from = '', to = ''] = /^bytes=(\d*)-(\d*)$/u.exec(range) ?? [];
  const begin = from === '' ? bytes.length - Number(to) : Number(from);
  const end = from === '' || to === '' ? bytes.length : Math.min(bytes.length, Number(to) + 1);
  if (begin >= bytes.length) return void response.writeHead(416).end();
  response.writeHead(206, { ...validator, 'content-range': `bytes ${begin}-${end - 1}/${bytes.length}` });
  response.end(bytes.subarray(begin, end));
}
