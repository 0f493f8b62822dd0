import { expect, it } from "vitest";
import { chat } from "../../../core/src/operations/chat.ts";
import { completions } from "../../../core/src/operations/completions.ts";

/** Some servers have an empty text there until the end. */
it.each([
  ["stop", 1],
  ["", 0],
  [null, 0],
  [undefined, 0],
])("a choice whose finish_reason is %j counts as %i finished ones", (reason, finished) => {
  const event = { choices: [{ index: 0, finish_reason: reason }] };
  expect(chat.stream!.finishes(event)).toBe(finished);
  expect(completions.stream!.finishes(event)).toBe(finished);
});

it("counts each choice of an event", () => {
  const event = { choices: [{ finish_reason: "stop" }, { finish_reason: "" }, { finish_reason: "length" }] };
  expect(chat.stream!.finishes(event)).toBe(2);
  expect(completions.stream!.finishes(event)).toBe(2);
});
