import { isGatewayError } from "gatewright";
import type { Context, GatewayError, Next, Reply, Target } from "gatewright";

/** Refusals of layers below: nothing was sent, and another provider may be let through. */
const UNAVAILABLE: ReadonlySet<string> = new Set(["no_available_instances", "circuit_breaker_open"]);

/** Statuses that promise better luck elsewhere. */
const RETRYABLE: ReadonlySet<number> = new Set([429, 500, 502, 503, 504, 529]);

/** Answers from the first group of targets that can. Throws the failure of the last one tried. */
export async function answerInTurn(
  ctx: Context,
  next: Next,
  groups: readonly (readonly Target[])[],
): Promise<Reply> {
  for (const [index, candidates] of groups.entries()) {
    try {
      return await next({ candidates });
    } catch (error) {
      const isLast = index === groups.length - 1;
      if (isLast || !isGatewayError(error) || !mayGoElsewhere(ctx, error)) throw error;
    }
  }
  throw new TypeError("there is no group of targets");
}

/**
 * What a backend may have done is repeated only where the operation says that this is safe (RFC 9110, section 9.2.2),
 * and after response headers only for statuses that promise better luck and for streams that have not begun. A refused
 * credential did nothing.
 */
function mayGoElsewhere({ aborted, body, operation, stream }: Context, error: GatewayError): boolean {
  const { upstream, attempt } = error;
  if (aborted) return false;
  if (!upstream) return UNAVAILABLE.has(error.code);
  if (!body.replayable) return false;
  if (!upstream.sent) return true;
  const status = upstream.status ?? attempt?.status;
  if (status === 401 || status === 403) return true;
  if (!operation.replaySafe) return false;
  if (status === undefined) return true;
  return upstream.kind === "status" || status >= 300 ? RETRYABLE.has(status) : stream;
}
