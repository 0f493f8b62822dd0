import { anthropicApi } from "@gatewright/anthropic-api";
import { geminiApi } from "@gatewright/gemini-api";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import {
  answering,
  CREDENTIAL,
  DONE,
  event,
  jsonReply,
  MODEL,
  post,
  startStage,
  streamReply,
} from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";

const TEXT = "Rome[1] is old [2][9].";
const RESULTS = [
  { title: "Rome", url: "https://rome.example", date: "2030-01-01" },
  { title: "Age", url: "https://age.example" },
];
const PERPLEXITY = { citations: RESULTS.map(({ url }) => url), search_results: RESULTS };
const ZHIPU = {
  web_search: RESULTS.map(({ title, url }, at) => ({ refer: `ref_${at + 1}`, title, link: url, media: "m" })),
};
const CITED = [
  { type: "url_citation", start_index: 4, end_index: 7, url: "https://rome.example", title: "Rome" },
  { type: "url_citation", start_index: 15, end_index: 18, url: "https://age.example", title: "Age" },
];

function reply(beside: JsonObject, content = TEXT): JsonObject {
  const message = { role: "assistant", content };
  const choices = [{ index: 0, message, finish_reason: "stop" }];
  return { id: "c-1", object: "chat.completion", created: 1, model: MODEL, choices, ...beside };
}

/** The text cut within its marks; `beside` comes with the event of this position, and with all after it. */
function events(beside: JsonObject, from: number): string[] {
  const piece = (delta: JsonObject, finish_reason: string | null = null): JsonObject => ({
    choices: [{ index: 0, delta, finish_reason }],
  });
  const pieces = [
    piece({ role: "assistant", content: "Rome[" }),
    piece({ content: "1] is old [2" }),
    piece({ content: "][9]." }, "stop"),
  ];
  return [...pieces.map((json, at) => event(at < from ? json : { ...json, ...beside })), DONE];
}

async function stageOf(adapter: string, bytes: Uint8Array | string): Promise<Stage> {
  const { url: baseURL } = await answering(bytes);
  const main = { adapter, baseURL, apiKey: CREDENTIAL, models: [MODEL] };
  return startStage({ backends: { main }, plugins: [anthropicApi(), geminiApi()] });
}

const DOORS = {
  responses: ["/v1/responses", { model: MODEL, input: "x" }],
  messages: ["/v1/messages", { model: MODEL, max_tokens: 9, messages: [{ role: "user", content: "x" }] }],
  gemini: [`/v1beta/models/${MODEL}:generateContent`, { contents: [{ parts: [{ text: "x" }] }] }],
  chat: ["/v1/chat/completions", { model: MODEL, messages: [{ role: "user", content: "x" }] }],
} as const;

async function ask(
  stage: Stage,
  door: keyof typeof DOORS,
  more: JsonObject = {},
): Promise<{ text: string; dropped: string | null }> {
  const [path, body] = DOORS[door];
  const headers = { "anthropic-version": "2023-06-01" };
  const response = await post(stage.url + path, { ...body, ...more }, { headers });
  expect(response.status).toBe(200);
  return { text: await response.text(), dropped: response.headers.get("x-gatewright-dropped") };
}

function annotationsOf(response: unknown): unknown {
  const { output } = response as { output: { content: { annotations: unknown }[] }[] };
  return output[0]!.content[0]!.annotations;
}

describe.each([
  ["perplexity", PERPLEXITY],
  ["zhipu", ZHIPU],
])("sources beside the answers of %s", (adapter, beside) => {
  it("are citations at the marks of the text", async () => {
    const stage = await stageOf(adapter, jsonReply(reply(beside)));
    const { text, dropped } = await ask(stage, "responses");
    expect(annotationsOf(JSON.parse(text))).toEqual(CITED);
    expect(dropped).toBeNull();
    const gemini = JSON.parse((await ask(stage, "gemini")).text) as { candidates: JsonObject[] };
    expect(JSON.stringify(gemini.candidates[0])).toContain("https://age.example");
  });

  it.each([0, 2])("are the same in a stream in which they come with event %i", async (from) => {
    const stage = await stageOf(adapter, streamReply(...events(beside, from)));
    const { text } = await ask(stage, "responses", { stream: true });
    const last = text.split("\n\n").findLast((block) => block.startsWith("event: response.completed"))!;
    const { response } = JSON.parse(last.split("\ndata: ")[1]!) as { response: unknown };
    expect(annotationsOf(response)).toEqual(CITED);
    expect(stage.lines.join("")).not.toContain('"dropped"');
  });

  it("are reported where nothing in the text is theirs", async () => {
    const stage = await stageOf(adapter, jsonReply(reply(beside, "Rome is old.")));
    const { dropped } = await ask(stage, "responses");
    expect(dropped).toBe(`reply.${adapter === "zhipu" ? "web_search" : "search_results"}`);
  });

  it("are reported where the dialect has no place for them", async () => {
    const stage = await stageOf(adapter, jsonReply(reply(beside)));
    expect((await ask(stage, "messages")).dropped).toBe("reply.annotations");
  });

  it("stay where they are for clients of chat", async () => {
    const whole = reply(beside);
    const { text, dropped } = await ask(await stageOf(adapter, jsonReply(whole)), "chat");
    expect(JSON.parse(text)).toEqual(whole);
    expect(dropped).toBeNull();
    const streamed = events(beside, 1);
    const stage = await stageOf(adapter, streamReply(...streamed));
    const stream = (await ask(stage, "chat", { stream: true, stream_options: { include_usage: true } })).text;
    const read = (blocks: string): unknown[] =>
      blocks
        .split("\n\n")
        .filter((block) => block.startsWith("data: {"))
        .map((block) => JSON.parse(block.slice(6)) as unknown);
    expect(read(stream)).toEqual(read(streamed.join("")));
  });
});

describe("what a backend says beside its answers", () => {
  it.each(["responses", "messages", "gemini"] as const)("is reported at %s", async (door) => {
    const beside = { citations: ["https://rome.example"], timings: { ms: 1 }, extra: [], service_tier: "x" };
    const stage = await stageOf("openai-compatible", jsonReply(reply(beside)));
    expect((await ask(stage, door)).dropped).toBe("reply.citations, reply.timings");
  });
});
