import type { GatewayError } from "./errors.ts";
import type { Target } from "./target.ts";

/** How an attempt, and with the last one the request, came to its end. */
export type Outcome = "complete" | "client_abort" | "upstream_error" | "truncated" | "rejected";

/** Token counts as the backend reported them, or an estimate and marked so. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  totalTokens: number;
  /** Part of `inputTokens`. */
  cachedTokens?: number;
  /** Part of `outputTokens`. */
  reasoningTokens?: number;
  estimated?: boolean;
}

/**
 * One try at one target. Dispatch makes it, the reply (`reply.attempt`) or the error (`error.attempt`) carries it.
 * It settles exactly once, after its last byte or its failure, which for a stream is long after the reply.
 */
export interface Attempt {
  /** 1 for the first try of a request. */
  readonly number: number;
  readonly target: Target;
  /** `performance.now()` at dispatch. */
  readonly startedAt: number;
  /**
   * To the response headers: the backend's own time. What the client took for its upload, or the call for a free
   * connection of the gateway's, is not in it.
   */
  readonly timeToFirstByteMs?: number;
  /** To the first content event (streams) or the whole body, counted likewise. */
  readonly timeToFirstTokenMs?: number;
  /** From dispatch to the end, with all waiting. */
  readonly durationMs?: number;
  /** Upstream status, where one arrived. */
  readonly status?: number;
  readonly usage?: Usage;
  /** Absent while the attempt runs; also `cancelled` when the gateway itself gave it up (a lost hedge). */
  readonly outcome?: Outcome | "cancelled";
  readonly error?: GatewayError;
  /** Runs once when the attempt is over; at once if it is over already. */
  onSettled(listener: (attempt: Attempt) => void): void;
}
