import { refusedField } from "@gatewright/adapter-tests";
import type { JsonObject } from "gatewright";
import fc from "fast-check";
import { expect, it } from "vitest";
import ollama from "../../adapters/src/ollama.ts";
import { deepFreeze } from "../_support/deep-freeze.ts";
import { isAtOrBelow, leavesOf, nameOf, replaceAt } from "../_support/json-leaves.ts";

/** Fields whose value says nothing that Ollama could be told, or that core alone acts on. */
const WITHOUT_EFFECT = new Set([
  "stream_options.include_usage",
  "response_format.json_schema.name",
  "response_format.json_schema.strict",
  "messages[].tool_calls[].type",
]);

function toChat(request: JsonObject) {
  return ollama.operations.chat!.toRequest!(deepFreeze(request), {
    operation: "chat",
    model: "upstream-model",
    requestedModel: "client-model",
    stream: request["stream"] === true,
    options: { headers: {} },
    requestId: "req-1",
    nowSeconds: 0,
    report: () => {},
    request,
  });
}

/** What a request comes to: its body and report, or the field that was refused. */
function outcomeOf(request: JsonObject): string {
  let mapped: unknown;
  const refused = refusedField(() => (mapped = toChat(request)));
  return JSON.stringify(refused ?? mapped);
}

function otherThan(leaf: unknown): unknown {
  if (typeof leaf === "string") return `${leaf}~`;
  if (typeof leaf === "number") return leaf === 7 ? 8 : 7;
  return leaf !== true;
}

const text = fc.string({ minLength: 1, maxLength: 12 });
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 4 });
const rarely = <T>(value: fc.Arbitrary<T>) => fc.option(value, { freq: 1, depthSize: "max" });

const textPart = fc.record(
  { type: fc.constant("text"), text, prompt_cache_breakpoint: fc.constant("a") },
  { requiredKeys: ["type", "text"] },
);
const imagePart = fc.record({
  type: fc.constant("image_url"),
  image_url: fc.record(
    {
      url: fc
        .tuple(fc.constantFrom("png", "jpeg"), fc.base64String({ minLength: 4 }))
        .map(([kind, data]) => `data:image/${kind};base64,${data}`),
      detail: fc.constantFrom("auto", "low", "high"),
    },
    { requiredKeys: ["url"] },
  ),
});
const remoteImage = fc.constant({ type: "image_url", image_url: { url: "https://images.example/a.png" } });
const userContent = fc.oneof(
  text,
  fc.array(
    fc.oneof(
      { weight: 9, arbitrary: textPart },
      { weight: 9, arbitrary: imagePart },
      { weight: 1, arbitrary: remoteImage },
    ),
    { minLength: 1, maxLength: 3 },
  ),
);
const toolCall = fc.record({
  id: text,
  type: fc.constant("function"),
  function: fc.record({
    name: text,
    arguments: fc
      .dictionary(text, fc.jsonValue({ maxDepth: 1 }), { maxKeys: 2 })
      .map((input) => JSON.stringify(input)),
  }),
});
const message = fc.oneof(
  fc.record({
    role: fc.constantFrom("system", "developer"),
    content: fc.oneof(text, fc.array(textPart, { minLength: 1, maxLength: 2 })),
  }),
  fc.record(
    { role: fc.constant("user"), content: userContent, name: text, x_more: fc.jsonValue({ maxDepth: 1 }) },
    { requiredKeys: ["role", "content"] },
  ),
  fc.record(
    {
      role: fc.constant("assistant"),
      content: fc.option(text),
      refusal: fc.option(text),
      reasoning_content: text,
      reasoning: text,
      tool_calls: fc.array(toolCall, { maxLength: 2 }),
      annotations: fc.constantFrom([], [{ type: "url_citation" }]),
    },
    { requiredKeys: ["role"] },
  ),
  fc.record({
    role: fc.constant("tool"),
    tool_call_id: text,
    content: fc.oneof(text, fc.array(textPart, { minLength: 1, maxLength: 2 })),
  }),
);
const number = fc.double({ min: -2, max: 2, noNaN: true });
const request = fc.record(
  {
    model: fc.constant("client-model"),
    messages: fc.array(message, { minLength: 1, maxLength: 5 }),
    stream: fc.boolean(),
    stream_options: fc.record(
      { include_usage: fc.boolean(), include_obfuscation: fc.boolean() },
      { requiredKeys: [] },
    ),
    max_tokens: maybe(fc.nat()),
    max_completion_tokens: maybe(fc.nat()),
    temperature: maybe(number),
    top_p: maybe(number),
    top_k: fc.nat(),
    seed: fc.integer(),
    presence_penalty: number,
    frequency_penalty: number,
    stop: fc.oneof(text, fc.array(text, { maxLength: 4 })),
    logprobs: fc.boolean(),
    top_logprobs: fc.nat({ max: 20 }),
    n: fc.oneof({ weight: 19, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(2) }),
    logit_bias: fc.oneof(
      { weight: 19, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.constant({ "50": 1 }) },
    ),
    tools: fc.array(
      fc.record({
        type: fc.constant("function"),
        function: fc.record(
          {
            name: text,
            description: text,
            parameters: fc.dictionary(text, fc.jsonValue()),
            strict: fc.boolean(),
          },
          { requiredKeys: ["name"] },
        ),
      }),
      { maxLength: 3 },
    ),
    parallel_tool_calls: fc.boolean(),
    response_format: fc.oneof(
      fc.constantFrom({ type: "text" }, { type: "json_object" }),
      fc.record({
        type: fc.constant("json_schema"),
        json_schema: fc.record(
          {
            name: text,
            description: text,
            strict: fc.boolean(),
            schema: fc.dictionary(text, fc.jsonValue(), { minKeys: 1 }),
          },
          { requiredKeys: ["name", "schema"] },
        ),
      }),
    ),
    reasoning_effort: fc.constantFrom("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    verbosity: fc.constantFrom("low", "high"),
    store: fc.boolean(),
    user: text,
    metadata: fc.dictionary(text, text, { maxKeys: 2 }),
    service_tier: fc.constantFrom("auto", "default", "flex"),
    prompt_cache_key: text,
    web_search_options: rarely(fc.constant({})),
    options: fc.dictionary(fc.constantFrom("temperature", "top_k", "mirostat", "stop"), fc.nat(), {
      maxKeys: 3,
    }),
    keep_alive: fc.oneof(fc.nat(), text),
    think: maybe(fc.boolean()),
    format: maybe(fc.constant("json")),
    x_invented: fc.jsonValue(),
  },
  { requiredKeys: ["model", "messages"] },
);

it("carries, reports or refuses every value of any chat request", () => {
  let carried = 0;
  fc.assert(
    fc.property(request, (generated) => {
      const chat = generated as JsonObject;
      const refused = refusedField(() => toChat(chat));
      if (refused !== undefined) {
        const held = refused
          .split(/[.[\]]+/)
          .reduce<unknown>((value, key) => (value as JsonObject)[key], chat);
        expect(held, refused).toBeTruthy();
        return;
      }
      carried++;
      const dropped = toChat(chat).dropped ?? [];
      const whole = outcomeOf(chat);
      for (const { path, leaf } of leavesOf(chat)) {
        const name = nameOf(path);
        const reported = dropped.some((field) => isAtOrBelow(name, field));
        if (leaf === null || name === "model" || WITHOUT_EFFECT.has(name) || reported) continue;
        // If another value came to the same, this one would have been lost on the way.
        expect(outcomeOf(replaceAt(chat, path, otherThan(leaf)) as JsonObject), name).not.toBe(whole);
      }
    }),
    { seed: 20_260_102, numRuns: 400 },
  );
  expect(carried).toBeGreaterThan(200);
});
