import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { Form } from "./multipart.ts";
import type { Fault } from "./faults.ts";

/** What a backend saw of one request, filled in as it goes on. Times are `performance.now()` of the process. */
export interface RecordedRequest {
  /** Counts all requests of the backend, from 1. */
  readonly n: number;
  readonly method: string;
  /** Without the query, as sent. */
  readonly path: string;
  readonly query: string;
  /** Lower-case names, as Node joins them. */
  readonly headers: IncomingHttpHeaders;
  /** Name, value, name, value, as sent. */
  readonly rawHeaders: readonly string[];
  /** Counts connections of the backend, from 1: requests with the same number shared one. */
  readonly connection: number;
  readonly receivedAt: number;
  /** The first `keepBodyBytes` of the body, raw. */
  body: Buffer;
  bodyBytes: number;
  /** Of the whole body, hexadecimal; absent while it has not come whole. */
  bodySha256?: string;
  /** The body parsed; absent where it is no JSON. */
  json?: unknown;
  /** A multipart body: its fields, and size and hash of its files. */
  form?: Form;
  /** The fault that met it. */
  fault?: Fault;
  /** Status of the reply, once its headers are written. */
  status?: number;
  /** Events sent so far. */
  events: number;
  /** When the reply was whole or the connection of the request closed, whichever came first. */
  closedAt?: number;
  /** The client closed the connection before the reply was whole. False where a fault broke it off. */
  aborted: boolean;
  /** Settles with `closedAt`. */
  readonly closed: Promise<void>;
}

/** Starts a record. `close` ends it; only its first call counts. */
export function recordRequest(
  request: IncomingMessage,
  n: number,
  connection: number,
): { record: RecordedRequest; close: (aborted: boolean) => void } {
  let settle: () => void;
  const closed = new Promise<void>((resolve) => (settle = resolve));
  const [path = "", query = ""] = request.url!.split(/\?(.*)/s);
  const record: RecordedRequest = {
    n,
    method: request.method!,
    path,
    query,
    headers: request.headers,
    rawHeaders: request.rawHeaders,
    connection,
    receivedAt: performance.now(),
    body: Buffer.alloc(0),
    bodyBytes: 0,
    events: 0,
    aborted: false,
    closed,
  };
  function close(aborted: boolean): void {
    if (record.closedAt !== undefined) return;
    record.closedAt = performance.now();
    record.aborted = aborted;
    settle();
  }
  return { record, close };
}
