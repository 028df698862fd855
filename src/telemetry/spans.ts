/**
 * Where does a run's time go, for a tracer? Spans for whichever OpenTelemetry SDK the program has registered; without one
 * they cost nothing.
 *
 *   coordinator   skewflow.run  ─┬─ skewflow.sums, .head, .gradient    a phase: published to last answer
 *                                └─ skewflow.all-reduce                 from there to the next one published
 *   worker        skewflow.seat ─── skewflow.shard                      a leaf: from its wave's beginning to its answer
 *
 * OpenTelemetry Specification, Tracing API (https://opentelemetry.io/docs/specs/otel/trace/api/).
 */
import { type Attributes, context, SpanStatusCode, trace } from '@opentelemetry/api';

export interface Span {
  /** Something that was done within, from and to a time of `performance`. */
  readonly part: (name: string, facts: Attributes, begunMs: number, endedMs: number) => void;
  readonly event: (name: string) => void;
  /** It is over; with an error unless that is null. */
  readonly end: (error: unknown) => void;
}

/** Begin a span. */
export function beginSpan(name: string, facts: Attributes): Span {
  // Asked for each time: an SDK may be registered later than this is loaded.
  const tracer = trace.getTracer('skewflow');
  const span = tracer.startSpan(name, { attributes: facts }, context.active());
  const within = trace.setSpan(context.active(), span);
  return {
    part: (part, attributes, begunMs, endedMs) => {
      tracer.startSpan(part, { attributes, startTime: epochOf(begunMs) }, within).end(epochOf(endedMs));
    },
    event: (event) => {
      span.addEvent(event);
    },
    end: (error) => {
      if (error !== null) {
        const message = error instanceof Error ? { message: error.message } : {};
        span.setStatus({ code: SpanStatusCode.ERROR, ...message });
      }
      span.end();
    },
  };
}

/** A time of `performance` as one of the calendar. */
function epochOf(ms: number): number {
  return performance.timeOrigin + ms;
}
