import { testAdapter } from "@gatewright/adapter-tests";
import type { JsonObject, MappingInfo } from "gatewright";
import { describe, expect, it } from "vitest";
import * as v from "valibot";
import gemini, { fields, GeminiOptions } from "../../adapters/src/gemini.ts";
import { geminiChat } from "./_gemini-chat.ts";
import { exchangesOf } from "./_exchanges.ts";

testAdapter(gemini, {
  exchanges: exchangesOf("gemini"),
  models: {
    body: {
      models: [
        {
          name: "models/gemini-2.5-flash",
          version: "001",
          displayName: "Gemini 2.5 Flash",
          inputTokenLimit: 1_048_576,
          outputTokenLimit: 65_536,
          supportedGenerationMethods: ["generateContent", "countTokens", "createCachedContent"],
        },
        {
          name: "models/gemini-embedding-001",
          inputTokenLimit: 2_048,
          outputTokenLimit: 1,
          supportedGenerationMethods: ["embedContent"],
        },
        { name: "tunedModels/mine" },
        { displayName: "nameless" },
      ],
      nextPageToken: "p2",
    },
    listed: [
      {
        id: "gemini-2.5-flash",
        ownedBy: "google",
        operations: ["chat", "generateContent", "geminiCountTokens", "countTokens"],
        maxInputTokens: 1_048_576,
        maxOutputTokens: 65_536,
      },
      {
        id: "gemini-embedding-001",
        ownedBy: "google",
        operations: ["embeddings", "geminiEmbedContent", "geminiBatchEmbedContents"],
        maxInputTokens: 2_048,
        maxOutputTokens: 1,
      },
      { id: "tunedModels/mine", ownedBy: "google" },
    ],
  },
  withoutEffect: ["response_format.json_schema.name", "response_format.json_schema.strict"],
  fields,
  fieldTests: {
    chat: geminiChat,
    embeddings: {
      samples: {
        taskType: "CLUSTERING",
        title: "T",
      },
      byExchange: ["encoding_format"],
    },
    countTokens: {
      request: { messages: [{ role: "user", content: "Hi" }] },
      samples: { messages: [{ role: "user", content: "Hello" }] },
      unwrap: ({ generateContentRequest }) => generateContentRequest as JsonObject,
    },
    geminiCountTokens: {
      request: { contents: [{ parts: [{ text: "Hi" }] }] },
      samples: { generateContentRequest: { model: "models/client-model" } },
    },
    geminiBatchEmbedContents: {
      request: { requests: [{ model: "models/client-model", content: { parts: [{ text: "Hi" }] } }] },
      samples: { requests: [{ model: "models/client-model", content: {} }] },
    },
  },
});

describe("options of gemini", () => {
  it("refuses a misspelt option and a threshold that is none", () => {
    expect(v.safeParse(GeminiOptions, { safety_settings: [] }).success).toBe(false);
    const category = "HARM_CATEGORY_HARASSMENT";
    const setting = (threshold: string) => ({ safetySettings: [{ category, threshold }] });
    expect(v.safeParse(GeminiOptions, setting("BLOCK_SOME")).success).toBe(false);
    expect(v.safeParse(GeminiOptions, setting("BLOCK_NONE")).success).toBe(true);
  });

  it("sends no key where there is none", () => {
    expect(gemini.auth(undefined, { headers: {} })).toEqual({});
  });
});

describe("gemini's own dialect", () => {
  const at = (model: string, stream: boolean) => ({ model, stream, options: { headers: {} } });
  const pathOf = (operation: keyof typeof gemini.operations, model: string, stream = false) => {
    const path = gemini.operations[operation]!.path;
    return typeof path === "string" ? path : path(at(model, stream));
  };

  it("in-12: has the model in the path, and asks for a stream as events", () => {
    expect(pathOf("generateContent", "gemini-2.5-flash")).toBe("/models/gemini-2.5-flash:generateContent");
    expect(pathOf("generateContent", "gemini-2.5-flash", true)).toBe(
      "/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    );
    expect(pathOf("geminiCountTokens", "gemini-2.5-flash")).toBe("/models/gemini-2.5-flash:countTokens");
    expect(pathOf("geminiEmbedContent", "gemini-embedding-001")).toBe(
      "/models/gemini-embedding-001:embedContent",
    );
    expect(pathOf("geminiBatchEmbedContents", "gemini-embedding-001")).toBe(
      "/models/gemini-embedding-001:batchEmbedContents",
    );
  });

  it("keeps a model's name from leaving its place in the path", () => {
    expect(pathOf("generateContent", "a?b#c")).toBe("/models/a%3Fb%23c:generateContent");
  });

  const info: MappingInfo<v.InferOutput<typeof GeminiOptions>> = {
    ...at("gemini-2.5-flash", false),
    operation: "geminiCountTokens",
    requestedModel: "small",
    requestId: "req-1",
    nowSeconds: 0,
    report: () => {},
    request: {},
  };

  it("mo-4: writes the name at the backend wherever a body names the model", () => {
    const { geminiCountTokens: count, geminiBatchEmbedContents: batch } = gemini.operations;
    expect(
      count!.toRequest!(
        { model: "small", generateContentRequest: { model: "models/small", contents: [] } },
        info,
      ).body,
    ).toEqual({ generateContentRequest: { model: "models/gemini-2.5-flash", contents: [] } });
    expect(
      batch!.toRequest!({ requests: [{ model: "models/small", content: {} }, { content: {} }] }, info).body,
    ).toEqual({
      requests: [
        { model: "models/gemini-2.5-flash", content: {} },
        { model: "models/gemini-2.5-flash", content: {} },
      ],
    });
  });

  it("gives replies in it as they came", () => {
    const reply: JsonObject = { totalTokens: 4 };
    expect(gemini.operations.geminiCountTokens!.fromResponse!(reply, info)).toBe(reply);
    expect(gemini.errorInReply?.({ candidates: [{ finishReason: "NO_IMAGE" }] }, "generateContent")).toBe(
      undefined,
    );
  });
});

describe("errors of gemini", () => {
  it.each([null, "busy", [], {}, { error: "gone" }, { error: {} }, { error: { message: "" } }])(
    "finds no message in %j",
    (body) => {
      expect(gemini.fromError?.(500, body)).toEqual({});
      expect(gemini.retryAfterMs?.({}, body)).toBeUndefined();
    },
  );

  it("reads an error that came as a list of one", () => {
    expect(gemini.fromError?.(404, [{ error: { message: "Not found" } }])).toEqual({ message: "Not found" });
  });

  it.each([
    ["34s", 34_000],
    ["34.074824224s", 34_075],
    ["0s", 0],
    ["soon", undefined],
  ])("reads the wait of a RetryInfo of %s", (retryDelay, waitMs) => {
    const details = [
      { "@type": "type.googleapis.com/google.rpc.Help" },
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay },
    ];
    expect(gemini.retryAfterMs?.({}, { error: { details } })).toBe(waitMs);
  });

  it.each([{}, { candidates: [] }, { candidates: [{ content: {} }] }, { error: "?" }])(
    "takes a 200 with %j for no answer of a chat",
    (body) => {
      expect(gemini.errorInReply?.(body, "chat")).toMatchObject({ status: 502 });
    },
  );

  it("takes an error in a 200 for what its own number says", () => {
    const error = { code: 429, status: "RESOURCE_EXHAUSTED" };
    for (const message of [undefined, "Slow down"])
      expect(gemini.errorInReply?.({ error: { ...error, message } }, "generateContent")).toEqual({
        status: 429,
        ...(message !== undefined && { message }),
      });
  });

  it("takes a 200 without vectors for no answer of embeddings", () => {
    expect(gemini.errorInReply?.({ embeddings: [{}] }, "embeddings")).toMatchObject({ status: 502 });
    expect(gemini.errorInReply?.({}, "embeddings")).toMatchObject({ status: 502 });
  });
});
