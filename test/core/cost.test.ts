import { costInMicros } from "gatewright";
import { expect, it } from "vitest";

const usage = (inputTokens: number, outputTokens: number, cachedTokens?: number) => ({
  inputTokens,
  outputTokens,
  totalTokens: inputTokens + outputTokens,
  ...(cachedTokens !== undefined && { cachedTokens }),
});

it.each([
  [usage(20, 50), { prompt: 0.00003, completion: 0.00006 }, 3_600],
  [usage(1, 0), { prompt: 0.0000005, completion: 0 }, 1],
  [usage(1, 0), { prompt: 0.0000004, completion: 0 }, 0],
  [usage(3, 0), { prompt: 0.0000005, completion: 0 }, 2],
  [usage(100, 10, 80), { prompt: 0.00001, completion: 0.00002, cachedPrompt: 0.000001 }, 480],
  [usage(100, 10, 80), { prompt: 0.00001, completion: 0.00002 }, 1_200],
  [usage(1_000_000_000, 0), { prompt: 0.00003, completion: 0 }, 30_000_000_000],
])("mo-14: %j at %j is %i millionths of a dollar, half of one rounded up", (tokens, price, micros) => {
  expect(costInMicros(tokens, price)).toBe(micros);
});
