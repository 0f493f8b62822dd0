import { describe, expect, it } from "vitest";
import { viewOf } from "../../../core/src/body/json-view.ts";
import { estimatedUsage } from "../../../core/src/dispatch/estimated-usage.ts";
import { chat } from "../../../core/src/operations/chat.ts";

describe("usage of an answer that was cut", () => {
  it("keeps what the backend had told of it, and says that it is an estimate", () => {
    const told = { inputTokens: 10, outputTokens: 30, totalTokens: 40, cachedTokens: 4, reasoningTokens: 20 };
    expect(estimatedUsage(12, told, chat, viewOf({}))).toEqual({ ...told, estimated: true });
  });

  it("counts more than was told where more had come", () => {
    const told = { inputTokens: 10, outputTokens: 1, totalTokens: 11 };
    expect(estimatedUsage(12, told, chat, viewOf({}))).toEqual({
      inputTokens: 10,
      outputTokens: 12,
      totalTokens: 22,
      estimated: true,
    });
  });
});
