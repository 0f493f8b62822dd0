import { isIPv6 } from "node:net";
import type { Context } from "gatewright";

/** Who takes turns with whom: the holder of the key, else the client's network. */
export function tenantOf(ctx: Context): string {
  const { principal } = ctx;
  return principal === undefined ? `ip:${networkOf(ctx.request.clientAddress)}` : `key:${principal.id}`;
}

/** An IPv6 client has a /64 of addresses at the least (RFC 6177), so that network is one client. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = "", right] = address.split("%", 1)[0]!.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right ? right.split(":") : [];
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tail.length) }, () => "0");
  return [...head, ...zeros, ...tail]
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
