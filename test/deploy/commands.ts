/**
 * What do `compose.yaml` and the systemd units start? Command lines and environment, read from the files as Compose and systemd
 * read them, with this machine's places in them.
 */
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { deployFolder } from './rendered.ts';

export interface Command {
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

/** A text with the places of this machine instead of the container's or the target's. */
export type Placed = (text: string) => string;

export interface ComposeService {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly image: string;
  readonly read_only?: boolean;
  readonly stop_grace_period?: string;
}

export const compose = parse(readFileSync(`${deployFolder}compose.yaml`, 'utf8'), { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>;
  readonly volumes: Readonly<Record<string, unknown>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
};

/** What a service of `compose.yaml` runs; `$$` is its `$`. */
export function composeCommand(name: string, placed: Placed): Command {
  const { command, environment = {} } = serviceNamed(name);
  return {
    words: command.map((word) => placed(word.replaceAll('$$', '$'))),
    environment: mapped(environment, placed),
  };
}

/** What says whether it is healthy, for a shell. */
export function healthCheck(name: string, placed: Placed): string {
  const [kind, line] = serviceNamed(name).healthcheck?.test ?? [];
  if (kind !== 'CMD-SHELL' || line === undefined) throw new Error(`${name} has no health check for a shell`);
  return placed(line.replaceAll('$$', '$'));
}

function serviceNamed(name: string): ComposeService {
  const service = compose.services[name];
  if (service === undefined) throw new Error(`compose.yaml has no service ${name}`);
  return service;
}

/**
 * What a unit runs: systemd.service(5) "Command lines", systemd.exec(5) "Environment". What `EnvironmentFile=` names goes over
 * `Environment=`; `-` before it lets it be absent.
 *
 * @param instance - what stands between `@` and `.service`
 */
export function unitCommand(file: string, instance: string, placed: Placed): Command {
  const text = readFileSync(`${deployFolder}systemd/${file}`, 'utf8').replaceAll('%i', instance);
  const all = (key: string): readonly string[] =>
    [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) =>
      value.replace(/^"(.*)"$/, '$1'),
    );
  const [credential] = all('LoadCredential');
  const [, secret = ''] = credential?.split(':') ?? [];
  const credentials = secret.replace(/\/[^/]*$/, '');
  const specified: Placed = (value) => placed(value.replaceAll('%d', credentials));
  const set = all('Environment').map((line) => assigned(specified(line)));
  const read = all('EnvironmentFile').flatMap((name) => environmentFile(name, placed));
  const environment = Object.fromEntries([...set, ...read]);
  const [line = ''] = all('ExecStart');
  // An unbraced variable is divided at its blanks, and vanishes when it is empty.
  const words = line
    .split(/\s+/)
    .flatMap((word) => (/^\$\w+$/.test(word) ? (environment[word.slice(1)] ?? '').split(/\s+/) : [word]))
    .filter((word) => word !== '');
  return { words: words.map(specified), environment };
}

function environmentFile(name: string, placed: Placed): readonly (readonly [string, string])[] {
  try {
    const text = readFileSync(placed(name.replace(/^-/, '')), 'utf8');
    return text
      .split('\n')
      .filter((line) => /^\w+=/.test(line))
      .map(assigned);
  } catch (error) {
    if (name.startsWith('-')) return [];
    throw error;
  }
}

function assigned(line: string): readonly [string, string] {
  const [, name = '', value = ''] = /^(\w+)=(.*)$/.exec(line) ?? [];
  return [name, value];
}

const mapped = (record: Readonly<Record<string, string>>, by: Placed): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, by(value)]));
