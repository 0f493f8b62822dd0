import { BlockList, isIP } from "node:net";

/** An address, or a range as CIDR: `203.0.113.7`, `10.0.0.0/8`, `2001:db8::/32`. */
export function isIpRange(text: string): boolean {
  const { address, prefix } = parseRange(text);
  const family = isIP(address);
  if (family === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** Tells whether an address lies in one of the ranges. No address, or what is none, lies in none. */
export function ipMatcher(ranges: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const range of ranges) {
    const { address, prefix } = parseRange(range);
    const family = isIP(address) === 4 ? "ipv4" : "ipv6";
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return (address) => {
    const family = isIP(address);
    return family !== 0 && list.check(address, family === 4 ? "ipv4" : "ipv6");
  };
}

function parseRange(text: string): { address: string; prefix?: string } {
  const slash = text.indexOf("/");
  return slash < 0 ? { address: text } : { address: text.slice(0, slash), prefix: text.slice(slash + 1) };
}
