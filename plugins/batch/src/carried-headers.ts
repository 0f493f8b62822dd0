import type { DownstreamRequest } from "gatewright";

/** Headers that are about the one message that carried them, and not about who sent it. */
const OWN = new Set([
  "accept",
  "accept-encoding",
  "connection",
  "expect",
  "host",
  "idempotency-key",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-request-id",
]);

/** The client's headers for a request that it sent inside of another: its credential above all. */
export function carriedHeaders(headers: DownstreamRequest["headers"], requestId: string): Headers {
  const carried = new Headers();
  for (const [name, value] of Object.entries(headers))
    if (value !== undefined && !OWN.has(name) && !name.startsWith("content-")) carried.append(name, value);
  carried.set("content-type", "application/json");
  carried.set("x-request-id", requestId);
  return carried;
}
