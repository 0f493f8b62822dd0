import type { Context } from "./context.ts";
import { GatewayError } from "./errors.ts";

/** The origin of web pages as browsers send it: scheme, host and port, nothing behind (RFC 6454, section 6.2). */
export function isWebOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}

/**
 * Throws 403 `origin_not_allowed` for a web page that may not call. For front doors that a page reaches without asking
 * first, a gateway on its visitor's own machine included: by a name that was made to mean that machine (DNS rebinding), or
 * over WebSocket, before which browsers send no preflight (RFC 6455, section 10.2). What sends no `Origin` is no page.
 */
export function checkWebOrigin(
  { request }: Pick<Context, "request">,
  mayCall: (origin: string) => boolean,
): void {
  const { origin } = request.headers;
  if (origin !== undefined && !mayCall(origin)) throw new GatewayError("origin_not_allowed");
}
