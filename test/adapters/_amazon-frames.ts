import { EventStreamCodec } from "@smithy/eventstream-codec";
import type { JsonObject } from "gatewright";

/** One frame of an Amazon event stream: an event by its type, or what else it is, and its payload. */
export interface Frame {
  event?: string;
  exception?: string;
  /** Code and message of an error that has no payload. */
  error?: { code: string; message: string };
  payload?: JsonObject;
}

const codec = new EventStreamCodec(
  (bytes) => (typeof bytes === "string" ? bytes : Buffer.from(bytes).toString("utf8")),
  (text) => Buffer.from(text),
);

/** The frame as Amazon's own library writes it. */
export function encodeFrame({ event, exception, error, payload }: Frame): Uint8Array {
  const headers: Record<string, string> = error
    ? { ":message-type": "error", ":error-code": error.code, ":error-message": error.message }
    : event === undefined
      ? { ":message-type": "exception", ":exception-type": exception ?? "" }
      : { ":message-type": "event", ":event-type": event };
  if (payload) headers[":content-type"] = "application/json";
  return codec.encode({
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, { type: "string", value }]),
    ),
    body: Buffer.from(payload ? JSON.stringify(payload) : ""),
  });
}
