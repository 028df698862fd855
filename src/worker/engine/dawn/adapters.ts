/**
 * Which GPUs are here, and how is a process made to see one of them alone? Asked of processes of their own.
 *
 * The API cannot tell identical GPUs apart. A process that sees one only can: by the address on the bus where Mesa's
 * device-select layer is installed, else by the driver where each GPU has a driver file of its own.
 */
import { fork } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { Adapter, onlyAt, onlyDriver, readMesaList } from './adapter.ts';

/** A GPU and the way to it. */
export interface Gpu {
  /** Its number in `--devices`. */
  readonly index: number;
  readonly adapter: Adapter;
  /** Where it is, for people: its bus address or driver file where the name does not say it; else null. */
  readonly place: string | null;
  /** Variables under which a process sees this one and no identical other. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface Found {
  readonly gpus: readonly Gpu[];
  /** What to know about GPUs that are here and cannot be used, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Whether a hardware GPU can be here at all. A look at /dev, so that `auto` costs nothing where there is none; systems without
 * such files are asked properly.
 */
export function mayHaveGpu(platform: NodeJS.Platform = process.platform, dev = '/dev'): boolean {
  if (platform !== 'linux') return true;
  const has = (folder: string, pattern: RegExp): boolean => {
    try {
      return readdirSync(folder).some((name) => pattern.test(name));
    } catch {
      return false;
    }
  };
  // NVIDIA's driver, WSL's, and those of the kernel's graphics system.
  return has(dev, /^(nvidia\d+|dxg)$/) || has(join(dev, 'dri'), /^renderD\d+$/);
}

export interface FindOptions {
  /** Variables that drivers are found by. Default: our own. */
  readonly environment?: NodeJS.ProcessEnv;
  /** Longest that drivers may take to answer. Default: 20 s, since they may compile and wake hardware. */
  readonly patienceMs?: number;
}

interface Ask {
  readonly environment: NodeJS.ProcessEnv;
  readonly patienceMs: number;
}

/** All GPUs, in Dawn's order, software adapters too. */
export async function findGpus({
  environment = process.env,
  patienceMs = 20_000,
}: FindOptions = {}): Promise<Found> {
  const ask: Ask = { environment, patienceMs };
  const probed = await probe(ask);
  if (probed.adapters === null && probed.crashed) return await eachDriver(ask);
  if (probed.adapters === null)
    return { gpus: [], notes: [`Dawn could not be asked which GPUs are here: ${probed.said}`] };
  const identical = repeated(probed.adapters.map((a) => a.name));
  const byAddress = identical.size === 0 ? [] : await mesaList(ask);
  const byDriver = identical.size === 0 ? [] : await driversOf(ask);
  const seen = new Map<string, number>();
  const notes: string[] = [];
  const gpus: Gpu[] = [];
  for (const adapter of probed.adapters) {
    const { name } = adapter;
    const nth = seen.get(name) ?? 0;
    seen.set(name, nth + 1);
    const index = gpus.length;
    if (!identical.has(name)) {
      gpus.push({ index, adapter, place: null, environment: {} });
      continue;
    }
    const address = byAddress.filter((d) => d.name === name)[nth]?.address ?? null;
    const driver = byDriver.filter((d) => d.names.length === 1 && d.names[0] === name)[nth]?.file ?? null;
    if (address !== null) gpus.push({ index, adapter, place: address, environment: onlyAt(address) });
    else if (driver !== null) gpus.push({ index, adapter, place: driver, environment: onlyDriver(driver) });
    else if (nth === 0) {
      gpus.push({ index, adapter, place: null, environment: {} });
      notes.push(
        `only one of several \`${name}\` can be used: to tell them apart install Mesa's device-select layer (Debian: apt-get install mesa-vulkan-drivers)`,
      );
    }
  }
  return { gpus, notes };
}

const remembered = new Map<string, Promise<Found>>();

/** `findGpus`, asked once for as long as drivers are found the same way: it takes some tenths of a second. */
export function knownGpus(): Promise<Found> {
  const key = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES', 'DRI_PRIME', 'MESA_VK_DEVICE_SELECT']
    .map((name) => process.env[name] ?? '')
    .join('\n');
  const known = remembered.get(key) ?? findGpus();
  remembered.set(key, known);
  // A GPU that is not there yet may come.
  void known.then(({ gpus }) => gpus.length === 0 && remembered.delete(key));
  return known;
}

/** A driver crashed when all were asked at once: each is asked alone, and the one that crashes is named. */
async function eachDriver(ask: Ask): Promise<Found> {
  const gpus: Gpu[] = [];
  const notes: string[] = [];
  for (const file of await driverFiles(ask.environment)) {
    const { adapters, said } = await probe(under(ask, onlyDriver(file)));
    if (adapters === null) notes.push(`the Vulkan driver ${file} crashes or hangs when it is asked: ${said}`);
    for (const adapter of adapters ?? [])
      gpus.push({ index: gpus.length, adapter, place: file, environment: onlyDriver(file) });
  }
  return { gpus, notes };
}

function repeated(names: readonly string[]): ReadonlySet<string> {
  return new Set(names.filter((name, n) => names.indexOf(name) !== n));
}

// --- asking -----------------------------------------------------------------------------------------------

interface Probed {
  /** null: the process ended without an answer. */
  readonly adapters: readonly Adapter[] | null;
  /** Ended by a signal, or by us because it took too long. */
  readonly crashed: boolean;
  /** What it printed. */
  readonly said: string;
}

function under({ environment, patienceMs }: Ask, more: NodeJS.ProcessEnv): Ask {
  return { environment: { ...environment, ...more }, patienceMs };
}

const Adapters = z.array(Adapter);

function probe({ environment, patienceMs }: Ask): Promise<Probed> {
  const [entry, execArgv] = probeEntry();
  const child = fork(entry, [], {
    env: { ...process.env, ...environment },
    execArgv,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  return new Promise((resolve) => {
    let said = '';
    let adapters: readonly Adapter[] | null = null;
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (data: Buffer) => {
        said = `${said}${data.toString()}`.slice(-4000);
      });
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs);
    child.on('message', (received) => {
      adapters = Adapters.parse(received);
      child.kill('SIGKILL');
    });
    child.on('error', (error) => {
      said += error.message;
    });
    child.on('close', (_, signal) => {
      clearTimeout(timer);
      resolve({ adapters, crashed: signal !== null, said: said.trim() });
    });
  });
}

/** Mesa's layer prints its list and ends the process. */
async function mesaList(ask: Ask): Promise<ReturnType<typeof readMesaList>> {
  const { said } = await probe(under(ask, { MESA_VK_DEVICE_SELECT: 'list' }));
  return readMesaList(said);
}

/** What each driver shows when it is alone. */
async function driversOf(
  ask: Ask,
): Promise<readonly { readonly file: string; readonly names: readonly string[] }[]> {
  const drivers = [];
  for (const file of await driverFiles(ask.environment)) {
    const { adapters } = await probe(under(ask, onlyDriver(file)));
    drivers.push({ file, names: (adapters ?? []).map((a) => a.name) });
  }
  return drivers;
}

/**
 * The files by which the Vulkan loader finds drivers on Linux.
 *
 * Khronos, _Vulkan Loader: Driver Interface_, "Linux Driver Discovery".
 */
async function driverFiles(environment: NodeJS.ProcessEnv): Promise<readonly string[]> {
  const given = environment['VK_DRIVER_FILES'] ?? environment['VK_ICD_FILENAMES'];
  if (given !== undefined && given !== '') return given.split(delimiter);
  const folders = ['/etc/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/usr/share/vulkan/icd.d'];
  const files = await Promise.all(
    folders.map(async (folder) => {
      const names = await readdir(folder).catch(() => []);
      return names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
    }),
  );
  return files.flat();
}

function probeEntry(): readonly [string, string[]] {
  if (!import.meta.url.endsWith('.ts')) return [fileURLToPath(new URL('./probe.js', import.meta.url)), []];
  return [fileURLToPath(new URL('./probe.ts', import.meta.url)), ['--import', import.meta.resolve('tsx')]];
}

/** What to do on a machine where no GPU answers. */
export function howToGetOne(platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'linux') return 'no GPU answers here: install its driver';
  return [
    'no GPU answers here. Install the Vulkan loader and a driver:',
    'for NVIDIA its own driver packages and libvulkan1; for AMD and Intel mesa-vulkan-drivers;',
    'for a software adapter mesa-vulkan-drivers of version 23 or newer (Debian 12: apt-get install -t bookworm-backports mesa-vulkan-drivers).',
    'In a container the GPU must be passed in (--gpus all, or --device /dev/dri)',
  ].join(' ');
}
