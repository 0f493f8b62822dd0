import { anthropicApi } from "@gatewright/anthropic-api";
import { batch } from "@gatewright/batch";
import { cache } from "@gatewright/cache";
import { files } from "@gatewright/files";
import { geminiApi } from "@gatewright/gemini-api";
import { modelRouting } from "@gatewright/model-routing";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { MODEL, startPair, type Pair } from "./_downstream.ts";

/** Must never come back: it stands where a prompt or a key would. */
const SECRET = "sk-hunter2";
const messages = [{ role: "user", content: SECRET }];

let pair: Pair;
beforeAll(async () => {
  pair = await startPair({
    plugins: [anthropicApi(), geminiApi(), modelRouting(), cache(), files(), batch()],
  });
});
afterAll(() => pair[Symbol.asyncDispose]());

async function refusalOf(path: string, init: RequestInit): Promise<{ status: number; message: string }> {
  const reply = await fetch(pair.gateway.url + path, init);
  const text = await reply.text();
  expect(text).not.toContain(SECRET);
  const { error } = JSON.parse(text) as { error: { message: string } };
  return { status: reply.status, message: error.message };
}

const post = (path: string, body: unknown) =>
  refusalOf(path, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(body),
  });

const CHAT = "/v1/chat/completions";
const GENERATE = `/v1beta/models/${MODEL}:generateContent`;
const contents = [{ role: "user", parts: [{ text: SECRET }] }];
const NAME = "the name of a model, as `GET /v1/models` lists them";

describe("a request that is refused is told what was expected and what came", () => {
  it.each([
    [CHAT, { messages }, `\`model\` is required: ${NAME}`],
    [CHAT, { messages, model: 7 }, `\`model\` must be ${NAME}, got 7`],
    [CHAT, { messages, model: "" }, `\`model\` must be ${NAME}, got an empty text`],
    [CHAT, { messages, model: [SECRET] }, `\`model\` must be ${NAME}, got a list`],
    [CHAT, { messages, model: SECRET.repeat(30) }, `\`model\` must be ${NAME}, got a text of 300 characters`],
    [
      CHAT,
      { messages, model: "\uD800" },
      `\`model\` must be ${NAME}, got a text with half of a character in it`,
    ],
    [CHAT, { model: MODEL }, "`messages` is required: a list of messages"],
    [CHAT, { model: MODEL, messages: null }, "`messages` is required: a list of messages"],
    [CHAT, { model: MODEL, messages: SECRET }, "`messages` must be a list of messages, got a text"],
    [CHAT, { model: MODEL, messages: { SECRET } }, "`messages` must be a list of messages, got an object"],
    [
      CHAT,
      { model: MODEL, messages: [] },
      "`messages` must be a list of messages, not empty, got an empty list",
    ],
    [
      CHAT,
      { model: MODEL, messages, max_tokens: -1 },
      "`max_tokens` must be a whole number of 0 or more, got -1",
    ],
    [
      CHAT,
      { model: MODEL, messages, max_tokens: SECRET },
      "`max_tokens` must be a whole number of 0 or more, got a text",
    ],
    [CHAT, { model: MODEL, messages, n: 0.5 }, "`n` must be a whole number from 1 to 128, got 0.5"],
    [CHAT, { model: MODEL, messages, n: 129 }, "`n` must be a whole number from 1 to 128, got 129"],
    [CHAT, { model: MODEL, messages, temperature: "0.5" }, "`temperature` must be a number, got a text"],
    [CHAT, { model: MODEL, messages, stream: "true" }, "`stream` must be true or false, got a text"],
    [CHAT, { model: MODEL, messages, stream: 1 }, "`stream` must be true or false, got 1"],
    [
      "/v1/embeddings",
      { model: MODEL, input: { SECRET } },
      "`input` must be a text or a list, got an object",
    ],
    ["/v1/rerank", { model: MODEL, query: true, documents: ["a"] }, "`query` must be a text, got true"],
    [
      "/v1/rerank",
      { model: MODEL, query: "q", documents: ["a"], top_n: 0 },
      "`top_n` must be a whole number of 1 or more, got 0",
    ],
    ["/v1/messages", { model: MODEL, max_tokens: 5 }, "`messages` is required: a list of messages"],
    ["/v1/messages", { model: MODEL, messages }, "`max_tokens` is required: a whole number of 0 or more"],
    [
      "/v1/messages",
      { model: MODEL, messages, max_tokens: "5" },
      "`max_tokens` must be a whole number of 0 or more, got a text",
    ],
    [
      "/v1/messages",
      { model: MODEL, messages: [SECRET], max_tokens: 5 },
      "`messages[0]` must be an object, got a text (backend `only`)",
    ],
    [GENERATE, { contents: [] }, "`contents` must be a list of contents, not empty, got an empty list"],
    [
      GENERATE,
      { contents, generationConfig: { candidateCount: 129 } },
      "`generationConfig.candidateCount` must be a whole number from 1 to 128, got 129",
    ],
    [GENERATE, { contents: [[SECRET]] }, "`contents[0]` must be an object, got a list (backend `only`)"],
    [`/v1beta/models/${MODEL}:embedContent`, { content: SECRET }, "`content` must be an object, got a text"],
    [
      CHAT,
      { model: MODEL, messages, cache: SECRET },
      "`cache` must be an object with `enabled` (true or false) and `ttl` (seconds, from 1), got a text",
    ],
    [CHAT, { model: MODEL, messages, providers: SECRET }, /^`providers` must be .*, got a text$/],
    ["/v1/batches", { input_file_id: 3 }, "`input_file_id` must be the id of a file, got 3"],
  ])("POST %s %j", async (path, body, message) => {
    const refusal = await post(path, body);
    expect(refusal.message).toEqual(typeof message === "string" ? message : expect.stringMatching(message));
    expect(refusal.status).toBe(400);
  });

  it.each([
    ["/v1/models?limit=0", "`limit` must be a whole number from 1 to 1000, got 0"],
    ["/v1/models?limit=many", "`limit` must be a whole number from 1 to 1000, got a text"],
    ["/v1/models?limit=", "`limit` must be a whole number from 1 to 1000, got an empty text"],
  ])("GET %s", async (path, message) => {
    const refusal = await refusalOf(path, { headers: { "anthropic-version": "2023-06-01" } });
    expect(refusal).toEqual({ status: 400, message });
  });
});
