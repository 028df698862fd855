/**
 * Where do tests get a GPU? From Mesa's software driver, lavapipe, where the machine has none: the whole way through Dawn and
 * Vulkan, on the processor.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { codename, type Found, installed } from './packages.ts';

/** Mesa 22.3, which Debian 12 has, is refused by Dawn; its backports have a newer one. */
const mesa = { name: 'mesa-vulkan-drivers', bookworm: 'backports' } as const;

/** Whether Dawn gets an adapter, a software one by preference. Asked in a process, because drivers crash. */
function findVulkan(): Found {
  const script = `
    const { create } = await import('webgpu');
    const gpu = create([]);
    const adapter =
      (await gpu.requestAdapter({ forceFallbackAdapter: true })) ?? (await gpu.requestAdapter());
    if (adapter !== null) console.log(adapter.info.description);
    process.exit(0);`;
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  const version = stdout.trim();
  return version === '' ? { present: false, reason: askForIt() } : { present: true, path: '', version };
}

function askForIt(): string {
  const release = codename() === 'bookworm' ? '-t bookworm-backports ' : '';
  return `no Vulkan driver that Dawn takes; ask for one: apt-get install ${release}${mesa.name} (version 23 or newer)`;
}

/**
 * Make sure there is one, installing Debian's package where that is allowed. On Linux lavapipe is needed beside any GPU: it is
 * what two identical GPUs are made of.
 */
export async function ensureVulkan(say: (line: string) => void): Promise<Found> {
  const found = findBoth();
  if (found.present) return found;
  const suite = codename() === 'bookworm' ? mesa.bookworm : null;
  return await installed({ name: mesa.name, suite }, say, findBoth);
}

function findBoth(): Found {
  const adapter = findVulkan();
  if (!adapter.present || process.platform !== 'linux') return adapter;
  const lavapipe = findLavapipe();
  return lavapipe.present ? adapter : lavapipe;
}

/** The driver's file, by which the Vulkan loader knows it; listed twice it gives two identical devices. */
export function findLavapipe(): Found {
  const folder = '/usr/share/vulkan/icd.d';
  try {
    const name = readdirSync(folder).find((file) => /^lvp_icd.*\.json$/.test(file));
    if (name !== undefined) {
      const path = join(folder, name);
      const { ICD } = JSON.parse(readFileSync(path, 'utf8')) as { ICD: { api_version: string } };
      return { present: true, path, version: ICD.api_version };
    }
  } catch {
    // no folder, no driver
  }
  return { present: false, reason: askForIt() };
}
