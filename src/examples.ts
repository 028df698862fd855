/** Which examples come with the package, and how does a folder with one of them come to be? */
import { cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { makeFolder } from './arrays/make-folder.ts';
import { codeOf, refuseNameless, SkewflowError, unwritable } from './errors.ts';

/** An example that comes with the package. */
export interface Example {
  /** What `createExample` and `skewflow init` know it by. */
  readonly name: string;
  /** The first sentence of its job file. */
  readonly title: string;
}

/** Where an example was made, and what to run in it. */
export interface CreatedExample {
  /** As given. */
  readonly folder: string;
  /** Names in the folder, sorted. */
  readonly files: readonly string[];
  /** Path of the job file. */
  readonly job: string;
}

/** Beside `src` and beside `dist`. */
const shelf = fileURLToPath(new URL('../examples/', import.meta.url));

/** Code that the pictures and makers of all examples share; copied beside them. */
const shared = 'lib';

/** Scripts: `make.js` exports make(folder), which writes the job's data; `picture.js` draws the result. */
const scripts = ['make.js', 'picture.js'];

/** The examples of this package by name. */
export async function listExamples(): Promise<readonly Example[]> {
  const names = (await readdir(shelf, { withFileTypes: true }))
    .filter((entry) => entry.isDirectory() && entry.name !== shared)
    .map((entry) => entry.name)
    .sort();
  const examples = await Promise.all(names.map(exampleNamed));
  return examples.filter((example) => example !== null);
}

/** An example, or null for a folder without a job file. */
async function exampleNamed(name: string): Promise<Example | null> {
  try {
    return { name, title: titleOf(await readFile(join(shelf, name, 'job.yaml'), 'utf8')) };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

/** The first sentence of the comment a job file begins with. */
function titleOf(yaml: string): string {
  const lines = yaml.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('#'));
  const comment = lines
    .slice(0, end)
    .map((line) => line.replace(/^#\s?/, ''))
    .join(' ');
  return comment.split(/\.\s/)[0]?.replace(/\.$/, '') ?? '';
}

/**
 * Make a folder with a job that runs: job file, README, data and the script that draws its picture.
 *
 * The folder appears when it is complete, or not at all.
 *
 * @throws UsageError for a name that is no example, and for a folder that exists; JobFailedError where nothing can be written
 */
export async function createExample(name: string, folder: string): Promise<CreatedExample> {
  const known = await listExamples();
  if (!known.some((example) => example.name === name)) {
    const names = known.map((example) => example.name).join(', ');
    throw new SkewflowError('UsageError', `no example is named \`${name}\`: there are ${names}`);
  }
  refuseNameless(folder, 'new');
  const target = resolve(folder);
  if (await exists(target)) {
    throw new SkewflowError('UsageError', `${folder} exists: choose another folder`);
  }
  const refuse = (cause: unknown): never => {
    throw unwritable(folder, cause);
  };
  await makeFolder(dirname(target)).catch(refuse);
  const draft = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  try {
    await mkdir(draft).catch(refuse);
    await cp(join(shelf, name, 'job.yaml'), join(draft, 'job.yaml'));
    await copyReadme(name, draft);
    await copyScripts(name, draft);
    await makeData(draft);
    await rename(draft, target);
  } catch (error) {
    await rm(draft, { recursive: true, force: true });
    throw error;
  }
  const files = (await readdir(target)).sort();
  return { folder, files, job: join(folder, 'job.yaml') };
}

/** What to do with the folder, without what is only said and found in a checkout. */
async function copyReadme(name: string, draft: string): Promise<void> {
  const text = await readFile(join(shelf, name, 'README.md'), 'utf8');
  const alone = text
    .replaceAll(/\[([^\]]+)\]\(\.\.\/[^)]+\)/gu, '$1')
    .replaceAll(/ +# or, from a checkout: .*$/gmu, '');
  await writeFile(join(draft, 'README.md'), alone);
}

/** The scripts with the code they share, so that they run wherever the folder is. */
async function copyScripts(name: string, draft: string): Promise<void> {
  await cp(join(shelf, shared), join(draft, shared), { recursive: true });
  for (const file of scripts) {
    const from = join(shelf, name, file);
    if (!(await exists(from))) continue;
    const text = await readFile(from, 'utf8');
    await writeFile(join(draft, file), text.replaceAll(`'../${shared}/`, `'./${shared}/`));
  }
  await writeFile(join(draft, 'package.json'), '{ "private": true, "type": "module" }\n');
}

/** Write the data of an example, if it has any that are not in the job file itself. */
async function makeData(draft: string): Promise<void> {
  const script = join(draft, 'make.js');
  if (!(await exists(script))) return;
  const made = (await import(pathToFileURL(script).href)) as { readonly make: (folder: string) => unknown };
  await made.make(draft);
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}
