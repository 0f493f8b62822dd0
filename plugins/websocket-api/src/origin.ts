import { GatewayError } from "gatewright";
import type { Context } from "gatewright";

/**
 * Browsers let any page open a WebSocket to anywhere, a gateway on the visitor's own machine included, and send no
 * preflight (RFC 6455, section 10.2). A page that has no key to show is therefore one that the config names.
 * Throws 403 for others; what sends no `Origin` is no page.
 */
export function checkOrigin({ request, principal }: Context, allowed: readonly string[] | undefined): void {
  const { origin } = request.headers;
  if (origin === undefined) return;
  if (allowed === undefined ? principal !== undefined : allowed.includes(origin)) return;
  throw new GatewayError("origin_not_allowed", {
    status: 403,
    type: "permission_error",
    message: "Pages of this origin may not connect",
  });
}
