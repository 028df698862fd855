/** What does a profile of the AWS tools say? Sections of their two files, the credentials file first. */
import type { S3Environment } from './s3-settings.ts';

export interface Profile {
  readonly name: string;
  /** Whether either file has a section of that name. */
  readonly found: boolean;
  /** Keys of the sections, in lower case. */
  readonly settings: ReadonlyMap<string, string>;
  /** Where it was looked for. */
  readonly files: readonly string[];
}

/**
 * The profile that `AWS_PROFILE` names, else `default`.
 *
 * @param fileText - the text of a file; null: it cannot be read
 *
 * https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
 */
export function profileOf(environment: S3Environment, fileText: (path: string) => string | null): Profile {
  const name = environment.AWS_PROFILE || 'default';
  const home = environment.HOME || environment.USERPROFILE;
  const below = (file: string): string | null => (home ? `${home}/.aws/${file}` : null);
  const credentials = environment.AWS_SHARED_CREDENTIALS_FILE || below('credentials');
  const config = environment.AWS_CONFIG_FILE || below('config');
  const sections = [
    sectionOf(credentials, [name], fileText),
    // There a profile has the word before its name, but for the default one.
    sectionOf(config, name === 'default' ? [name, `profile ${name}`] : [`profile ${name}`], fileText),
  ];
  const [first, second] = sections;
  return {
    name,
    found: sections.some((section) => section !== null),
    settings: new Map([...(second ?? []), ...(first ?? [])]),
    files: [credentials, config].filter((path) => path !== null),
  };
}

/** The keys of the first section that has one of the names; null: none has. */
function sectionOf(
  path: string | null,
  names: readonly string[],
  fileText: (path: string) => string | null,
): ReadonlyMap<string, string> | null {
  const text = path === null ? null : fileText(path);
  let section: Map<string, string> | null = null;
  let inside = false;
  for (const line of (text ?? '').split(/\r?\n/u)) {
    const heading = /^\[\s*(.+?)\s*\]/u.exec(line)?.[1]?.replaceAll(/\s+/gu, ' ');
    if (heading !== undefined) {
      inside = names.includes(heading);
      if (inside) section ??= new Map();
      continue;
    }
    // What is indented belongs to the key above; a comment begins with # or ;.
    const [, key, value] = /^([^\s#;=][^=]*?)\s*=\s*(.*?)\s*$/u.exec(line) ?? [];
    if (inside && key !== undefined && value !== undefined) section?.set(key.toLowerCase(), value);
  }
  return section;
}
