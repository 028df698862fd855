/** Whether a document has the form of a job, and if not, what is wrong where. */
import type { z } from 'zod';
import { type JobDocument, quoteTheFormula, valueAt } from './document.ts';
import { type Path, pathText } from './path.ts';
import { fileSchema, type JobForm, memorySchema } from './schema.ts';

type Issue = z.core.$ZodIssue;

/**
 * The document as a job of the right form.
 *
 * @throws JobFileError for the first mistake
 */
export function formOf(document: JobDocument): JobForm {
  const schema = document.path === null ? memorySchema : fileSchema;
  const result = schema.safeParse(document.value);
  if (result.success) return result.data;
  throw issueError(document, precise(telling(document, result.error.issues)));
}

/** The first issue; where it is about a key that is missing, rather the key that stands there in its place. */
function telling({ value }: JobDocument, issues: readonly Issue[]): Issue {
  const first = issues[0]!;
  const path = first.path as Path;
  const above = pathText(path.slice(0, -1));
  const isInItsPlace = (issue: Issue): boolean =>
    issue.code === 'unrecognized_keys' && pathText(issue.path as Path) === above;
  return isMissing(value, path) ? (issues.find(isInItsPlace) ?? first) : first;
}

/** Whether a map has no such key. */
function isMissing(value: unknown, path: Path): boolean {
  return path.length > 0 && valueAt(value, path) === undefined;
}

/** An issue with the path from the top of the job. */
interface Placed {
  readonly issue: Issue;
  readonly path: Path;
}

/**
 * Where alternatives were tried, the mistake in the one that was probably meant: the one with fewest mistakes, if it has
 * any that is not just that it is another kind of thing.
 */
function precise(issue: Issue, above: Path = []): Placed {
  const path = [...above, ...(issue.path as Path)];
  if (issue.code !== 'invalid_union') return { issue, path };
  const candidates = issue.errors
    .filter((issues) => issues.every(isInside))
    .sort((a, b) => weight(a) - weight(b));
  const [best, second] = candidates;
  if (best === undefined || (second !== undefined && weight(second) === weight(best))) return { issue, path };
  return precise(best[0]!, path);
}

/** Whether an issue is about a part of the alternative, and not about its being one. */
function isInside(issue: Issue): boolean {
  return (
    issue.path.length > 0 ||
    issue.code === 'unrecognized_keys' ||
    issue.code === 'too_small' ||
    issue.code === 'too_big'
  );
}

function weight(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0);
}

function issueError(document: JobDocument, { issue, path }: Placed): Error {
  const [said = issue.message, hint] = issue.message.split('\n');
  const key = path.findLast((step) => typeof step === 'string');
  // What was expected is told of a key: on a line of many the caret alone does not say whose value it is. An object's path does.
  const named = document.path !== null && key !== undefined && said.startsWith('expected ');
  const message = named ? `\`${key}\`: ${said}` : said;
  const about = hint === undefined || hint === '' ? {} : { hint };
  if (issue.code === 'unrecognized_keys') {
    const at = [...path, issue.keys[0]!];
    const notes = document.isEmpty(at) ? [quoteTheFormula] : [];
    return document.error(at, { message, ...about, notes }, 'key');
  }
  const last = String(path.at(-1));
  if (document.isEmpty(path)) {
    // `flow: { x: sum(j, q) }` is a map of `x: sum(j` and `q)`.
    const notes = /[()[\]]/u.test(last) ? [quoteTheFormula] : [];
    return document.error(path, { message: `\`${last}\` has no value: ${said}`, ...about, notes }, 'key');
  }
  if (isMissing(document.value, path)) {
    const whole = path.length === 1 ? 'the job' : `\`${String(path.at(-2))}\``;
    return document.error(path.slice(0, -1), { message: `${whole} has no \`${last}\`: ${said}`, ...about });
  }
  return document.error(path, { message, ...about });
}
