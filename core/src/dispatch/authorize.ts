import type { Backend } from "../backend.ts";
import { GatewayError } from "../errors.ts";
import type { TransportRequest } from "../transport/transport.ts";

/**
 * The request with the headers that its adapter's `authorize` gives, in place of those of the same names, and with the
 * query parameters that it set. Undefined when it was refused and there is nothing else to try.
 */
export async function authorizeRequest(
  request: TransportRequest,
  { adapter, baseURL, options }: Backend,
  apiKey: string | undefined,
  { refused, signal }: { refused: boolean; signal: AbortSignal },
): Promise<TransportRequest | undefined> {
  const headers: Record<string, string> = {};
  for (let i = 0; i < request.headers.length; i += 2) headers[request.headers[i]!] = request.headers[i + 1]!;
  const { body } = request;
  const whole = typeof body === "string" || body instanceof Uint8Array;
  const url = new URL(request.path, baseURL);
  const { search } = url;
  const added = await adapter.authorize!(
    { method: request.method, url, headers, ...(whole && { body }) },
    { apiKey, options, refused, signal },
  );
  if (refused && !added) return undefined;
  return {
    ...request,
    headers: Object.entries({ ...headers, ...added }).flat(),
    // Untouched, the path goes out as it was written: a URL may spell it anew.
    ...(url.search !== search && { path: url.pathname + url.search }),
  };
}

/** What to say when there is no token to be had: the reason may name accounts and hosts, so it stays a cause. */
export function unauthorized(cause: unknown): GatewayError {
  return new GatewayError("upstream_auth_error", {
    upstream: { kind: "connect", sent: false },
    cause,
  });
}
