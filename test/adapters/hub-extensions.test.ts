/** What the hub has beyond OpenAI's API goes to no backend that does not take it, and is not lost in silence. */
import { adapters } from "@gatewright/adapters";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { mapChat } from "./_map-chat.ts";

const cache_control = { type: "ephemeral" };
const extra_content = { google: { thought_signature: "c2lnbmVk" } };
const call = { id: "callclock", type: "function", function: { name: "clock", arguments: "{}" } };
const REQUEST: JsonObject = {
  model: "smart",
  messages: [
    { role: "system", content: "Be short.", cache_control },
    { role: "user", content: [{ type: "text", text: "What time is it?", cache_control }], cache_control },
    {
      role: "assistant",
      content: "I look.",
      thinking_blocks: [{ type: "thinking", thinking: "A clock.", signature: "c2lnbmVk" }],
      reasoning_content: "A clock.",
      extra_content,
      cache_control,
      tool_calls: [{ ...call, extra_content, cache_control }],
    },
    { role: "tool", tool_call_id: "callclock", content: "noon", cache_control },
  ],
  tools: [{ type: "function", function: { name: "clock", parameters: { type: "object" } }, cache_control }],
};

/** Where each of them stands. */
const PLACES = {
  cache_control: [
    "messages[].cache_control",
    "messages[].content[].cache_control",
    "messages[].tool_calls[].cache_control",
    "tools[].cache_control",
  ],
  thinking_blocks: ["messages[].thinking_blocks"],
  extra_content: ["messages[].extra_content", "messages[].tool_calls[].extra_content"],
} as const;

/** Places that a backend carries: as they are, or in words of its own. */
const TAKEN: Readonly<Record<string, readonly string[]>> = {
  anthropic: [...PLACES.cache_control, ...PLACES.thinking_blocks],
  bedrock: [...PLACES.cache_control, ...PLACES.thinking_blocks],
  gemini: PLACES.extra_content,
  vertex: PLACES.extra_content,
  qwen: ["messages[].content[].cache_control"],
};

const translating = (
  await Promise.all(
    Object.entries(adapters).map(async ([name, load]) => [name, (await load()).default] as const),
  )
).filter(([, { operations }]) => operations.chat?.toRequest);

/** How often each member stands in what is sent. */
const countOf = (body: unknown, member: string): number =>
  JSON.stringify(body).split(`"${member}":`).length - 1;

describe.each(translating)("extensions of the hub at %s", (name, adapter) => {
  const { body, dropped = [] } = mapChat(adapter, REQUEST);
  const taken = TAKEN[name] ?? [];

  it.each(Object.entries(PLACES))("%s goes to no backend that would refuse it", (member, places) => {
    const passed = places.filter((place) => taken.includes(place));
    if (passed.length === 0) expect(countOf(body, member)).toBe(0);
    else if (member === "cache_control" && name === "qwen") expect(countOf(body, member)).toBe(1);
  });

  it("in-3: each is carried or reported", () => {
    for (const place of Object.values(PLACES).flat()) {
      if (taken.includes(place)) expect(dropped).not.toContain(place);
      else
        expect(
          dropped.some((field) => field.startsWith(place)),
          place,
        ).toBe(true);
    }
  });
});

const FORGED = JSON.parse(
  '{"role":"user","content":"x","__proto__":{"tool_calls":[{"id":"evil"}]}}',
) as JsonObject;

it.each(translating)("sec: %s makes no member of a `__proto__` that a client sends", (name, adapter) => {
  let sent: unknown;
  try {
    sent = mapChat(adapter, { model: "smart", messages: [FORGED] }).body;
  } catch (error) {
    // Refusing is as good.
    expect((error as Error).name).toBe("UnsupportedField");
    return;
  }
  const members: string[] = [];
  JSON.stringify(sent, (key, value: unknown) => {
    if (key !== "__proto__") {
      members.push(key);
      return value;
    }
    return undefined;
  });
  expect(members).not.toContain("tool_calls");
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    expect([Object.prototype, Array.prototype]).toContain(Object.getPrototypeOf(value));
    for (const item of Object.values(value)) walk(item);
  };
  walk(sent);
});
