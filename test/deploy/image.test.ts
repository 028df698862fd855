/**
 * Is the image built and are the services started as `deploy/README.md` says? The files are read; what they do when they
 * run is written there with the day it was tried.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { alerts } from './asked-metrics.ts';
import { compose } from './commands.ts';
import { deployFolder } from './rendered.ts';

const read = (name: string): string => readFileSync(`${deployFolder}${name}`, 'utf8');
const root = `${deployFolder}../`;

describe('the Dockerfile', () => {
  const text = read('Dockerfile');
  /** Instructions with their continuation lines joined, comments left out. */
  const instructions = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '');

  it('starts every stage from one pinned image of Debian', () => {
    const stages = instructions.filter((line) => line.startsWith('FROM'));
    expect(stages.map((line) => line.replace(/\$\{NODE_IMAGE\}/, 'NODE_IMAGE'))).toEqual([
      'FROM NODE_IMAGE AS build',
      'FROM NODE_IMAGE',
    ]);
    expect(text).toMatch(/^ARG NODE_IMAGE=node:22-trixie-slim$/m);
  });

  it('ends as a user without rights, with an init that reaps', () => {
    expect(instructions.filter((line) => line.startsWith('USER')).at(-1)).toBe('USER 10001:10001');
    const entry = instructions.find((line) => line.startsWith('ENTRYPOINT'));
    expect(entry).toBe('ENTRYPOINT ["/usr/bin/tini", "--", "/opt/skewflow/bin/skewflow.js"]');
  });

  it('installs no tools to build with and leaves no lists of packages', () => {
    const [install] = instructions.filter((line) => line.includes('apt-get install'));
    expect(install).toContain('--no-install-recommends');
    expect(install).toContain('rm -rf /var/lib/apt/lists/*');
    expect(install).not.toMatch(/gcc|g\+\+|make|python|build-essential/);
  });

  it('brings what Vulkan needs, on the vendors’ drivers too', () => {
    for (const name of ['libvulkan1', 'mesa-vulkan-drivers', 'libegl1', 'libx11-6', 'libxext6']) {
      expect(text).toContain(name);
    }
    expect(text).toContain('NVIDIA_DRIVER_CAPABILITIES=compute,utility,graphics');
    const { ICD } = JSON.parse(read('nvidia_icd.json')) as { ICD: { library_path: string } };
    expect(ICD.library_path).toBe('libGLX_nvidia.so.0');
  });

  it('copies only what is there', () => {
    const copied = instructions
      .filter((line) => line.startsWith('COPY') && !line.includes('--from='))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    expect(copied.filter((path) => !existsSync(`${root}${path}`))).toEqual([]);
    const ignore = read('Dockerfile.dockerignore').split('\n');
    expect(
      copied.filter((path) => !ignore.some((line) => `!${path}`.startsWith(line) && line !== '*')),
    ).toEqual([]);
  });
});

describe('compose.yaml', () => {
  const { services, volumes } = compose;

  it('has the services that the README names', () => {
    const readme = read('README.md');
    for (const name of Object.keys(services)) expect(readme).toContain(`\`${name}\``);
    expect(Object.keys(volumes).sort()).toEqual(['redis', 'storage']);
    // Compose looks for it from its own file's folder.
    const [, password] = /:-\.\/(.*)\}$/.exec(compose.secrets['redis-password']?.file ?? '') ?? [];
    expect(readme).toContain(`> deploy/${password} `);
  });

  it('pins its images, and keeps the password in a file', () => {
    for (const { image } of Object.values(services)) expect(image).toMatch(/:(?!latest)[^:]+$/);
    expect(read('compose.yaml')).not.toMatch(/redis:\/\/[^@\s]*:[^@\s]*@/);
    expect(services['worker']?.environment).toMatchObject({
      SKEWFLOW_REDIS_PASSWORD_FILE: '/run/secrets/redis-password',
    });
  });

  it('gives a process longer to stop than it takes', () => {
    for (const name of ['coordinator', 'worker', 'worker-nvidia']) {
      expect(Number.parseInt(services[name]?.stop_grace_period ?? '0', 10)).toBeGreaterThan(25);
      expect(services[name]?.read_only).toBe(true);
    }
  });
});

describe('the systemd units', () => {
  it.each(['skewflow-coordinator.service', 'skewflow-worker@.service'])(
    '%s stops longer than a drain takes',
    (name) => {
      const unit = read(`systemd/${name}`);
      expect(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1])).toBeGreaterThan(25);
      expect(unit).toMatch(/^User=skewflow$/m);
      expect(unit).toMatch(/^NoNewPrivileges=yes$/m);
    },
  );
});

describe('the README', () => {
  it('makes every place that the units name', () => {
    const units = ['skewflow-coordinator.service', 'skewflow-worker@.service']
      .map((name) => read(`systemd/${name}`))
      .join();
    const places = new Set(
      [...units.matchAll(/\/(?:etc|opt|srv)\/skewflow(?:\/[\w-]+\b(?!\.))?/g)].map(([place]) => place),
    );
    expect(places).toContain('/etc/skewflow/redis-password');
    expect([...places].filter((place) => !read('README.md').includes(place))).toEqual([]);
  });

  it('says of every alert what it means', () => {
    const said = [...read('README.md').matchAll(/^\| (Skewflow\w+)/gm)].map(([, name = '']) => name);
    expect(said.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
  });
});

describe('shell scripts', () => {
  const shellcheck = existsSync('/usr/bin/shellcheck');
  it.skipIf(!shellcheck)(
    `pass shellcheck${shellcheck ? '' : ' (skipped: no shellcheck; it is a package of Debian)'}`,
    () => {
      execFileSync('/usr/bin/shellcheck', [`${root}.ci/run`, `${root}bench/gpu/pack.sh`], { stdio: 'pipe' });
    },
  );
});
