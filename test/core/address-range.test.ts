import { createAddressMatcher, isAddressRange, networkOf } from "gatewright";
import { describe, expect, it } from "vitest";

describe("ranges of addresses", () => {
  it.each(["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "10.0.0.0/32", "::1", "::/0", "2001:db8::/128"])(
    "takes %j for one",
    (text) => {
      expect(isAddressRange(text)).toBe(true);
    },
  );

  it.each([
    "10.0.0.0/33",
    "::/129",
    "10.0.0",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "10.0.0.0/-1",
    "10.0.0.0/8.0",
    "localhost",
    "example.com",
    "",
  ])("takes %j for none", (text) => {
    expect(isAddressRange(text)).toBe(false);
  });

  it.each([
    ["203.0.113.7", "203.0.113.7", true],
    ["203.0.113.7", "203.0.113.8", false],
    ["10.0.0.0/8", "10.255.0.1", true],
    ["10.0.0.0/8", "11.0.0.1", false],
    ["10.0.0.0/8", "::ffff:10.1.2.3", true],
    ["2001:db8::/32", "2001:db8:1::1", true],
    ["2001:db8::/32", "2001:db9::1", false],
    ["0.0.0.0/0", "203.0.113.7", true],
    ["0.0.0.0/0", "2001:db8::1", false],
    ["10.0.0.0/8", "", false],
    ["10.0.0.0/8", "unix", false],
  ])("ac-6: %s and %s: %s", (range, address, expected) => {
    expect(createAddressMatcher([range])(address)).toBe(expected);
  });

  it("tells an address of any of several ranges, and none of no range", () => {
    const matches = createAddressMatcher(["10.0.0.0/8", "2001:db8::/32"]);
    expect(["10.1.1.1", "2001:db8::1", "192.0.2.1"].map(matches)).toEqual([true, true, false]);
    expect(createAddressMatcher([])("10.1.1.1")).toBe(false);
  });
});

describe("the network of an address", () => {
  it.each([
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["2001:0db8:0:0001:2:3:4:5", "2001:db8:0:1::/64"],
    ["2001:DB8::1:ffff:0:0:2", "2001:db8:0:1::/64"],
    ["::1", "0:0:0:0::/64"],
    ["::", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::192.0.2.1", "64:ff9b:0:0::/64"],
    ["1:2:3::4:5:192.0.2.1", "1:2:3:0::/64"],
    ["192.0.2.1", "192.0.2.1"],
    ["", ""],
  ])("li-9: of %s is %s", (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
