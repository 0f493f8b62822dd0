import type { RecordedRequest } from "./recorded-request.ts";

/**
 * One thing that goes wrong with one reply. Counts are of what the client has been sent: events of a stream (comments
 * excluded), or bytes of any body before compression. A fault that never applies to the reply at hand (`afterEvents`
 * on a JSON reply, more events than there are) leaves it whole.
 */
export type Fault =
  /** Another status. The body defaults to an error in the backend's dialect; a string is sent as plain text. */
  | { kind: "status"; status: number; headers?: Record<string, string>; body?: unknown; early?: boolean }
  /** RST before any byte of the reply; `early`: before the body of the request is read. */
  | { kind: "reset"; early?: boolean }
  /** FIN before any byte of the reply. */
  | { kind: "close" }
  /** The request is read and never answered. */
  | { kind: "no_answer" }
  /** The headers of the reply are late. */
  | { kind: "delay"; ms: number }
  /** Headers at once, the first token late. */
  | { kind: "slow_first_token"; ms: number }
  /** Headers, then nothing. */
  | { kind: "silence_after_headers" }
  /**
   * The body breaks off: by RST, by FIN without the last chunk (the default), or by a clean end of the HTTP message,
   * which only the missing finish gives away.
   */
  | { kind: "cut"; afterEvents?: number; afterBytes?: number; how?: "reset" | "close" | "end" }
  /** The body stops, the connection stays open. */
  | { kind: "stall"; afterEvents?: number; afterBytes?: number }
  /** Bytes that belong to no format come between two events; the stream goes on. */
  | { kind: "garbage"; afterEvents: number; bytes?: Uint8Array }
  /** One event has broken JSON; the stream goes on. */
  | { kind: "malformed_event"; afterEvents: number }
  /** The stream ends without its terminator (`[DONE]`). */
  | { kind: "missing_terminator" }
  /** The stream ends without the event that says why (finish reason, `done: true`), terminator included. */
  | { kind: "missing_finish" }
  /** An error in the dialect's form inside a stream, then a clean end. */
  | { kind: "stream_error"; afterEvents: number; message?: string; code?: string }
  /** Status 200 and an error in the body, JSON even where a stream was asked. */
  | { kind: "error_body"; body?: unknown }
  /** The body as ever under another Content-Type. */
  | { kind: "content_type"; value: string }
  /** The reply is compressed, whether or not the client accepts it; a stream is flushed event by event. */
  | { kind: "gzip" };

/**
 * Which fault meets which request. A list is used up by the POST requests in their order, `undefined` for a healthy
 * one, and healthy at its end; GET requests (model lists, probes) neither meet nor use it. A function sees every
 * request, with `n` counting POST requests from 1 since the script was set, and 0 for others.
 */
export type FaultScript =
  | readonly (Fault | undefined)[]
  | ((request: RecordedRequest, n: number) => Fault | undefined);

/** Deals a script out, request by request. */
export function createFaultDealer(script: FaultScript): (request: RecordedRequest) => Fault | undefined {
  let posts = 0;
  return function deal(request) {
    const n = request.method === "POST" ? ++posts : 0;
    return typeof script === "function" ? script(request, n) : script[n - 1];
  };
}
