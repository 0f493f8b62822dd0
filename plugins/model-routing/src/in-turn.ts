import { isAccountRefused, isGatewayError, mayRepeat } from "gatewright";
import type { Context, GatewayError, Next, Reply, Target } from "gatewright";

/** Refusals of layers below: nothing was sent, and another provider may be let through. */
const UNAVAILABLE: ReadonlySet<string> = new Set(["no_available_instances", "circuit_breaker_open"]);

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

/** Besides what may be repeated anywhere: what was refused for its account alone. */
function mayGoElsewhere({ aborted, body, operation, stream }: Context, error: GatewayError): boolean {
  const { upstream, attempt } = error;
  if (aborted) return false;
  if (!upstream) return UNAVAILABLE.has(error.code);
  if (!body.replayable) return false;
  const status = upstream.status ?? attempt?.status;
  const call = { failure: upstream, status, replaySafe: operation.replaySafe, stream };
  return isAccountRefused(call) || mayRepeat(call);
}
