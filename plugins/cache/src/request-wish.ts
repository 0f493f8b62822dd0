import { GatewayError, wrongField } from "gatewright";
import type { Context } from "gatewright";
import * as v from "valibot";

/** Longest age that a request can ask for: 30 days, in seconds. */
const MAX_TTL_SECONDS = 2_592_000;

const CacheMember = v.strictObject({
  enabled: v.optional(v.boolean()),
  ttl: v.optional(v.pipe(v.number(), v.minValue(1), v.maxValue(MAX_TTL_SECONDS))),
});

const EXPECTED = "an object with `enabled` (true or false) and `ttl` (seconds, from 1)";

/** What a request itself says about caching. */
export interface RequestWish {
  /** False: the cache is not touched. True: sampled answers may be kept too. */
  readonly enabled?: boolean;
  /** `no-store`: as if there were no cache. */
  readonly noStore: boolean;
  /** `no-cache`: a new answer is wanted, and may be kept. */
  readonly noCache: boolean;
  /** Older answers are refused. */
  readonly maxAgeMs: number;
  /** How long the answer may be kept. */
  readonly ttlMs?: number;
}

/**
 * Reads the member `cache` of the body and the header `Cache-Control` (RFC 9111, section 5.2.1), and takes the member
 * out, as backends do not know it. Throws 400 when it is not as documented.
 */
export function readWish(ctx: Context): RequestWish {
  const member = takeMember(ctx);
  const directives = readDirectives(ctx.request.headers["cache-control"]);
  const ttlMs = member.ttl === undefined ? undefined : member.ttl * 1_000;
  const maxAge = directives.get("max-age");
  return {
    enabled: member.enabled,
    noStore: directives.has("no-store"),
    noCache: directives.has("no-cache"),
    maxAgeMs: Math.min(ttlMs ?? Infinity, toMaxAgeMs(maxAge)),
    ttlMs,
  };
}

function takeMember(ctx: Context): v.InferOutput<typeof CacheMember> {
  const { body } = ctx;
  if (body.kind !== "json") return {};
  const given = body.get("cache");
  if (given === undefined) return {};
  ctx.body = body.with({ cache: undefined });
  const parsed = v.safeParse(v.nullable(CacheMember), given);
  if (parsed.success) return parsed.output ?? {};
  throw new GatewayError("invalid_request", wrongField("cache", EXPECTED, given));
}

function readDirectives(header: string | undefined): Map<string, string> {
  const directives = new Map<string, string>();
  for (const directive of header?.toLowerCase().split(",") ?? []) {
    const [name, value = ""] = directive.split("=", 2);
    directives.set(name!.trim(), value.trim().replace(/^"(.*)"$/, "$1"));
  }
  return directives;
}

/** What is not a number of seconds makes the answer stale (RFC 9111, section 4.2.1). */
function toMaxAgeMs(value: string | undefined): number {
  if (value === undefined) return Infinity;
  return /^\d+$/.test(value) ? Number(value) * 1_000 : -1;
}
