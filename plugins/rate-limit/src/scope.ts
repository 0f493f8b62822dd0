import { createHash } from "node:crypto";
import { isIPv6 } from "node:net";
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

/**
 * Keys kept, so that a digest is made once for a value; then all go. To drop the oldest one only, a Map looks over the
 * places of all that were dropped before it: 20 µs for each stranger of a flood, against 2 for a digest.
 */
const MAX_CACHED = 10_000;

/**
 * `<prefix>:<digest of the value>`, since values are the clients' to choose, and stores have their own mind about signs
 * and lengths of keys.
 */
export function createScopeKeys(prefix: string, scope: Scope): ScopeKeys {
  const valueOf = typeof scope === "function" ? scope : VALUES[scope];
  const cache = new Map<string, string>();
  return (ctx) => {
    const value = valueOf(ctx);
    if (value === undefined) return undefined;
    const known = cache.get(value);
    if (known !== undefined) return known;
    const key = `${prefix}:${digestOf(scope === "client-ip" ? networkOf(value) : value)}`;
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(value, key);
    return key;
  };
}

/** 128 bits: nobody finds two values that meet. */
function digestOf(value: string): string {
  return createHash("sha256").update(value).digest("hex").slice(0, 32);
}

/** An IPv6 client has a /64 of addresses at the least (RFC 6177), so that network is one client. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = "", right] = address.split("%", 1)[0]!.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === undefined || right === "" ? [] : right.split(":");
  // A dotted IPv4 tail takes the room of two groups.
  const tailLength = tail.length + (tail.at(-1)?.includes(".") ? 1 : 0);
  const groups = [
    ...head,
    ...Array.from({ length: Math.max(0, 8 - head.length - tailLength) }, () => "0"),
    ...tail,
  ];
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(":")}::/64`;
}
