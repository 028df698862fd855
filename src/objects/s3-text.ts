/** What do the XML documents of S3 say? The four that are used, written and read by their elements. */
import type { ObjectEntry } from './object-store.ts';

/** One page of a ListObjectsV2 answer that was asked for with `encoding-type=url`. */
export interface ListPage {
  readonly entries: readonly ObjectEntry[];
  /** What stands for the keys that have the delimiter after the prefix; none without a delimiter. */
  readonly prefixes: readonly string[];
  /** Where the next page begins; null: this is the last. */
  readonly next: string | null;
}

/**
 * A page of a list; null: this is none, or not all of it, and what it does not name may be there.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
 */
export function parseListPage(xml: string): ListPage | null {
  if (!/<\/ListBucketResult>\s*$/u.test(xml)) return null;
  const entries = [...xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/gu)].map(([, contents]) => ({
    key: decoded(element(contents!, 'Key')),
    size: Number(element(contents!, 'Size')),
    etag: element(contents!, 'ETag') ?? '',
    writtenAt: Date.parse(element(contents!, 'LastModified') ?? ''),
  }));
  const prefixes = [...xml.matchAll(/<CommonPrefixes>([\s\S]*?)<\/CommonPrefixes>/gu)].map(([, common]) =>
    decoded(element(common!, 'Prefix')),
  );
  const truncated = element(xml, 'IsTruncated') === 'true';
  return { entries, prefixes, next: truncated ? element(xml, 'NextContinuationToken') : null };
}

/** As `encoding-type=url` encodes keys. */
function decoded(text: string | null): string {
  return decodeURIComponent((text ?? '').replaceAll('+', ' '));
}

/** The first element of that name that holds text only; null where there is none. */
export function element(xml: string, name: string): string | null {
  const text = new RegExp(`<${name}>([^<]*)</${name}>`, 'u').exec(xml)?.[1];
  return text === undefined ? null : unescaped(text);
}

const entities: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['quot', '"'],
]);

function unescaped(text: string): string {
  return text.replace(/&(#x[0-9a-f]+|#\d+|[a-z]+);/giu, (whole, name: string) => {
    if (name.startsWith('#x') || name.startsWith('#X'))
      return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number.parseInt(name.slice(1), 10));
    return entities.get(name) ?? whole;
  });
}

/** The parts of an upload, in order, by their ETags. */
export function completeMultipartXml(etags: readonly string[]): string {
  const parts = etags.map(
    (etag, n) => `<Part><PartNumber>${n + 1}</PartNumber><ETag>${escaped(etag)}</ETag></Part>`,
  );
  return `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
