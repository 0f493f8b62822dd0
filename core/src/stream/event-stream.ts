import { stringifyJson } from "../body/exact-json.ts";
import type { BodyStream } from "../reply.ts";
import type { GatewayError } from "../errors.ts";

/** One server-sent event in the client's dialect. */
export interface StreamEvent {
  /** The `event:` field, absent where the dialect has none. */
  readonly type?: string;
  /** The `data:` field; several lines joined by LF (WHATWG HTML, section 9.2.6). */
  readonly data: string;
  /**
   * `data` parsed by `parseJson`, once, on first use; undefined for terminators such as `[DONE]`. An integer too long
   * for a number is an opaque string, of which `toStreamEvent` makes the digits again.
   */
  readonly json: unknown;
}

/** Sees each event of a stream, bytes untouched; then exactly one of `end` and `fail`. */
export interface StreamObserver {
  event?(event: StreamEvent): void;
  end?(): void;
  fail?(error: GatewayError): void;
}

/** What a transform makes of an event: the same, another, several, or none. */
export type EventTransform = (event: StreamEvent) => StreamEvent | readonly StreamEvent[] | null;

/**
 * A stream of events on its way to the client. All observers share one parse of it; with none, the bytes pass
 * after no more reading than it takes to tell a whole stream from a cut one. Observers and transforms are added
 * before `start`; they run in the order in which they were added, that is from the innermost plugin outwards.
 */
export interface EventStream extends BodyStream {
  readonly kind: "events";
  /** The last event with a name that was written: an error event of its dialect may have to count on. */
  readonly lastNamed?: StreamEvent | undefined;
  observe(observer: StreamObserver): void;
  transform(transform: EventTransform): void;
}

export function isEventStream(body: unknown): body is EventStream {
  return typeof body === "object" && body !== null && (body as { kind?: unknown }).kind === "events";
}

/** Makes an event out of a JSON value, for transforms and for streams that a plugin writes itself. */
export function toStreamEvent(json: unknown, type?: string): StreamEvent {
  return { type, data: stringifyJson(json), json };
}
