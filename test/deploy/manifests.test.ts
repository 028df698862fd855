/**
 * Are the manifests what a careful operator asks for? Rendered, validated and held to the policies of `deploy/README.md`.
 */
import { describe, expect, it } from 'vitest';
import { type Container, missingKubectl, overlays, podsOf, render } from './rendered.ts';
import { unknownFields, validate } from './schemas.ts';

const missing = missingKubectl();
if (missing !== null && process.env['CI'] === 'true') throw new Error(missing);

describe.skipIf(missing !== null)(`the overlays${missing === null ? '' : ` (skipped: ${missing})`}`, () => {
  it('are there for every kind of device and way to scale', () => {
    expect(overlays).toEqual([
      'amd',
      'cpu',
      'dev-redis',
      'indexed-job',
      'intel',
      'keda',
      'kueue',
      'nvidia',
      's3',
    ]);
  });

  it('have no field that the API does not know, and every value of its type', () => {
    expect(unknownFields(overlays.flatMap(render))).toEqual([]);
  }, 120_000);

  it('would be caught with a field too many', () => {
    const [deployment] = render('cpu').filter(({ kind }) => kind === 'Deployment');
    const wrong = { ...deployment!, spec: { ...deployment!.spec, replica: 3 } };
    expect(unknownFields([wrong]).join()).toMatch(/replica/);
  }, 120_000);

  it('keep everything in a bucket, and mount and claim no volume, with s3', () => {
    const rendered = render('s3');
    expect(rendered.filter(({ kind }) => kind === 'PersistentVolumeClaim')).toEqual([]);
    const text = JSON.stringify(rendered);
    expect(text).not.toContain('persistentVolumeClaim');
    expect(text.match(/s3:\/\/skewflow\/runs/g)).toHaveLength(3);
  }, 120_000);

  describe.each(overlays)('%s', (overlay) => {
    it('validates, object by object', async () => {
      for (const object of render(overlay)) await validate(object);
    });

    it('names every object once, in the namespace', () => {
      const names = render(overlay).map(({ kind, metadata }) => `${kind}/${metadata.name}`);
      expect(new Set(names).size).toBe(names.length);
      const outside = render(overlay).filter(
        ({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'skewflow',
      );
      expect(outside.map(({ metadata }) => metadata.name)).toEqual([]);
    });

    it('runs nothing as root, with a writable root or with capabilities', () => {
      for (const { pod } of podsOf(overlay)) {
        expect(pod.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        });
        expect(pod.automountServiceAccountToken).toBe(false);
        for (const { securityContext } of pod.containers) {
          expect(securityContext).toMatchObject({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          });
        }
      }
    });

    it('limits processor and memory of every container', () => {
      for (const { resources } of containersOf(overlay)) {
        expect(Object.keys(resources?.limits ?? {})).toEqual(expect.arrayContaining(['cpu', 'memory']));
        expect(Object.keys(resources?.requests ?? {})).toEqual(expect.arrayContaining(['cpu', 'memory']));
      }
    });

    it('pins every image', () => {
      for (const { image } of containersOf(overlay)) {
        expect(image).toMatch(/:[^:/]+$/);
        expect(image).not.toMatch(/:latest$/);
      }
    });

    it('takes secrets by reference only', () => {
      for (const { env } of containersOf(overlay)) {
        for (const { name, value } of env ?? []) {
          if (/URL|PASSWORD|SECRET|TOKEN|KEY/.test(name) && !name.endsWith('_FILE'))
            expect(value).toBeUndefined();
        }
      }
      const text = JSON.stringify(render(overlay));
      expect(text).not.toMatch(/redis:\/\/[^"]*:[^"]*@/);
      expect(render(overlay).filter(({ kind }) => kind === 'Secret')).toEqual([]);
    });

    it('probes every process that stays, and gives it time to drain', () => {
      for (const { owner, pod } of podsOf(overlay)) {
        if (owner.kind === 'Job' && overlay === 'indexed-job') continue;
        for (const { startupProbe, readinessProbe, livenessProbe } of pod.containers) {
          expect([startupProbe, readinessProbe, livenessProbe]).not.toContain(undefined);
        }
        // SIGTERM → exit within 25 s is promised; the pod is given more.
        const grace = pod.terminationGracePeriodSeconds ?? 30;
        expect(grace).toBeGreaterThan(25);
      }
    });

    it('gives a pod one GPU at most', () => {
      for (const { resources } of containersOf(overlay)) {
        const gpus = Object.entries(resources?.limits ?? {}).filter(([name]) => name.includes('gpu'));
        expect(gpus.map(([, count]) => Number(count))).toEqual(gpus.map(() => 1));
      }
    });
  });

  it.each([
    ['nvidia', 'nvidia.com/gpu'],
    ['amd', 'amd.com/gpu'],
    ['intel', 'gpu.intel.com/i915'],
  ])('%s asks for its GPU and computes on it', (overlay, resource) => {
    const worker = containersOf(overlay).find(({ name }) => name === 'worker');
    expect(worker?.resources?.limits).toHaveProperty([resource], 1);
    expect(worker?.args).toEqual(expect.arrayContaining(['--engine', 'webgpu']));
  });

  it('lets KEDA alone say how many workers there are', () => {
    const worker = render('keda').find(({ metadata }) => metadata.name === 'skewflow-worker');
    expect(worker?.spec).not.toHaveProperty('replicas');
  });

  it.each(['cpu', 'indexed-job'])(
    '%s lets nothing in but scrapers, and out only to DNS, Redis and https',
    (overlay) => {
      const policies = render(overlay).filter(({ kind }) => kind === 'NetworkPolicy');
      const types = policies.flatMap(({ spec }) => spec?.['policyTypes'] as string[]);
      expect(types.sort()).toEqual(['Egress', 'Ingress']);
    },
  );
});

function containersOf(overlay: string): readonly Container[] {
  return podsOf(overlay).flatMap(({ pod }) => pod.containers);
}
