/**
 * Which GPUs does Dawn show here? The entry point of a process that says so and is killed: asking loads every driver, and one
 * that crashes takes the process along.
 */
import { type Adapter, isSoftware, readDawnList } from './adapter.ts';
import { limitsOf } from './device.ts';
import { backendOf, dawn } from './library.ts';

/** One entry a GPU; identical ones are told apart by whoever asks. */
async function adapters(): Promise<readonly Adapter[]> {
  const backend = backendOf(process.platform);
  const listed = await listNames(backend);
  const known = new Map<string, Adapter | null>();
  for (const name of listed) if (!known.has(name)) known.set(name, await adapterNamed(backend, name));
  return listed.flatMap((name) => known.get(name) ?? []);
}

/** Dawn has no call that lists; it lists when it cannot find. */
async function listNames(backend: string): Promise<readonly string[]> {
  const gpu = await dawn([`backend=${backend}`, 'adapter=(none has this name)']);
  try {
    await gpu.requestAdapter();
    return [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return readDawnList(message)
      .filter((entry) => entry.backend === backend)
      .map((entry) => entry.name);
  }
}

async function adapterNamed(backend: string, name: string): Promise<Adapter | null> {
  const gpu = await dawn([`backend=${backend}`, `adapter=${name}`]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null);
  if (adapter === null) return null;
  const { vendor, architecture, description, isFallbackAdapter } = adapter.info;
  return {
    name,
    backend,
    vendor,
    architecture,
    driver: description,
    software: isSoftware({ name, architecture, isFallbackAdapter }),
    limits: limitsOf(adapter),
  };
}

process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.send?.(await adapters());
