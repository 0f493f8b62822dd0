import { networkOf } from "gatewright";
import type { Context } from "gatewright";

/** Who takes turns with whom: the holder of the key, else the client's network. */
export function tenantOf(ctx: Context): string {
  const { principal } = ctx;
  return principal === undefined ? `ip:${networkOf(ctx.request.clientAddress)}` : `key:${principal.id}`;
}
