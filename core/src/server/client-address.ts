import { BlockList, isIP } from "node:net";
import type { IncomingHttpHeaders } from "node:http";

/** Finds who asks: the socket's peer, or the right-most hop that is not a trusted proxy. */
export type ClientAddressOf = (peer: string, headers: IncomingHttpHeaders) => string;

/**
 * A forwarding header counts only when the peer is trusted, and in it only what trusted hops wrote: everything left
 * of the right-most untrusted address is the client's own claim (RFC 7239, section 8.1).
 */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddressOf {
  if (trustedProxies.length === 0) return (peer) => foldMapped(peer);
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [address, prefix] = proxy.split("/") as [string, string | undefined];
    const family = isIP(address) === 6 ? "ipv6" : "ipv4";
    if (prefix === undefined) trusted.addAddress(address, family);
    else trusted.addSubnet(address, Number(prefix), family);
  }
  const isTrusted = (address: string): boolean =>
    trusted.check(address, isIP(address) === 6 ? "ipv6" : "ipv4");

  return (peer, headers) => {
    const socketPeer = foldMapped(peer);
    if (!isTrusted(socketPeer)) return socketPeer;
    let client = socketPeer;
    for (const hop of forwardedHops(headers).toReversed()) {
      const address = foldMapped(hop);
      if (isIP(address) === 0) break;
      client = address;
      if (!isTrusted(address)) break;
    }
    return client;
  };
}

function forwardedHops(headers: IncomingHttpHeaders): string[] {
  const { forwarded } = headers;
  if (forwarded !== undefined)
    return [...forwarded.matchAll(/for="?\[?([^\]",;\s]+)\]?"?/gi)].map(([, address]) =>
      withoutPort(address!),
    );
  const list = headers["x-forwarded-for"];
  const text = Array.isArray(list) ? list.join(",") : (list ?? "");
  return text
    .split(",")
    .map((hop) => withoutPort(hop.trim()))
    .filter((hop) => hop !== "");
}

function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]+)\]/.exec(hop);
  if (bracketed) return bracketed[1]!;
  return /^\d+\.\d+\.\d+\.\d+:\d+$/.test(hop) ? hop.slice(0, hop.lastIndexOf(":")) : hop;
}

/** An IPv4 address that came over an IPv6 socket is the same client. */
function foldMapped(address: string): string {
  return address.startsWith("::ffff:") && isIP(address.slice(7)) === 4 ? address.slice(7) : address;
}
