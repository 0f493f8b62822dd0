import { createHash } from "node:crypto";
import { digestParts } from "gatewright";
import { expect, it } from "vitest";

it("is the SHA-256 of all parts, each behind its length in bytes", () => {
  const expected = createHash("sha256").update("2:ab0:2:é").digest("hex");
  expect(digestParts(["ab", "", "é"])).toBe(expected);
  expect(digestParts([Buffer.from("ab"), "", "é"])).toBe(expected);
});

it("tells lists of parts apart whose texts together are the same", () => {
  const lists = [["ab", "c"], ["a", "bc"], ["abc"], ["abc", ""], ["", "abc"], ["1:a", "bc"]];
  expect(new Set(lists.map(digestParts)).size).toBe(lists.length);
});
