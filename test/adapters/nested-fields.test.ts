/** Stated fates of members inside of fields, held against the mappings, as the kit holds those at the top. */
import { adapters } from "@gatewright/adapters";
import { refusedField } from "@gatewright/adapter-tests";
import type { Adapter, JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { ADAPTER_TABLES } from "../../scripts/reference/nested-tables.ts";
import { mapChat } from "./_map-chat.ts";

const user: JsonObject = { role: "user", content: "Hi" };
const calls = [{ id: "call1", type: "function", function: { name: "now", arguments: "{}" } }];
const tools = [{ type: "function", function: { name: "now", parameters: { type: "object" } } }];

/** A content part of each type. */
const PARTS: Readonly<Record<string, JsonObject>> = {
  text: { type: "text", text: "Hi" },
  refusal: { type: "refusal", refusal: "No." },
  image_url: { type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } },
  file: { type: "file", file: { file_data: "data:application/pdf;base64,AAAA" } },
};

/** A request in which the members stand where the table says. */
function requestWith(at: string, members: JsonObject): JsonObject {
  const [place, type] = at.split(" of type ");
  if (place === "messages[].content[]")
    return { messages: [{ role: "user", content: [{ ...PARTS[type!], ...members }] }] };
  if (place === "messages[].tool_calls[]")
    return {
      messages: [
        user,
        { role: "assistant", content: "", tool_calls: [{ ...calls[0], ...members }] },
        { role: "tool", tool_call_id: "call1", content: "noon" },
      ],
    };
  if (place === "tools[]") return { messages: [user], tools: [{ ...tools[0], ...members }] };
  return { messages: [{ role: "assistant", content: "Hello", ...members }, user] };
}

/** Values of translated members; of others any does. */
const SAMPLES: Readonly<Record<string, unknown>> = {
  role: "user",
  content: "Ho",
  refusal: "Never.",
  text: "Ho",
  thinking_blocks: [{ type: "thinking", thinking: "Hm", signature: "c2ln" }],
  reasoning_content: "Hm",
  reasoning: "Hm",
  tool_calls: calls,
  extra_content: { google: { thought_signature: "c2ln" } },
  cache_control: { type: "ephemeral" },
  image_url: { url: "data:image/png;base64,BBBB" },
  file: { file_data: "data:application/pdf;base64,BBBB" },
};
/** It says something of a message of the role `tool` alone, or of the type of the part. */
const SHOWN_ELSEWHERE: ReadonlySet<string> = new Set(["tool_call_id", "type"]);

interface Mapped {
  body: string;
  dropped: readonly string[];
}

function mapWith(adapter: Adapter, request: JsonObject): Mapped {
  const { body, dropped = [] } = mapChat(adapter, request);
  return { body: JSON.stringify(body), dropped };
}

/** Reports name places with or without the index of the list. */
const bare = (names: readonly string[]) => names.map((name) => name.replaceAll(/\[\d+\]/g, "[]"));

async function load(name: string): Promise<Adapter> {
  return (await adapters[name]!()).default;
}

const CASES = (
  await Promise.all(
    ADAPTER_TABLES.flatMap((nested) =>
      nested.of.map(async (name) => ({
        ...nested,
        name,
        adapter: await load(name),
      })),
    ),
  )
)
  // The models of Google's on Vertex AI are asked by its tables, Claude's by those of the adapter `anthropic`.
  .filter(({ name, at, table }) => {
    const ofClaude = "thinking_blocks" in table && table["thinking_blocks"]?.fate === "translate";
    return name !== "vertex" || !(ofClaude || at.includes(" of type "));
  });

describe.each(CASES)("members of $at for $name", ({ adapter, at, table, others }) => {
  const place = at.split(" of type ")[0]!;
  const map = (members: JsonObject) =>
    mapWith(adapter, { model: "smart", max_tokens: 64, ...requestWith(at, members) });
  const isWhole = !at.endsWith("input_audio");

  it("leaves out and reports what it says, refuses what it says, and forwards what it says", () => {
    const plain = isWhole ? map({}) : undefined;
    for (const [name, { fate }] of Object.entries(table)) {
      const member = { [name]: SAMPLES[name] ?? { some: "value" } };
      if (fate === "refuse") {
        const field = refusedField(() => map(isWhole ? member : { type: "input_audio", ...member }));
        expect(bare([field ?? "nothing"])[0]).toBe(`${place}.${name}`);
      } else if (fate === "drop") {
        const { body, dropped } = map(member);
        expect([name, body, bare(dropped)]).toEqual([name, plain!.body, [`${place}.${name}`]]);
      } else if (fate === "forward" && isWhole && !SHOWN_ELSEWHERE.has(name)) {
        expect(map(member).body).toContain(JSON.stringify(member[name]));
      } else if (fate === "translate" && isWhole && !SHOWN_ELSEWHERE.has(name)) {
        // Carried, or reported where this message has no place for it.
        expect([name, map(member)]).not.toEqual([name, plain]);
      }
    }
  });

  it("in-3: takes null for absent, and does with other members what it says", () => {
    if (!isWhole) return;
    const plain = map({});
    const needed = new Set(["role", "content", "type", at.split(" of type ")[1]]);
    for (const name of Object.keys(table).filter((one) => !needed.has(one)))
      expect([name, map({ [name]: null })]).toEqual([name, plain]);
    const { body, dropped } = map({ x_invented: "strange" });
    expect([body.includes("strange"), bare(dropped)]).toEqual(
      others === "forward" ? [true, []] : [false, [`${place}.x_invented`]],
    );
  });
});
