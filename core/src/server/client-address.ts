import { isIP } from "node:net";
import type { IncomingHttpHeaders } from "node:http";
import { createAddressMatcher } from "../address-range.ts";

/** Finds who asks: the socket's peer, or the right-most hop that is not a trusted proxy. */
export type ClientAddressOf = (peer: string, headers: IncomingHttpHeaders) => string;

/**
 * A forwarding header counts only when the peer is trusted, and in it only what trusted hops wrote: everything left
 * of the right-most untrusted address is the client's own claim (RFC 7239, section 8.1). Most proxies write one of
 * `forwarded` and `x-forwarded-for` and pass the other on as the client sent it: where both are there and do not
 * agree, neither is believed.
 */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddressOf {
  if (trustedProxies.length === 0) return (peer) => foldMapped(peer);
  const isTrusted = createAddressMatcher(trustedProxies);
  const rightmostUntrusted = (peer: string, hops: readonly string[]): string => {
    let client = peer;
    for (const hop of hops.toReversed()) {
      const address = foldMapped(hop);
      if (isIP(address) === 0) break;
      client = address;
      if (!isTrusted(address)) break;
    }
    return client;
  };

  return (peer, headers) => {
    const socketPeer = foldMapped(peer);
    if (!isTrusted(socketPeer)) return socketPeer;
    const { forwarded, "x-forwarded-for": list } = headers;
    const claims = [
      ...(forwarded === undefined ? [] : [forwardedHops(forwarded)]),
      ...(list === undefined ? [] : [listedHops(String(list))]),
    ].map((hops) => rightmostUntrusted(socketPeer, hops));
    return claims.every((claim) => claim === claims[0]) ? (claims[0] ?? socketPeer) : socketPeer;
  };
}

/** The `for` of each element; an element without one counts as a hop that nobody knows. */
function forwardedHops(forwarded: string): string[] {
  return forwarded.split(",").map((element) => {
    const match = /(?:^|;)\s*for=(?:"([^"]*)"|([^";\s]*))\s*(?:;|$)/i.exec(element.trim());
    return withoutPort(match?.[1] ?? match?.[2] ?? "");
  });
}

function listedHops(list: string): string[] {
  return list.split(",").map((hop) => withoutPort(hop.trim()));
}

function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(hop);
  // The zone of a link-local address means something on the proxy's own machine only.
  if (bracketed) return bracketed[1]!.replace(/%.*$/, "");
  return /^\d+\.\d+\.\d+\.\d+:\d+$/.test(hop) ? hop.slice(0, hop.lastIndexOf(":")) : hop.replace(/%.*$/, "");
}

/** An IPv4 address that came over an IPv6 socket is the same client. */
function foldMapped(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  return mapped && isIP(mapped[1]!) === 4 ? mapped[1]! : address;
}
