import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createClientAddress } from "../../../core/src/server/client-address.ts";

const RUNS = { seed: 20_240_229, numRuns: 300 };
const PROXIES = ["10.0.0.0/8", "192.0.2.1", "2001:db8:1::/48"];

describe("the client's address", () => {
  const addressOf = createClientAddress(PROXIES);

  it("li-9: is the socket's peer when no proxy is trusted, whatever the headers say", () => {
    const direct = createClientAddress([]);
    const forged = { "x-forwarded-for": "1.1.1.1", forwarded: "for=2.2.2.2" };
    expect(direct("198.51.100.7", forged)).toBe("198.51.100.7");
    expect(direct("10.0.0.1", forged)).toBe("10.0.0.1");
    expect(direct("::ffff:198.51.100.7", forged)).toBe("198.51.100.7");
  });

  it("li-9: is the socket's peer when that is no trusted proxy", () => {
    expect(addressOf("198.51.100.7", { "x-forwarded-for": "1.1.1.1" })).toBe("198.51.100.7");
    expect(addressOf("192.0.2.2", { forwarded: "for=1.1.1.1" })).toBe("192.0.2.2");
  });

  it.each([
    ["one hop", { "x-forwarded-for": "198.51.100.7" }, "198.51.100.7"],
    ["a forged one in front", { "x-forwarded-for": "1.1.1.1, 198.51.100.7" }, "198.51.100.7"],
    ["proxies behind", { "x-forwarded-for": "1.1.1.1, 198.51.100.7, 10.1.1.1, 192.0.2.1" }, "198.51.100.7"],
    ["proxies alone", { "x-forwarded-for": "10.1.1.1, 10.2.2.2" }, "10.1.1.1"],
    ["a port", { "x-forwarded-for": "198.51.100.7:4711" }, "198.51.100.7"],
    ["IPv6", { "x-forwarded-for": "2001:db8:2::7" }, "2001:db8:2::7"],
    ["IPv6 with a port", { "x-forwarded-for": "[2001:db8:2::7]:4711" }, "2001:db8:2::7"],
    ["an IPv4-mapped address", { "x-forwarded-for": "::FFFF:198.51.100.7" }, "198.51.100.7"],
    ["a zone", { "x-forwarded-for": "fe80::1%eth0" }, "fe80::1"],
    ["what is no address", { "x-forwarded-for": "1.1.1.1, nonsense" }, "10.9.9.9"],
    ["an empty hop", { "x-forwarded-for": "1.1.1.1, " }, "10.9.9.9"],
    ["nothing", {}, "10.9.9.9"],
    ["Forwarded", { forwarded: "for=198.51.100.7;proto=https;by=10.1.1.1" }, "198.51.100.7"],
    ["Forwarded, for in second place", { forwarded: "proto=http; For=198.51.100.7" }, "198.51.100.7"],
    ["Forwarded, quoted IPv6", { forwarded: 'for=1.1.1.1, for="[2001:db8:2::7]:80"' }, "2001:db8:2::7"],
    ["Forwarded, hidden", { forwarded: "for=1.1.1.1, for=_hidden" }, "10.9.9.9"],
    ["Forwarded, unknown behind a proxy", { forwarded: "for=unknown, for=10.1.1.1" }, "10.1.1.1"],
    ["Forwarded, an element without for", { forwarded: "for=1.1.1.1, proto=https" }, "10.9.9.9"],
    ["Forwarded, for inside another name", { forwarded: "x-for=1.1.1.1" }, "10.9.9.9"],
    [
      "Forwarded, an open quote before the proxy's own",
      { forwarded: 'for="1.1.1.1, for=198.51.100.7' },
      "198.51.100.7",
    ],
    ["both, agreeing", { forwarded: "for=198.51.100.7", "x-forwarded-for": "198.51.100.7" }, "198.51.100.7"],
    ["both, one forged", { forwarded: "for=1.1.1.1", "x-forwarded-for": "198.51.100.7" }, "10.9.9.9"],
  ])("F20: behind a trusted proxy, %s", (_, headers, expected) => {
    expect(addressOf("10.9.9.9", headers)).toBe(expected);
  });

  const address = fc.oneof(
    fc.ipV4(),
    fc.ipV4().map((last) => `10.${last.split(".").slice(1).join(".")}`),
    fc.constant("192.0.2.1"),
  );

  it("is the right-most address that is not a proxy's, for any chain, in both headers", () => {
    fc.assert(
      fc.property(fc.array(address, { minLength: 1, maxLength: 6 }), (hops) => {
        const isProxy = (hop: string): boolean => hop.startsWith("10.") || hop === "192.0.2.1";
        const expected = hops.findLast((hop) => !isProxy(hop)) ?? hops[0];
        expect(addressOf("10.0.0.1", { "x-forwarded-for": hops.join(", ") })).toBe(expected);
        expect(addressOf("10.0.0.1", { forwarded: hops.map((hop) => `for=${hop}`).join(",") })).toBe(
          expected,
        );
      }),
      RUNS,
    );
  });

  it("never throws, and never gives what a client wrote left of an untrusted hop", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (claim) => {
        expect(addressOf("10.0.0.1", { "x-forwarded-for": `${claim}, 198.51.100.7` })).toBe("198.51.100.7");
        expect(addressOf("10.0.0.1", { forwarded: `${claim}, for=198.51.100.7` })).toBe("198.51.100.7");
        addressOf("10.0.0.1", { "x-forwarded-for": claim });
        addressOf("10.0.0.1", { forwarded: claim });
      }),
      RUNS,
    );
  });
});
