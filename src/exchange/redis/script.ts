/**
 * What is a Lua script to this side? Its text, the digest Redis knows it by, and how its replies are read.
 */
import { createHash } from 'node:crypto';
import { invariant } from '../../errors.ts';

export interface Script {
  readonly lua: string;
  /** SHA-1, what EVALSHA asks for. */
  readonly sha: string;
}

export type Argument = Buffer | number | string;

/** What Redis answers: binary text, integers, lists of them. */
export type Reply = Buffer | number | null | readonly Reply[];

export function scriptOf(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

/** A list; scripts answer one wherever this is asked for. */
export function listOf(reply: Reply | undefined): readonly Reply[] {
  invariant(Array.isArray(reply), 'the script answers a list here');
  return reply as readonly Reply[];
}

export function bytesOf(reply: Reply | undefined): Buffer {
  invariant(Buffer.isBuffer(reply), 'the script answers text here');
  return reply;
}

export function bytesOrNull(reply: Reply | undefined): Buffer | null {
  return reply === null || reply === undefined ? null : bytesOf(reply);
}

export function textOf(reply: Reply | undefined): string {
  return typeof reply === 'number' ? String(reply) : bytesOf(reply).toString();
}

export function numberOf(reply: Reply | undefined): number {
  return typeof reply === 'number' ? reply : Number(textOf(reply));
}
