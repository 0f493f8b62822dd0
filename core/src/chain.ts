import type { AttemptScope, Context } from "./context.ts";
import type { Reply } from "./reply.ts";

/** Goes on to the rest of the chain. Called again, it is a further attempt, on a fresh context. */
export type Next = (scope?: AttemptScope) => Promise<Reply>;

/** Returns the rest's reply, a changed one, its own, or throws a `GatewayError`. */
export type Middleware = (ctx: Context, next: Next) => Promise<Reply>;
