/**
 * What the gateway alone says of a reply: its framing, the connection that it goes over, and whose answer it is. A second
 * length, or a length beside a transfer encoding, makes two replies of one for somebody on the way (RFC 9112, section 6.3;
 * RFC 9110, section 7.6.1).
 */
const GATEWAYS_OWN: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-request-id",
]);

/** Names that were looked at: plugins use the same few. */
const known = new Map<string, string>();
const MAX_KNOWN = 1_024;

/**
 * The name under which a field of a reply leaves, in lower case; empty for a field that is the gateway's to say. Throws on
 * what is no name of a field (RFC 9110, section 5.1), which no answer could go out with.
 */
export function toReplyField(name: string): string {
  return known.get(name) ?? learn(name);
}

function learn(name: string): string {
  if (!/^[!#$%&'*+.^`|~\w-]+$/.test(name))
    throw new TypeError(`expected the name of a header, got ${JSON.stringify(name)}`);
  const lower = name.toLowerCase();
  const field = GATEWAYS_OWN.has(lower) ? "" : lower;
  if (known.size < MAX_KNOWN) known.set(name, field);
  return field;
}
