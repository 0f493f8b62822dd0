import { judgeAttempt } from "gatewright";
import type { Attempt, Timeouts } from "gatewright";

/** What an attempt says of how fast its target is. */
export type Observation =
  | { readonly kind: "answer"; readonly ms: number }
  /** It failed, refused us, or asked us to slow down: as bad as an answer that never comes. */
  | { readonly kind: "failure"; readonly ms: number };

/**
 * Time to the first content of a stream, else to the headers. A failure counts as the time limit that it might have
 * reached, so that a target which fails at once does not look fast. Undefined: the client left, was wrong itself, or
 * the gateway gave the attempt up.
 */
export function observe(attempt: Attempt, stream: boolean): Observation | undefined {
  const { outcome, target } = attempt;
  const ms = stream ? attempt.timeToFirstTokenMs : attempt.timeToFirstByteMs;
  if (outcome === undefined || outcome === "complete") {
    return ms === undefined ? undefined : { kind: "answer", ms };
  }
  if (judgeAttempt(attempt) === "none") return undefined;
  return { kind: "failure", ms: longestMs(target.backend.timeouts) };
}

/** Where every limit is off: as long as a request takes by default. */
const UNLIMITED_MS = 60_000;

function longestMs({ firstByteMs, attemptMs, totalMs }: Timeouts): number {
  return firstByteMs || attemptMs || totalMs || UNLIMITED_MS;
}
