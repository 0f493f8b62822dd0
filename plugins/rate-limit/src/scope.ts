import { createHash } from "node:crypto";
import { BoundedMap, networkOf } from "gatewright";
import type { Context } from "gatewright";
import type { ContextFunction, SCOPES } from "./options.ts";

export type Scope = (typeof SCOPES)[number] | ContextFunction<string | undefined>;

/** The state key of a request; undefined where the limit does not apply to it. */
export type ScopeKeys = (ctx: Context) => string | undefined;

/** Requests that no plugin found a principal for share one state. */
const ANONYMOUS = "";

const VALUES: { readonly [S in Exclude<Scope, ContextFunction<string | undefined>>]: ScopeKeys } = {
  global: () => "",
  operation: (ctx) => ctx.operation.name,
  // A list of models is asked of none.
  model: (ctx) => ctx.model || undefined,
  "client-ip": (ctx) => ctx.request.clientAddress,
  key: (ctx) => ctx.principal?.id ?? ANONYMOUS,
  backend: (ctx) => ctx.target?.backend.name,
  provider: (ctx) => ctx.target?.backend.adapter.provider,
};

/** Keys kept, so that a digest is made once for a value; then the oldest goes. */
const MAX_CACHED = 10_000;

/**
 * `<prefix>:<digest of the value>`, since values are the clients' to choose, and stores have their own mind about signs
 * and lengths of keys.
 */
export function createScopeKeys(prefix: string, scope: Scope): ScopeKeys {
  const valueOf = typeof scope === "function" ? scope : VALUES[scope];
  const cache = new BoundedMap<string, string>(MAX_CACHED);
  return (ctx) => {
    const value = valueOf(ctx);
    if (value === undefined) return undefined;
    const known = cache.get(value);
    if (known !== undefined) return known;
    const key = `${prefix}:${digestOf(scope === "client-ip" ? networkOf(value) : value)}`;
    cache.set(value, key);
    return key;
  };
}

/** 128 bits: nobody finds two values that meet. */
function digestOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, 32);
}
