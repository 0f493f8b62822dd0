/** Histories in which a gateway kept what another vendor wants back, at servers that speak the client's own dialect. */
import { adapters } from "@gatewright/adapters";
import { seal } from "gatewright";
import type { ForeignMembers, JsonObject, MappingInfo, OperationMapping } from "gatewright";
import { describe, expect, it } from "vitest";

async function mappingOf(adapter: string, operation: string): Promise<OperationMapping> {
  const { operations } = (await adapters[adapter]!()).default;
  return (operations as Record<string, OperationMapping>)[operation]!;
}

function leaveOut({ leaveOut: from }: ForeignMembers, request: JsonObject, model = "m") {
  const dropped = new Set<string>();
  return { fields: from(request, dropped, model), dropped: [...dropped] };
}

const EXTRA = { type: "extra_content", call_id: "c1", extra_content: { google: { thought_signature: "s" } } };

describe("messages", () => {
  const own = { type: "thinking", thinking: "Hm", signature: "EqQBCgIYAhIM" };
  const foreign = { type: "thinking", thinking: "Hm", signature: seal([EXTRA]) };
  const text = { type: "text", text: "Yes" };
  const user = { role: "user", content: "Hello!" };
  const messages = [
    user,
    { role: "assistant", content: [own, foreign, text] },
    user,
    { role: "assistant", content: [foreign] },
    user,
  ];
  const left = [user, { role: "assistant", content: [own, text] }, user, user];

  it.each([
    ["anthropic", "messages"],
    ["anthropic", "messagesCountTokens"],
    ["openrouter", "messages"],
    ["deepseek", "messages"],
  ])(
    "of another vendor reach %s (%s) without its thoughts, and without a turn of nothing",
    async (name, operation) => {
      const { foreign: members } = await mappingOf(name, operation);
      expect(leaveOut(members!, { messages })).toEqual({
        fields: { messages: left },
        dropped: ["messages[].content[].thinking"],
      });
    },
  );

  it.each(["bedrock", "vertex"])("do so at %s, which takes them in words of its own", async (name) => {
    const { toRequest } = await mappingOf(name, "messages");
    const { body, dropped } = toRequest!({ model: "m", messages }, { options: {} } as MappingInfo);
    expect([body["messages"], dropped]).toEqual([left, ["messages[].content[].thinking"]]);
  });
});

describe("generateContent", () => {
  const call = { functionCall: { id: "c1", name: "f", args: {} } };
  const contents = (signatures: readonly (string | undefined)[]) => [
    { role: "user", parts: [{ text: "Hello!" }] },
    {
      role: "model",
      parts: [
        { text: "Yes", ...(signatures[0] !== undefined && { thoughtSignature: signatures[0] }) },
        { ...call, ...(signatures[1] !== undefined && { thoughtSignature: signatures[1] }) },
        { ...call, thoughtSignature: "b3du" },
      ],
    },
  ];
  const sealed = seal([{ type: "thinking", thinking: "Hm", signature: "s" }]);

  it.each(["gemini", "vertex"])("of another vendor gets Google's stand-in for calls at %s", async (name) => {
    const { foreign } = await mappingOf(name, "generateContent");
    expect(leaveOut(foreign!, { contents: contents([sealed, sealed]) }, "gemini-3-pro-preview")).toEqual({
      fields: { contents: contents([undefined, "skip_thought_signature_validator"]) },
      dropped: ["contents[].parts[].thoughtSignature"],
    });
  });

  it("gets none for a model that asks for no signatures, and none is lost where nobody signed", async () => {
    const { foreign } = await mappingOf("gemini", "generateContent");
    expect(leaveOut(foreign!, { contents: contents([undefined, seal([])]) }, "gemini-2.5-pro")).toEqual({
      fields: { contents: contents([undefined, undefined]) },
      dropped: [],
    });
  });

  it("reads the other spelling of the name, and a signature whose bytes a client wrote anew", async () => {
    const { foreign } = await mappingOf("gemini", "generateContent");
    // Of such bytes that both alphabets of base64 differ (RFC 4648, section 5).
    const signature = seal([{ type: "thinking", thinking: "??>>~~", signature: "ÿÿÿ" }]);
    expect(signature).toMatch(/[+/]/);
    const thought_signature = signature.replaceAll("+", "-").replaceAll("/", "_");
    const parts = [{ function_call: { name: "f", args: {} }, thought_signature }];
    expect(leaveOut(foreign!, { contents: [{ role: "model", parts }] })).toEqual({
      fields: {
        contents: [
          {
            role: "model",
            parts: [{ ...parts[0], thought_signature: "skip_thought_signature_validator" }],
          },
        ],
      },
      dropped: ["contents[].parts[].thoughtSignature"],
    });
  });
});

describe("responses", () => {
  const user = { role: "user", content: "Hello!" };
  const own = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAAABo" };
  const foreign = { type: "reasoning", id: "rs_2", summary: [], encrypted_content: seal([EXTRA]) };
  const answer = { type: "message", role: "assistant", content: [{ type: "output_text", text: "Yes" }] };
  const input = [user, own, foreign, { ...answer, extra_content: EXTRA.extra_content }, user];
  const left = [user, own, answer, user];
  const reports = ["input[].reasoning", "input[].extra_content"];

  it.each(["openai", "azure", "openai-compatible", "vllm", "xai", "fireworks"])(
    "of another vendor reach %s without its reasoning",
    async (name) => {
      const { foreign: members } = await mappingOf(name, "responses");
      expect(leaveOut(members!, { input })).toEqual({ fields: { input: left }, dropped: reports });
      expect(leaveOut(members!, { input: "Hello!" })).toEqual({ fields: { input: "Hello!" }, dropped: [] });
    },
  );

  it("keep references to what the vendor keeps, and lose those to reasoning that a bridge made", async () => {
    const { foreign: members } = await mappingOf("openai", "responses");
    const refer = (id: string) => ({ type: "item_reference", id });
    const kept = [refer("rs_68af5b1c2d3e4f"), refer("msg_0123abcd_1")];
    expect(leaveOut(members!, { input: [refer("rs_0123abcd_0"), ...kept] })).toEqual({
      fields: { input: kept },
      dropped: ["input[].reasoning"],
    });
  });

  it.each(["groq", "deepseek", "openrouter"])("do so at %s, which keeps none", async (name) => {
    const { toRequest } = await mappingOf(name, "responses");
    const { body, dropped } = toRequest!({ model: "m", input }, { model: "m", stream: false } as MappingInfo);
    expect([body["input"], dropped]).toEqual([left, reports]);
  });
});
