/** What Ollama's OpenAI surface would pay no heed to; the rest is the family's. */
import { UnsupportedField } from "gatewright";
import type { JsonObject, MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import ollamaOpenai from "../../adapters/src/ollama-openai.ts";

const user = { role: "user", content: "Hi" };
const tool = (name: string) => ({ type: "function", function: { name, parameters: {} } });
const tools = [tool("a"), tool("b")];

function send(request: JsonObject, operation: "chat" | "completions" = "chat") {
  const info: MappingInfo<{ headers: {} }> = {
    operation,
    model: "m",
    requestedModel: "m",
    stream: false,
    options: { headers: {} },
    requestId: "r",
    nowSeconds: 0,
    request,
    report: () => {},
  };
  const { body, dropped } = ollamaOpenai.operations[operation]!.toRequest!(request, info);
  return { body: JSON.parse(JSON.stringify(body)) as JsonObject, dropped };
}

describe("chats by Ollama's OpenAI surface", () => {
  it("are limited by the name that it knows", () => {
    expect(send({ messages: [user], max_completion_tokens: 8 }).body).toEqual({
      model: "m",
      messages: [user],
      max_tokens: 8,
    });
  });

  it("go without tools where none may be called, and with those that may", () => {
    const allowed = (mode: string) => ({
      type: "allowed_tools",
      allowed_tools: { mode, tools: [tool("b")] },
    });
    expect(send({ messages: [user], tools, tool_choice: "none" }).body).not.toHaveProperty("tools");
    expect(send({ messages: [user], tools, tool_choice: "auto" }).body["tools"]).toEqual(tools);
    expect(send({ messages: [user], tools, tool_choice: allowed("auto") }).body["tools"]).toEqual([
      tool("b"),
    ]);
    for (const choice of ["required", allowed("required"), { type: "function", function: { name: "a" } }])
      expect(() => send({ messages: [user], tools, tool_choice: choice })).toThrow(UnsupportedField);
  });

  it("name what is not heeded, and are refused where the answer would be another", () => {
    const hints = { user: "u", num_ctx: 4096, parallel_tool_calls: false };
    expect(send({ messages: [user], ...hints }).dropped).toEqual(Object.keys(hints));
    for (const constraint of [{ n: 2 }, { logit_bias: { 5: 1 } }])
      expect(() => send({ messages: [user], ...constraint })).toThrow(UnsupportedField);
    for (const constraint of [{ best_of: 2 }, { echo: true }, { n: 2 }])
      expect(() => send({ prompt: "a", ...constraint }, "completions")).toThrow(UnsupportedField);
  });
});
