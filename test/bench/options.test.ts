import { describe, expect, it } from "vitest";
import { MEASURES, readOptions, SUBJECTS } from "../../bench/src/options.ts";

describe("readOptions", () => {
  it("runs everything in full by default", () => {
    expect(readOptions([])).toEqual({ quick: false, save: false, only: MEASURES, subjects: SUBJECTS });
  });

  it("narrows measures and subjects, in the order they run", () => {
    const options = readOptions(["--quick", "--only", "paced, throughput", "--subjects", "portkey,bare"]);
    expect(options).toEqual({
      quick: true,
      save: false,
      only: ["throughput", "paced"],
      subjects: ["bare", "portkey"],
    });
  });

  it("names an unknown measure and those there are", () => {
    expect(() => readOptions(["--only", "speed"])).toThrow(
      /--only: expected some of .*throughput.*, got "speed"/,
    );
  });

  it("gives null when help is asked for", () => {
    expect(readOptions(["--help"])).toBeNull();
  });
});
