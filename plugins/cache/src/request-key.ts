import { canonicalJson, digestParts } from "gatewright";
import type { Context, Principal } from "gatewright";
import type { CacheOptions } from "./options.ts";

/** Changes when the meaning of a key, or the shape of what is kept under it, does. */
const FORMAT = "2";

/**
 * A digest of everything that an answer depends on: who asks, for what, where it may go, the whole body (or what is
 * given in its place), whether it is streamed, which some dialects say elsewhere, and the headers that go upstream
 * with it.
 */
export function requestKey(
  ctx: Context,
  { scope, version }: Pick<CacheOptions, "scope" | "version">,
  body: unknown = ctx.body.json,
): string {
  const { principal, operation, model, candidates, stream, upstreamHeaders } = ctx;
  return digestParts([
    FORMAT,
    version,
    ...sharersOf(principal, scope),
    operation.name,
    model,
    canonicalJson(candidates.map(({ id }) => id).toSorted()),
    canonicalJson(body),
    String(stream),
    canonicalJson({ ...upstreamHeaders, ...forwardedHeaders(ctx) }),
  ]);
}

/** Who may have the answer. */
function sharersOf(principal: Principal | undefined, scope: CacheOptions["scope"]): [string, string, string] {
  if (!principal) return ["nobody", "", ""];
  const { tenant, id } = principal;
  if (scope === "tenant" && tenant !== undefined) return ["tenant", tenant, ""];
  return ["principal", tenant ?? "", id];
}

/** Headers of the client that the adapters of its backends pass on, such as `openai-beta`. */
function forwardedHeaders({ candidates, request }: Context): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const { backend } of candidates) {
    for (const name of backend.adapter?.forwardHeaders ?? []) {
      const value = request.headers[name];
      if (value !== undefined) headers[name] = value;
    }
  }
  return headers;
}
