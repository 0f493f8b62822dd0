import { createRequestMapping } from "gatewright";
import { describe, expect, it } from "vitest";

describe("what the translation of a request carries along", () => {
  it("takes the members beyond OpenAI's API that the backend has, and no others", () => {
    const { takes } = createRequestMapping({ extensions: ["top_k"] });
    expect([takes("top_k"), takes("cache_control")]).toEqual([true, false]);
    expect(createRequestMapping({ extensions: [] }).takes("top_k")).toBe(false);
  });

  it("takes all where an adapter sorts them out", () => {
    expect(createRequestMapping({}).takes("top_k")).toBe(true);
  });

  it("has left nothing out at first, whatever other requests did", () => {
    createRequestMapping({}).dropped.add("top_k");
    expect([...createRequestMapping({}).dropped]).toEqual([]);
  });
});
