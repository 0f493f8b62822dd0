import { describe, expect, it } from "vitest";
import { responseIdOfItem } from "gatewright";
import type { JsonObject } from "gatewright";
import { reply, responseOf, unsealed } from "./_responses.ts";

const BASE = "0123456789abcdef";

describe("a chat reply as a response", () => {
  it("in-10: echoes the request, and says what a request that names nothing means", () => {
    const request = {
      input: "a",
      instructions: "Be brief",
      max_output_tokens: 9,
      temperature: 0.5,
      tools: [{ type: "function", name: "f" }],
      tool_choice: "required",
      parallel_tool_calls: false,
      reasoning: { effort: "low", summary: "auto" },
      text: { verbosity: "low" },
      metadata: { a: "b" },
      user: "u",
      store: true,
    };
    expect(responseOf(reply({ content: "Hi" }), request)).toEqual({
      id: `resp_${BASE}`,
      object: "response",
      created_at: 1_700_000_000,
      status: "completed",
      background: false,
      error: null,
      incomplete_details: null,
      instructions: "Be brief",
      max_output_tokens: 9,
      max_tool_calls: null,
      metadata: { a: "b" },
      model: "asked-model",
      output: [
        {
          id: `msg_${BASE}_0`,
          type: "message",
          status: "completed",
          role: "assistant",
          content: [{ type: "output_text", text: "Hi", annotations: [], logprobs: [] }],
        },
      ],
      parallel_tool_calls: false,
      previous_response_id: null,
      prompt_cache_key: null,
      reasoning: { effort: "low", summary: "auto" },
      safety_identifier: null,
      service_tier: null,
      // Nothing keeps it.
      store: false,
      temperature: 0.5,
      text: { format: { type: "text" }, verbosity: "low" },
      tool_choice: "required",
      tools: [{ type: "function", name: "f" }],
      top_logprobs: 0,
      top_p: null,
      truncation: "disabled",
      usage: null,
      user: "u",
    });
    expect(responseOf(reply({ content: "Hi" }))).toMatchObject({
      instructions: null,
      metadata: {},
      parallel_tool_calls: true,
      reasoning: { effort: null, summary: null },
      text: { format: { type: "text" } },
      tool_choice: "auto",
      tools: [],
    });
  });

  it("orders the items: reasoning, text, calls of functions and of custom tools", () => {
    const message = {
      reasoning_content: "Hm",
      content: "Let me see.",
      tool_calls: [
        { id: "c1", type: "function", function: { name: "f", arguments: '{"a":1}' } },
        { id: "c2", type: "custom", custom: { name: "shell", input: "ls" } },
        { type: "function", function: { name: "g", arguments: "" } },
      ],
    };
    expect(responseOf(reply(message, "tool_calls"))).toMatchObject({
      status: "completed",
      output: [
        {
          id: `rs_${BASE}_0`,
          type: "reasoning",
          summary: [],
          content: [{ type: "reasoning_text", text: "Hm" }],
        },
        { id: `msg_${BASE}_1`, type: "message" },
        { id: `fc_${BASE}_2`, type: "function_call", call_id: "c1", name: "f", arguments: '{"a":1}' },
        { id: `ctc_${BASE}_3`, type: "custom_tool_call", call_id: "c2", name: "shell", input: "ls" },
        { id: `fc_${BASE}_4`, call_id: `call_${BASE}_2`, name: "g", arguments: "{}" },
      ],
    });
  });

  it("in-3: gives a call without arguments the empty object, which clients parse; other tools take any text", () => {
    const calls = (args: unknown): JsonObject => ({
      tool_calls: [
        { id: "c1", type: "function", function: { name: "f", arguments: args } },
        { id: "c2", type: "custom", custom: { name: "shell", input: "" } },
      ],
    });
    for (const args of ["", " \n", null, undefined])
      expect(responseOf(reply(calls(args), "tool_calls"))["output"]).toMatchObject([
        { type: "function_call", arguments: expect.stringMatching(/^\s*\{\}$/) as string },
        { type: "custom_tool_call", input: "" },
      ]);
    const cut = responseOf(reply({ tool_calls: [{ function: { name: "f", arguments: "" } }] }, "length"));
    expect(cut["output"]).toMatchObject([{ status: "incomplete", arguments: "" }]);
  });

  it("shows reasoning as a summary to those who asked for one", () => {
    const { output } = responseOf(reply({ reasoning_content: "Hm", content: "a" }), {
      input: "a",
      reasoning: { summary: "detailed" },
    }) as { output: object[] };
    expect(output[0]).toEqual({
      id: `rs_${BASE}_0`,
      type: "reasoning",
      summary: [{ type: "summary_text", text: "Hm" }],
      // Nobody signed it, which is told, so that no vendor of this dialect takes it for its own.
      encrypted_content: `gatewrightv1${Buffer.from("[]").toString("base64")}`,
    });
  });

  it("seals signed thoughts, so that a client can give them back", () => {
    const thinking_blocks = [
      { type: "thinking", thinking: "Hm", signature: "sig" },
      { type: "redacted_thinking", data: "x" },
    ];
    const { output } = responseOf(reply({ content: "a", reasoning_content: "Hm", thinking_blocks })) as {
      output: JsonObject[];
    };
    expect(unsealed(output[0]!)).toEqual(thinking_blocks);
  });

  it("seals what a vendor wants back with calls, before them, also where it gave them no id", () => {
    const extra_content = { google: { thought_signature: "s" } };
    const call = { type: "function", function: { name: "f", arguments: "{}" } };
    const { output } = responseOf(
      reply({
        content: null,
        tool_calls: [
          { ...call, extra_content },
          { ...call, id: "c2" },
        ],
      }),
    ) as { output: JsonObject[] };
    expect(output.map(({ type }) => type)).toEqual(["reasoning", "function_call", "function_call"]);
    expect(unsealed(output[0]!)).toEqual([
      { type: "extra_content", call_id: output[1]!["call_id"], extra_content },
    ]);
  });

  it.each([
    ["length", "max_output_tokens"],
    ["content_filter", "content_filter"],
  ])("is incomplete when it ended by %s", (finish, reason) => {
    const cut = responseOf(reply({ reasoning_content: "Hm", content: "Half a" }, finish));
    expect(cut).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason },
      output: [{ type: "reasoning" }, { type: "message", status: "incomplete" }],
    });
    const call = { id: "c", type: "function", function: { name: "f", arguments: '{"a' } };
    expect(responseOf(reply({ content: "Let me", tool_calls: [call] }, finish))).toMatchObject({
      output: [
        { type: "message", status: "completed" },
        { type: "function_call", status: "incomplete" },
      ],
    });
  });

  it("gives a refusal as its own part", () => {
    expect(responseOf(reply({ content: null, refusal: "No." }))).toMatchObject({
      status: "completed",
      output: [{ type: "message", content: [{ type: "refusal", refusal: "No." }] }],
    });
  });

  it("gives an empty message for an empty answer", () => {
    expect(responseOf(reply({ content: "" }))).toMatchObject({
      output: [{ type: "message", content: [{ type: "output_text", text: "" }] }],
    });
  });

  it("flattens citations, and carries log probabilities", () => {
    const token = { token: "a", logprob: -0.1, bytes: [97] };
    const cited = reply({
      content: "a",
      annotations: [
        { type: "url_citation", url_citation: { url: "u", title: "t", start_index: 0, end_index: 1 } },
      ],
    });
    const [choice] = cited["choices"] as object[];
    Object.assign(choice!, { logprobs: { content: [token], refusal: null } });
    expect(responseOf(cited)).toMatchObject({
      output: [
        {
          content: [
            {
              annotations: [{ type: "url_citation", url: "u", title: "t", start_index: 0, end_index: 1 }],
              logprobs: [{ ...token, top_logprobs: [] }],
            },
          ],
        },
      ],
    });
  });

  it("20: counts tokens under the names of this API, and invents none", () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 7,
      total_tokens: 17,
      prompt_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      completion_tokens_details: { reasoning_tokens: 3 },
    };
    expect(responseOf(reply({ content: "a" }, "stop", { usage, service_tier: "flex" }))).toMatchObject({
      service_tier: "flex",
      usage: {
        input_tokens: 10,
        input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
        output_tokens: 7,
        output_tokens_details: { reasoning_tokens: 3 },
        total_tokens: 17,
      },
    });
    expect(responseOf(reply({ content: "a" }))["usage"]).toBeNull();
  });

  it("names items after their response", () => {
    const { id, output } = responseOf(reply({ content: "a" })) as { id: string; output: { id: string }[] };
    expect(responseIdOfItem(output[0]!.id)).toBe(id);
    expect(responseIdOfItem("msg_68a1b2c3")).toBeUndefined();
    expect(responseIdOfItem("")).toBeUndefined();
  });
});
