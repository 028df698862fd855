/**
 * How do tests get a program that the machine lacks? From the distribution's own packages, when they may be installed; in
 * words otherwise.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What a test needs of the machine, and whether it is there. */
export type Found =
  | { readonly present: true; readonly path: string; readonly version: string }
  | { readonly present: false; readonly reason: string };

/** A package, and the release it must come from where the machine's own is too old. */
interface PackageChoice {
  readonly name: string;
  /** Suffix of the release's name, e.g. `backports`; null: what the machine's sources give. */
  readonly suite: 'backports' | null;
}

/** Install a package where that is allowed, and look again. */
export async function installed(
  choice: PackageChoice,
  say: (line: string) => void,
  look: () => Found | Promise<Found>,
): Promise<Found> {
  if (!mayInstall()) return look();
  try {
    await install(choice, say);
  } catch (error) {
    say(`${choice.name} could not be installed: ${error instanceof Error ? error.message : String(error)}`);
  }
  return look();
}

/** Whether packages may be installed here: apt, and the rights to use it. */
function mayInstall(): boolean {
  return existsSync('/usr/bin/apt-get') && process.getuid?.() === 0;
}

/**
 * Install a package without recommendations, and without letting it start a service.
 *
 * Several test runs may get here at once, hence the lock. A release that the machine's sources do not list is read from
 * the mirror they name, for this one command.
 */
async function install({ name, suite }: PackageChoice, say: (line: string) => void): Promise<void> {
  say(`installing ${name}${suite === null ? '' : ` from ${suite}`} by apt`);
  const folder = await mkdtemp(join(tmpdir(), 'skewflow-apt-'));
  const policy = '/usr/sbin/policy-rc.d';
  const madePolicy = !existsSync(policy);
  try {
    // invoke-rc.d and deb-systemd-invoke ask this script; 101 forbids the action (Debian Policy §9.3.3.1 names the interface).
    if (madePolicy) await writeFile(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    const apt = async (...args: readonly string[]): Promise<string> => {
      const { stdout } = await run('flock', ['/run/lock/skewflow-tests', 'apt-get', ...args], {
        env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' },
        maxBuffer: 2 ** 26,
      });
      return stdout;
    };
    if (suite === null) {
      await apt('update');
      await apt('install', '-y', '--no-install-recommends', name);
      return;
    }
    const release = `${codename()}-${suite}`;
    const mirror = (await apt('indextargets', '--format', '$(REPO_URI) $(RELEASE)', 'Created-By: Packages'))
      .split('\n')
      .map((line) => line.split(' '))
      .find(([, listed]) => listed === codename())?.[0];
    if (mirror === undefined) throw new Error(`no source of ${codename()} is configured`);
    const signed = existsSync(keyring) ? `[signed-by=${keyring}] ` : '';
    // The machine's sources stay as they are: a copy of them with one more is used by these two commands only.
    await cp('/etc/apt/sources.list.d', folder, { recursive: true });
    await writeFile(join(folder, `${release}.list`), `deb ${signed}${mirror} ${release} main\n`);
    const own = ['-o', `Dir::Etc::SourceParts=${folder}`];
    await apt('update', ...own);
    await apt('install', '-y', '--no-install-recommends', '-t', release, name, ...own);
  } finally {
    if (madePolicy) await rm(policy, { force: true });
    await rm(folder, { recursive: true, force: true });
  }
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** The release of this machine, e.g. `bookworm`; empty where there is none. */
export function codename(): string {
  if (!existsSync('/etc/os-release')) return '';
  return /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? '';
}
