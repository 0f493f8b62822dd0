import { estimateTokens } from "gatewright";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

describe("the estimate of tokens", () => {
  it.each([
    ["nothing", "", 0],
    ["white space alone", " \n\t\u00A0\u3000", 0],
    ["four characters", "four", 1],
    ["five, rounded up", "fives", 2],
    ["white space between, which does not count", "f o u r", 1],
    ["two Han characters", "你好", 1],
    ["three, rounded up", "你好吗", 2],
    ["both together: 2/2 + 5/4", "你好 world", 3],
    ["an ideograph beyond the first plane, once", "\u{20000}\u{20000}", 1],
    ["other scripts by four", "привет мир", 3],
    ["emoji as one character each", "🙂🙂🙂🙂", 1],
  ])("st-5: is by the rule for %s", (_, text, tokens) => {
    expect(estimateTokens(text)).toBe(tokens);
  });

  it("st-5: counts the texts of a conversation together, without names, kinds and pictures", () => {
    const messages = [
      { role: "system", content: "ab" },
      {
        role: "user",
        content: [
          { type: "text", text: "cd" },
          { type: "image_url", image_url: { url: "x".repeat(300) } },
        ],
      },
    ];
    expect(estimateTokens(messages)).toBe(1);
    expect(estimateTokens([{ image_url: { url: `data:image/png;base64,${"A".repeat(20)}` } }])).toBe(0);
  });

  it("st-5: takes a prompt of numbers for the tokens that they are", () => {
    expect(estimateTokens([[1, 2, 3], [4]])).toBe(4);
  });

  it("st-5: never falls when text is added", () => {
    const text = fc.string({ unit: "grapheme" });
    fc.assert(
      fc.property(text, text, (a, b) => {
        expect(estimateTokens([a, b])).toBeGreaterThanOrEqual(estimateTokens(a));
        expect(estimateTokens([a, b])).toBeLessThanOrEqual(estimateTokens(a) + estimateTokens(b));
      }),
      { seed: 5 },
    );
  });
});
