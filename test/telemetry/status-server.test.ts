import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics, type MetricName, metricTable } from '../../src/telemetry/metrics.ts';
import {
  type Health,
  parseListen,
  type StatusServer,
  serveStatus,
} from '../../src/telemetry/status-server.ts';

describe('the status server', () => {
  let server: StatusServer | null = null;
  afterEach(async () => {
    await server?.[Symbol.asyncDispose]();
    server = null;
  });
  const start = async (
    ready: () => Health,
  ): Promise<(path: string, init?: RequestInit) => Promise<Response>> => {
    server = await serveStatus({
      listen: '127.0.0.1:0',
      metrics: createMetrics('worker'),
      live: () => ({ ok: true, detail: 'alive' }),
      ready,
    });
    const { host, port } = server;
    return (path, init) => fetch(`http://${host}:${port}${path}`, init);
  };

  it('says whether the process is ready, and why not', async () => {
    let ready = false;
    const get = await start(() => ({ ok: ready, detail: ready ? 'ready' : 'redis: unreachable for 3 s' }));
    const before = await get('/readyz');
    expect([before.status, await before.text()]).toEqual([503, 'redis: unreachable for 3 s\n']);
    ready = true;
    expect((await get('/readyz')).status).toBe(200);
    expect((await get('/livez')).status).toBe(200);
  });

  it('serves metrics as Prometheus reads them', async () => {
    const get = await start(() => ({ ok: true, detail: 'ready' }));
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain');
    const text = await response.text();
    expect(text).toContain('# TYPE skewflow_shards_total counter');
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).not.toContain('skewflow_iterations_total');
  });

  it('has no other path and takes nothing', async () => {
    const get = await start(() => ({ ok: true, detail: 'ready' }));
    expect((await get('/')).status).toBe(404);
    expect((await get('/metrics/../secrets')).status).toBe(404);
    expect((await get('/livez', { method: 'POST', body: 'x' })).status).toBe(405);
    expect((await get('/livez')).headers.get('access-control-allow-origin')).toBeNull();
  });

  it.each([
    ['9464', '127.0.0.1', 9464],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::1]:9464', '::1', 9464],
    ['localhost:0', 'localhost', 0],
  ] as const)('reads %s', (text, host, port) => {
    expect(parseListen(text)).toEqual({ host, port });
  });

  it.each(['', 'host', 'host:', '1.2.3.4:99999', '::1:80', 'a:b:1'])('refuses %j as an address', (text) => {
    expect(() => parseListen(text)).toThrow(/HOST:PORT/);
  });

  it('says so when the port is taken', async () => {
    await start(() => ({ ok: true, detail: 'ready' }));
    const listen = `127.0.0.1:${server?.port}`;
    const health = (): Health => ({ ok: true, detail: '' });
    await expect(
      serveStatus({ listen, metrics: createMetrics('worker'), live: health, ready: health }),
    ).rejects.toThrow(/EADDRINUSE/);
  });
});

describe('the metrics', () => {
  it.each(Object.keys(metricTable) as MetricName[])('%s is named by the rules', (name) => {
    const { kind, help } = metricTable[name];
    expect(name).toMatch(/^skewflow_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(kind === 'counter');
    if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
    expect(help).toMatch(/\.$/);
  });

  it('keeps two processes of one test apart', async () => {
    const [a, b] = [createMetrics('coordinator'), createMetrics('coordinator')];
    a.count('skewflow_iterations_total', 3, {});
    a.count('skewflow_notices_total', 1, { code: 'WORKER_LOST' });
    a.observe('skewflow_iteration_seconds', 0.02, { phase: 'gradient' });
    a.set('skewflow_queue_depth', 4, { queue: 'seats', state: 'waiting' });
    const text = await a.text();
    expect(text).toContain('skewflow_iterations_total{role="coordinator"} 3');
    expect(text).toContain('skewflow_notices_total{code="WORKER_LOST",role="coordinator"} 1');
    expect(text).toContain('skewflow_iteration_seconds_count{role="coordinator",phase="gradient"} 1');
    expect(text).toContain('skewflow_queue_depth{queue="seats",state="waiting",role="coordinator"} 4');
    expect(await b.text()).toContain('skewflow_iterations_total{role="coordinator"} 0');
  });
});
