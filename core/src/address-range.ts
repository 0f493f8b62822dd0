import { BlockList, isIP, isIPv6 } from "node:net";

/** An IP address, or a range in CIDR notation (RFC 4632; RFC 4291, section 2.3). */
export function isAddressRange(text: string): boolean {
  const [address = "", prefix, ...rest] = text.split("/");
  const bits = { 0: -1, 4: 32, 6: 128 }[isIP(address)]!;
  const isPrefix = prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= bits);
  return bits > 0 && isPrefix && rest.length === 0;
}

/** Tells whether an address lies in one of the ranges. No address, or what is none, lies in none. */
export function createAddressMatcher(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const [address, prefix] = range.split("/") as [string, string | undefined];
    if (prefix === undefined) list.addAddress(address, familyOf(address));
    else list.addSubnet(address, Number(prefix), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && list.check(address, familyOf(address));
}

function familyOf(address: string): "ipv4" | "ipv6" {
  return isIPv6(address) ? "ipv6" : "ipv4";
}

/**
 * Who counts as one client by its address: an IPv6 client has a /64 of them at the least (RFC 6177), so that network is
 * one. An IPv4 address, and what is none, stays as it is.
 */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address;
  const [left = "", right = ""] = address.split("%", 1)[0]!.split("::");
  const head = left === "" ? [] : left.split(":");
  const tail = right === "" ? [] : right.split(":");
  // A dotted IPv4 tail takes the room of two groups.
  const tailLength = tail.length + (tail.at(-1)?.includes(".") ? 1 : 0);
  const zeros = Array.from({ length: Math.max(0, 8 - head.length - tailLength) }, () => "0");
  const network = [...head, ...zeros, ...tail].slice(0, 4);
  return `${network.map((group) => Number.parseInt(group, 16).toString(16)).join(":")}::/64`;
}
