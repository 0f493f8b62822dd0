import type { Duplex } from "node:stream";

/** What is sent to a backend. */
export interface TransportRequest {
  method: string;
  /** Path and query, as the backend sees it. */
  path: string;
  /** Flat list: name, value, name, value. */
  headers: string[];
  body: Uint8Array | string | AsyncIterable<Uint8Array> | null;
  /** Another protocol is asked for on the connection. */
  upgrade?: "websocket";
}

/**
 * Why a call failed below HTTP; `unsendable` is a request that HTTP cannot carry, which is no fault of the backend's;
 * `interim` is a reply of 1xx that a transport cannot pass over (RFC 9110, section 15.2, wants clients to).
 * `sent` is false only when the backend certainly saw nothing of the request.
 */
export interface TransportFailure {
  kind: "connect" | "connect_timeout" | "tls" | "reset" | "malformed" | "interim" | "unsendable";
  sent: boolean;
  cause: unknown;
  /** The connection had carried an earlier call, and nothing came on it for this one: it may have been closed while idle. */
  reusedConnection?: boolean;
}

/** Lower-case names; a list where a header may have come more than once. */
export type UpstreamHeaders = Record<string, string | string[] | undefined>;

/**
 * Callbacks of one call: `onHeaders` once, `onData` any number of times, then one of `onEnd`, `onError`. Or `onUpgrade`
 * alone, where the backend agrees to another protocol.
 */
export interface TransportHandler {
  onHeaders(status: number, headers: UpstreamHeaders): void;
  onData(chunk: Uint8Array): void;
  /** The connection belongs to the handler from now on, which closes it. */
  onUpgrade?(headers: UpstreamHeaders, socket: Duplex): void;
  onEnd(): void;
  /** Not called after `abort`. */
  onError(failure: TransportFailure): void;
}

/** A running call. */
export interface TransportCall {
  /** The gateway's own connections are all in use; one is being made; the backend may have seen something. */
  readonly stage: "queued" | "connecting" | "sent";
  pause(): void;
  resume(): void;
  /** Closes the connection of the call. Idempotent; no callback runs afterwards. */
  abort(): void;
}

/** The way to one backend: its connections, credentials kept apart from every other backend's. */
export interface Transport {
  send(request: TransportRequest, handler: TransportHandler): TransportCall;
  /** Lets running calls finish, then closes. */
  close(): Promise<void>;
  /** Aborts running calls. */
  destroy(): Promise<void>;
}
