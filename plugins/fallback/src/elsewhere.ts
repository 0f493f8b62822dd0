import { isGatewayError, mayRepeat } from "gatewright";
import type { Context, GatewayError, Next, Reply, Target } from "gatewright";
import { failureKind } from "./failure-kind.ts";
import { Itinerary } from "./itinerary.ts";
import type { PlacesByKind } from "./itinerary.ts";
import type { Place } from "./options.ts";

/** Answers from the first place that can, under the headers that name it. Throws the failure of the last one tried. */
export async function answerElsewhere(
  ctx: Context,
  next: Next,
  first: GatewayError,
  lists: PlacesByKind,
): Promise<Reply> {
  const itinerary = new Itinerary(lists, ctx.model);
  let failure = first;
  for (;;) {
    const kind = failureKind(failure);
    if (kind === undefined || ctx.aborted || !mayAskAnother(ctx, failure)) throw failure;
    const place = itinerary.next(kind);
    if (place === undefined) throw failure;
    const model = modelOf(place) ?? ctx.model;
    const candidates = candidatesAt(ctx, place, model);
    if (candidates === undefined) continue;
    ctx.log.info("a request falls back", { requestId: ctx.id, model: ctx.model, to: model, kind });
    try {
      return named(await next({ model, candidates }), model, model === ctx.model ? "backend" : "model");
    } catch (error) {
      if (!isGatewayError(error)) throw error;
      failure = error;
    }
  }
}

/**
 * Another model costs what a retry does, and the rules are the same, but for one: what this model refused, by whichever
 * status, another may take.
 */
function mayAskAnother(
  { operation: { replaySafe }, body, stream }: Context,
  { upstream, attempt }: GatewayError,
): boolean {
  if (!body.replayable) return false;
  if (!upstream) return true;
  if (upstream.kind === "status") return replaySafe;
  return mayRepeat({ failure: upstream, status: attempt?.status, replaySafe, stream });
}

/** Targets at a place; `undefined` where there are none for this request, its principal included. */
function candidatesAt(ctx: Context, place: Place, model: string): readonly Target[] | undefined {
  const targets = targetsOf(ctx, model);
  if (typeof place === "string" || targets === undefined) return targets;
  const there = targets.filter(({ backend }) => backend.name === place.backend);
  return there.length > 0 ? there : undefined;
}

function targetsOf(ctx: Context, model: string): readonly Target[] | undefined {
  try {
    return ctx.resolve(model);
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    // The client did not ask for this model: that it may not have it, or that nobody can, is none of its business.
    ctx.log.debug("a fallback is passed over", { requestId: ctx.id, model, code: error.code });
    return undefined;
  }
}

function modelOf(place: Place): string | undefined {
  return typeof place === "string" ? place : place.model;
}

function named(reply: Reply, model: string, kind: "model" | "backend"): Reply {
  const headers = { ...reply.headers, "x-gatewright-model": model, "x-gatewright-fallback": kind };
  return { ...reply, headers };
}
