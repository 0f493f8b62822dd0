import type { Attempt } from "./attempt.ts";
import type { GatewayError } from "./errors.ts";
import type { EventStream } from "./stream/event-stream.ts";
import type { ConnectionSwitch } from "./websocket/connection-switch.ts";

/** Receives a body stream. `data` is called any number of times, then exactly one of `end` and `fail`. */
export interface BodySink {
  data(chunk: Uint8Array): void;
  end(): void;
  /** The body is cut: what was delivered is not the whole answer. */
  fail(error: GatewayError): void;
}

/** A body that flows. It holds back until `start`; whoever takes the reply starts it or cancels it, once. */
export interface BodyStream {
  start(sink: BodySink): void;
  pause(): void;
  resume(): void;
  /** Gives the body up: the upstream call behind it is aborted. No sink method is called afterwards. */
  cancel(): void;
}

/**
 * An answer on its way to the client. `body` is whole (bytes, text, null) or flows: a `BodyStream` of opaque bytes,
 * or an `EventStream`, which also offers its events to observers.
 */
export interface Reply {
  status: number;
  /** Lower-case names. */
  headers: Record<string, string>;
  body: Uint8Array | string | null | BodyStream | EventStream;
  /** The attempt that produced it; absent for a plugin's own answer. */
  attempt?: Attempt;
  /** With status 101: takes the client's connection over. There is no body then. */
  switch?: ConnectionSwitch;
}

export function isBodyStream(body: Reply["body"]): body is BodyStream | EventStream {
  return typeof body === "object" && body !== null && "start" in body;
}

/** Lets go of a reply that will not be sent. Safe for whole bodies too. */
export function discardReply(reply: Reply): void {
  if (isBodyStream(reply.body)) reply.body.cancel();
  reply.switch?.cancel();
}
