import { seal } from "gatewright";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { toHub, type DoorName } from "./_translation.ts";

const BLOCKS = [{ type: "thinking", thinking: "Hm", signature: "signed" }];
const EXTRA = { google: { thought_signature: "signed" } };

/** A history with thoughts, signed where the dialect has a place for it, and signed calls; and what it is called. */
const HISTORIES: readonly (readonly [DoorName, JsonObject, readonly string[]])[] = [
  [
    "responses",
    {
      input: [
        { role: "user", content: "Hello!" },
        {
          type: "reasoning",
          summary: [{ type: "summary_text", text: "Hm" }],
          encrypted_content: seal(BLOCKS),
        },
        { type: "function_call", call_id: "c1", name: "f", arguments: "{}", extra_content: EXTRA },
        { type: "function_call_output", call_id: "c1", output: "ok" },
        { role: "assistant", content: "Yes", extra_content: EXTRA },
      ],
    },
    ["input[].encrypted_content", "input[].reasoning", "input[].extra_content"],
  ],
  [
    "messages",
    {
      max_tokens: 100,
      messages: [
        { role: "user", content: "Hello!" },
        { role: "assistant", content: [...BLOCKS, { type: "text", text: "Yes" }] },
        {
          role: "assistant",
          content: [
            {
              type: "thinking",
              thinking: "",
              signature: seal([{ type: "extra_content", call_id: "c1", extra_content: EXTRA }]),
            },
            { type: "tool_use", id: "c1", name: "f", input: {} },
          ],
        },
      ],
    },
    ["messages[].content[].thinking", "messages[].content[].signature"],
  ],
  [
    "generateContent",
    {
      contents: [
        { role: "user", parts: [{ text: "Hello!" }] },
        {
          role: "model",
          parts: [
            { text: "Hm", thought: true },
            { functionCall: { id: "c1", name: "f", args: {} }, thoughtSignature: "signed" },
          ],
        },
        { role: "user", parts: [{ functionResponse: { id: "c1", name: "f", response: { output: "ok" } } }] },
        { role: "model", parts: [{ text: "Yes", thoughtSignature: seal(BLOCKS) }] },
      ],
    },
    ["contents[].parts[].thought", "contents[].parts[].thoughtSignature"],
  ],
];

const EXTENSIONS = ["reasoning_content", "thinking_blocks", "extra_content"];

describe.each(HISTORIES)("thoughts in a history of %s", (door, request, names) => {
  it("do not go to a server that would refuse them, and are reported", () => {
    const { body, dropped } = toHub(door, request, { extensions: [] });
    for (const extension of EXTENSIONS) expect(JSON.stringify(body)).not.toContain(extension);
    expect([...dropped].toSorted()).toEqual([...names].toSorted());
  });

  it("go to one that takes them, and to adapters, which sort them out", () => {
    for (const extensions of [EXTENSIONS, undefined]) {
      const { body, dropped } = toHub(door, request, { extensions });
      expect(JSON.stringify(body)).toContain("reasoning_content");
      expect(dropped).toEqual([]);
    }
  });
});
