/**
 * How do coordinators and workers of several machines meet? The exchange over Redis: desks and seats on one link.
 */
import { randomUUID } from 'node:crypto';
import { SkewflowError } from '../../errors.ts';
import { type RunId, RunSheet, SeatId } from '../../protocol.ts';
import type { Exchange } from '../exchange.ts';
import { decodeControl, encodeControl } from '../frames/control.ts';
import { offersOf, RedisDesk } from './desk.ts';
import type { Hints } from './hints.ts';
import { lifeMs } from './keys.ts';
import type { Held } from './leases.ts';
import { closeMs, type Link } from './link.ts';
import { Offers, type SeatJob } from './offers.ts';
import { RunWatch } from './run-watch.ts';
import { bytesOrNull, listOf, numberOf } from './script.ts';
import * as scripts from './scripts.ts';
import { RedisSeat } from './seat.ts';

/** An exchange on this link; the link is the caller's to close, after it. */
export function redisExchange(link: Link, hints: Hints): Exchange {
  const offers = new Offers(link, hints);
  const desks = new Set<RedisDesk>();
  const seats = new Set<RedisSeat>();
  const watches = new Map<RunId, RunWatch>();
  const closed = new SkewflowError('AbortedError', 'the exchange was closed');

  return {
    open: async (sheet, epochMin = 0) => {
      const nonce = randomUUID();
      const args = [nonce, epochMin, encodeControl(sheet), sheet.seats.max];
      const [epochNow, events, answers, , free] = listOf(
        await link.run(scripts.open, link.keys.iteration(sheet.run), args),
      );
      const epoch = numberOf(epochNow);
      const seen = { events: numberOf(events), answers: numberOf(answers) };
      const desk = new RedisDesk({ link, hints, offers, sheet, epoch, fence: `${epoch} ${nonce}`, seen });
      desks.add(desk);
      // The run does not wait for who may come: what fails here the desk makes good with its next look.
      offers.add(sheet, offersOf(free), true).catch((error: unknown) => {
        if (!link.closed) link.log.debug({ run: sheet.run }, `offering seats: ${String(error)}`);
      });
      return desk;
    },
    lease: async (signal) => {
      for (;;) {
        const held = await offers.take(signal);
        const seat = await takeSeat(held);
        if (seat !== null) return seat;
        await held.complete();
      }
    },
    [Symbol.asyncDispose]: async () => {
      for (const part of [...desks, ...seats]) part.dispose(closed);
      for (const watch of watches.values()) watch.close();
      await offers.close();
    },
  };

  /** The seat on offer, unless the offer stands no more. */
  async function takeSeat(held: Held<SeatJob>): Promise<RedisSeat | null> {
    const { run, slot, offer } = held.data;
    const id = SeatId.parse(randomUUID());
    const args = [slot, offer, id, link.keys.heartbeat(run, id), lifeMs.heartbeat];
    const reply = bytesOrNull(await link.run(scripts.lease, link.keys.iteration(run), args));
    if (reply === null) return null;
    const sheet = decodeControl(reply, RunSheet);
    const watch = watches.get(run) ?? new RunWatch(link, hints, sheet);
    watches.set(run, watch);
    const seat = new RedisSeat({
      link,
      watch,
      id,
      sheet,
      onLeft: async (next) => {
        seats.delete(seat);
        if (watch.isEmpty && watches.delete(run)) watch.close();
        // Whatever fails here is made good: the desk queues free seats again, and the lock of this job ends.
        const again = next === null ? [] : offersOf([Buffer.from(next)]);
        const leaving = Promise.allSettled([offers.add(sheet, again, true), held.complete()]);
        await link.within(leaving, closeMs).catch(() => {});
      },
    });
    seats.add(seat);
    return seat;
  }
}
