import type { DownstreamRequest } from "../context.ts";

type Headers = DownstreamRequest["headers"];

/** How a browser sends a key (https://developers.openai.com/api/docs/guides/realtime-websocket). */
const KEY = "openai-insecure-api-key.";

/** Says for whose account a browser's key is: of no use to a backend that is sent another key. */
const ACCOUNTS = ["openai-organization.", "openai-project."];

/**
 * Browsers cannot set headers, so that what belongs there comes among the subprotocols. A key is moved to
 * `authorization`, where plugins look for it, unless there is one; neither it nor an account's name goes to a backend.
 */
export function readSubprotocols(headers: Headers): Headers {
  const offered = headers["sec-websocket-protocol"];
  if (offered === undefined) return headers;
  const protocols = offered.split(",").map((protocol) => protocol.trim());
  const keys = protocols.filter((protocol) => protocol.startsWith(KEY));
  const kept = protocols.filter((protocol) => !isOurs(protocol));
  const read: Record<string, string | undefined> = { ...headers };
  read["sec-websocket-protocol"] = kept.length > 0 ? kept.join(", ") : undefined;
  // Two keys say nothing: which of them was meant is not to be guessed.
  if (keys.length === 1 && read["authorization"] === undefined && read["x-api-key"] === undefined)
    read["authorization"] = `Bearer ${keys[0]!.slice(KEY.length)}`;
  return read;
}

function isOurs(protocol: string): boolean {
  return protocol.startsWith(KEY) || ACCOUNTS.some((prefix) => protocol.startsWith(prefix));
}
