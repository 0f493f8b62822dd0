import { describe, expect, it, vi } from "vitest";
import { viewOf } from "../../../core/src/body/json-view.ts";
import type { ServerLimits } from "../../../core/src/config/resolved.ts";
import type { DownstreamRequest } from "../../../core/src/context.ts";
import { speech } from "../../../core/src/operations/speech.ts";

const refuses = (input: string, speechCharacters: number): boolean =>
  speech.validate!(viewOf({ input }), {} as DownstreamRequest, { speechCharacters } as ServerLimits) !==
  undefined;

describe("the length of speech", () => {
  it("in-7: is counted in characters, not in UTF-16 units", () => {
    expect(refuses("a".repeat(10), 10)).toBe(false);
    expect(refuses("a".repeat(11), 10)).toBe(true);
    expect(refuses("😀".repeat(10), 10)).toBe(false);
    expect(refuses("😀".repeat(9) + "ab", 10)).toBe(true);
    expect(refuses("😀".repeat(11), 10)).toBe(true);
  });

  it("in-7: is told of a text far too long without a look at its characters", () => {
    const text = "a".repeat(100_000);
    const read = vi.spyOn(String.prototype, Symbol.iterator);
    const refused = refuses(text, 4_096);
    const reads = read.mock.calls.length;
    read.mockRestore();
    expect(refused).toBe(true);
    expect(reads).toBe(0);
  });
});
