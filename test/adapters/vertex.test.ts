import { testAdapter } from "@gatewright/adapter-tests";
import type { MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import vertex, { fields, VertexOptions } from "../../adapters/src/vertex.ts";
import { geminiChat } from "./_gemini-chat.ts";
import { exchangesOf } from "./_exchanges.ts";

const messages = [{ role: "user", content: "Hi" }];

testAdapter(vertex, {
  exchanges: exchangesOf("vertex"),
  withoutEffect: ["response_format.json_schema.name", "response_format.json_schema.strict"],
  fields,
  fieldTests: {
    chat: geminiChat,
    embeddings: {
      samples: {
        taskType: "CLUSTERING",
        title: "T",
        autoTruncate: false,
      },
      byExchange: ["encoding_format"],
    },
    messages: {
      request: { messages, max_tokens: 8 },
    },
    messagesCountTokens: {
      request: { messages },
    },
    geminiCountTokens: {
      request: {},
      samples: { generateContentRequest: { contents: [] } },
    },
  },
});

const options = (given: v.InferInput<typeof VertexOptions>) => v.parse(VertexOptions, given);
const infoOf = (
  model: string,
  given: v.InferInput<typeof VertexOptions> = { project: "demo-1" },
  stream = false,
): MappingInfo<v.InferOutput<typeof VertexOptions>> => ({
  operation: "chat",
  model,
  requestedModel: "client-model",
  stream,
  options: options(given),
  requestId: "req-1",
  nowSeconds: 0,
  report: () => {},
  request: {},
});

describe("options of vertex", () => {
  it.each([
    [{}, "https://aiplatform.googleapis.com/v1"],
    [{ location: "global" }, "https://aiplatform.googleapis.com/v1"],
    [{ location: "europe-west4" }, "https://europe-west4-aiplatform.googleapis.com/v1"],
    [{ location: "eu" }, "https://aiplatform.eu.rep.googleapis.com/v1"],
  ])("with %j finds the host %s", (given, expected) => {
    const { baseURL } = vertex;
    expect(typeof baseURL === "function" && baseURL(options(given))).toBe(expected);
  });

  it("refuses what could lead to another host or path", () => {
    for (const bad of ["evil.example/", "a/b", "a?b", "A", "", "-a", "a@b"]) {
      expect(v.safeParse(VertexOptions, { location: bad }).success, bad).toBe(false);
      expect(v.safeParse(VertexOptions, { project: bad }).success, bad).toBe(false);
    }
    expect(v.safeParse(VertexOptions, { project: "example.com:demo-1" }).success).toBe(true);
  });

  it.each([
    ["AQ.key", {}, { "x-goog-api-key": "AQ.key" }],
    ["ya29.token", {}, { authorization: "Bearer ya29.token" }],
    ["other", { credential: "accessToken" as const }, { authorization: "Bearer other" }],
    ['{"type":"service_account"}', {}, {}],
    [undefined, {}, {}],
  ])("makes of the credential %s with %j the headers %j", (apiKey, given, headers) => {
    expect(vertex.auth(apiKey, options(given))).toEqual(headers);
  });
});

describe("native dialects of vertex", () => {
  const { messages: claude, messagesCountTokens, generateContent, geminiEmbedContent } = vertex.operations;
  const pathOf = (mapping: typeof claude, info: ReturnType<typeof infoOf>) =>
    typeof mapping?.path === "function" ? mapping.path(info) : mapping?.path;

  it("serves each dialect by the models of its publisher alone", () => {
    const opus = "claude-opus-4-1@20250805";
    const flash = "gemini-2.5-flash";
    const named = options({ project: "demo-1" });
    expect([claude!.serves!(opus, named), claude!.serves!(flash, named)]).toEqual([true, false]);
    expect([generateContent!.serves!(opus, named), generateContent!.serves!(flash, named)]).toEqual([
      false,
      true,
    ]);
    expect(claude!.serves!("next-1", options({ publisher: "anthropic" }))).toBe(true);
    expect(geminiEmbedContent!.serves!("gemini-embedding-001", named)).toBe(false);
    expect(geminiEmbedContent!.serves!("gemini-embedding-2-preview", named)).toBe(true);
  });

  it("in-11: leaves the body of a message as it is, but for model and version", () => {
    const body = {
      model: "client-model",
      messages,
      max_tokens: 8,
      thinking: { type: "adaptive" },
      stream: true,
    };
    const info = infoOf("claude-opus-4-1@20250805", { project: "demo-1" }, true);
    expect(claude!.toRequest!(body, info).body).toEqual({
      anthropic_version: "vertex-2023-10-16",
      messages,
      max_tokens: 8,
      thinking: { type: "adaptive" },
      stream: true,
    });
    expect(pathOf(claude, info)).toBe(
      "/projects/demo-1/locations/global/publishers/anthropic/models/claude-opus-4-1@20250805:streamRawPredict",
    );
    expect(claude!.toRequest!({ ...body, anthropic_version: "vertex-2099-01-01" }, info).body).toMatchObject({
      anthropic_version: "vertex-2099-01-01",
    });
    const event = { type: "ping" };
    expect(claude!.stream!.event(undefined, event, info)).toEqual([event]);
    expect(claude!.fromResponse!(event, info)).toBe(event);
  });

  it("counts the tokens of a message at a path of their own, with the model in the body", () => {
    const info = infoOf("claude-opus-4-1@20250805");
    expect(pathOf(messagesCountTokens, info)).toBe(
      "/projects/demo-1/locations/global/publishers/anthropic/models/count-tokens:rawPredict",
    );
    expect(messagesCountTokens!.toRequest!({ model: "client-model", messages }, info).body).toEqual({
      anthropic_version: "vertex-2023-10-16",
      model: "claude-opus-4-1@20250805",
      messages,
    });
  });

  it("counts the members of a request that came whole, and reports what nothing counts", () => {
    const whole = { model: "models/x", contents: [], tools: [], safetySettings: [] };
    expect(
      vertex.operations.geminiCountTokens!.toRequest!(
        { generateContentRequest: whole },
        infoOf("gemini-2.5-flash"),
      ),
    ).toEqual({ body: { contents: [], tools: [] }, dropped: ["generateContentRequest.safetySettings"] });
  });
});

describe("errors of vertex", () => {
  it("reads a reply by the publisher whose it is", () => {
    const refusal = { type: "error", error: { type: "overloaded_error", message: "Overloaded" } };
    expect(vertex.errorInReply?.(refusal, "chat")).toMatchObject({ message: "Overloaded" });
    expect(vertex.errorInReply?.(refusal, "messages")).toMatchObject({ message: "Overloaded" });
    expect(vertex.errorInReply?.({ type: "message", content: [] }, "messages")).toBeUndefined();
    expect(vertex.errorInReply?.({ input_tokens: 3 }, "messagesCountTokens")).toBeUndefined();
    expect(vertex.errorInReply?.({ totalTokens: 3 }, "geminiCountTokens")).toBeUndefined();
  });

  it("finds the wait in Google's details", () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "2s" }];
    expect(vertex.retryAfterMs?.({}, { error: { details } })).toBe(2_000);
    expect(vertex.retryAfterMs?.({}, {})).toBeUndefined();
  });
});
