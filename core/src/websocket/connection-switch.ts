import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Outcome } from "../attempt.ts";
import type { ServerLimits } from "../config/resolved.ts";
import type { GatewayError } from "../errors.ts";

/** A client's connection on which HTTP was spoken so far. */
export interface SwitchedConnection {
  readonly request: IncomingMessage;
  /** Paused. */
  readonly socket: Duplex;
  /** What came behind the request already. */
  readonly head: Buffer;
  /** For the answer to the handshake: names and values in turn. */
  readonly headers: readonly string[];
  readonly limits: ServerLimits;
}

/** How a session ended. */
export interface SessionEnd {
  readonly outcome: Outcome;
  readonly error?: GatewayError;
}

/**
 * What a reply of status 101 does with the client's connection: it answers the handshake and speaks the other protocol
 * (RFC 9110, section 15.2.2). One of `accept` and `cancel` is called, once.
 */
export interface ConnectionSwitch {
  /** Takes the connection over, listens to it before it returns, and closes it in the end. Never rejects. */
  accept(connection: SwitchedConnection): Promise<SessionEnd>;
  /** Ends the session early: the client left, time is up, the gateway shuts down. */
  close(reason: GatewayError): void;
  /** The gateway stops: once what runs here is over, nothing more is to begin. Absent: it ends when it likes. */
  drain?(): void;
  /** Nobody takes the reply. */
  cancel(): void;
}
