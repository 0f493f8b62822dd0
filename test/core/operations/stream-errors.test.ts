import { expect, it } from "vitest";
import { chat } from "../../../core/src/operations/chat.ts";

it.each([
  [{ error: { message: "Gone.", code: 503 } }, { message: "Gone.", status: 503 }],
  [{ error: "Gone." }, { message: "Gone." }],
  [
    { object: "error", message: "Too long.", type: "BadRequestError", code: 400 },
    { message: "Too long.", status: 400 },
  ],
  [
    { status_code: 404, detail: "Model not found" },
    { message: "Model not found", status: 404 },
  ],
  [{ status_code: 503, detail: [{ msg: "x" }] }, { status: 503 }],
  [{ error: true }, {}],
  [{ error: { code: 400, message: "No.", status: "INVALID_ARGUMENT" } }, { message: "No.", status: 400 }],
  [
    { error: { message: "Busy.", code: "rate_limit_exceeded", status: 429 } },
    { message: "Busy.", code: "rate_limit_exceeded", status: 429 },
  ],
])("st-6: reads the error that an event %j is", (event, failure) => {
  expect(chat.stream!.error!(event)).toEqual(failure);
});

it.each([
  { choices: [], object: "chat.completion.chunk", error: null },
  { choices: [{ index: 0, delta: { content: "a" } }], status_code: 200, detail: "none" },
  { detail: "none" },
])("takes an event %j for none", (event) => {
  expect(chat.stream!.error!(event)).toBeUndefined();
});
