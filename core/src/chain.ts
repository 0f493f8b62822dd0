import type { AttemptScope, Context } from "./context.ts";
import type { Reply } from "./reply.ts";
import type { RequestContext, ScopeSnapshot } from "./request/request-context.ts";

/** Goes on to the rest of the chain. Called again, it is a further attempt, on a fresh context. */
export type Next = (scope?: AttemptScope) => Promise<Reply>;

/** Returns the rest's reply, a changed one, its own, or throws a `GatewayError`. */
export type Middleware = (ctx: Context, next: Next) => Promise<Reply>;

/** A chain, or the rest of one, made once and run for each request. */
export type Handler = (ctx: RequestContext) => Promise<Reply>;

/** One place in the chain: a plugin's middleware, where its conditions hold. */
export interface Layer {
  middleware: Middleware;
  /** False: the layer is passed by for this request. Absent: it runs for all. */
  applies?(ctx: RequestContext): boolean;
}

/** Folds the layers around the last handler, from the right; made once when a config is taken into use. */
export function composeChain(layers: readonly Layer[], last: Handler): Handler {
  return layers.reduceRight<Handler>((rest, layer) => link(layer, rest), last);
}

function link({ middleware, applies }: Layer, rest: Handler): Handler {
  const run: Handler = (ctx) => middleware(ctx, createNext(ctx, rest));
  return applies ? (ctx) => (applies(ctx) ? run(ctx) : rest(ctx)) : run;
}

/**
 * The first call hands the same context on, which costs nothing; what it was before is kept. Every further call, and
 * a first one with a scope, gets a fork of that, so that attempts cannot see one another.
 */
function createNext(ctx: RequestContext, rest: Handler): Next {
  let entry: ScopeSnapshot | undefined;
  // Not async, which would cost three turns of the queue for each layer; a throw still becomes a rejection.
  return function next(scope) {
    try {
      if (entry === undefined) {
        entry = ctx.snapshot();
        if (scope === undefined) return rest(ctx);
      }
      return rest(ctx.fork(entry, scope));
    } catch (error) {
      return Promise.reject(error);
    }
  };
}
