import { expect, it } from "vitest";
import { nearest } from "../../../core/src/config/nearest.ts";

const OPTIONS = ["capacity", "rate", "scope", "algorithm", "baseURL", "apiKey"];

it.each([
  ["capcity", "capacity"],
  ["capactiy", "capacity"],
  ["rtae", "rate"],
  ["base_url", "baseURL"],
  ["APIKEY", "apiKey"],
  ["algoritm", "algorithm"],
  ["window", undefined],
  ["", undefined],
])("%s most likely means %s", (word, expected) => expect(nearest(word, OPTIONS)).toBe(expected));

it("takes the nearest of several", () => {
  expect(nearest("server2", ["server11", "server1", "server"])).toBe("server1");
  expect(nearest("server", ["server1", "server"])).toBe("server");
});
