import assert from "node:assert/strict";
import type { JsonObject } from "gatewright";
import type { Subject } from "./kinds-of-server.ts";

/** One thing that is asked of a model through the gateway. */
export interface Trial {
  readonly title: string;
  /** Asks it. @returns what did not show, where the model decides whether it does. @throws what does not hold. */
  run(gateway: string, subject: Subject): Promise<string | void>;
}

/** A model on a slow processor takes its time. */
const WITHIN_MS = 300_000;

const user = { role: "user", content: "What is the weather in Bern? Ask the tool." };
const weather = {
  type: "function",
  function: {
    name: "weather",
    description: "The weather in a city now.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

export const TRIALS: readonly Trial[] = [
  { title: "chat", run: tryChat },
  { title: "stream", run: tryStream },
  { title: "tools", run: tryTools },
  { title: "streamed tools", run: tryStreamedTools },
  { title: "embeddings", run: tryEmbeddings },
];

async function tryChat(gateway: string, { chatModel: model }: Subject): Promise<void> {
  const messages = [{ role: "user", content: "Say hello in one word." }];
  const reply = await askJson(gateway, "chat/completions", { model, messages, max_completion_tokens: 256 });
  assert.equal(reply["object"], "chat.completion");
  assert.equal(reply["model"], model);
  const [choice] = reply["choices"] as [{ message: Message; finish_reason: string }];
  assert.ok(saidIn(choice.message) !== "", "the answer says nothing");
  assert.match(choice.finish_reason, /^(?:stop|length)$/);
  assertUsage(reply["usage"]);
}

async function tryStream(gateway: string, { chatModel: model }: Subject): Promise<void> {
  const messages = [{ role: "user", content: "Count from one to five." }];
  const chunks = await askStream(gateway, {
    model,
    messages,
    max_completion_tokens: 256,
    stream: true,
    stream_options: { include_usage: true },
  });
  const deltas = chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta));
  assert.equal(deltas[0]?.role, "assistant");
  assert.ok(deltas.map(saidIn).join("") !== "", "the stream says nothing");
  assert.match(finishOf(chunks), /^(?:stop|length)$/);
  assertUsage(chunks.at(-1)?.usage);
}

async function tryTools(
  gateway: string,
  { toolModel: model, toolChoice }: Subject,
): Promise<string | undefined> {
  if (model === undefined) return "no model takes tools";
  const request = { model, messages: [user], tools: [weather], tool_choice: toolChoice };
  const reply = await askJson(gateway, "chat/completions", request);
  const [{ message, finish_reason }] = reply["choices"] as [{ message: Message; finish_reason: string }];
  if (!message.tool_calls) {
    assert.equal(toolChoice, "auto", "no tool was called, although one had to be");
    return "the model answered without a call";
  }
  assert.equal(finish_reason, "tool_calls");
  assertCall(message.tool_calls[0]);
  // The turn after the call: what the tool said comes back to the model.
  const results = message.tool_calls.map(({ id }) => ({
    role: "tool",
    tool_call_id: id,
    content: "Rain, 7 °C",
  }));
  const after = await askJson(gateway, "chat/completions", {
    model,
    messages: [user, message, ...results],
    tools: [weather],
  });
  const [last] = after["choices"] as [{ message: Message }];
  assert.ok(saidIn(last.message) !== "" || last.message.tool_calls, "the turn after the call says nothing");
  return undefined;
}

async function tryStreamedTools(
  gateway: string,
  { toolModel: model, toolChoice }: Subject,
): Promise<string | undefined> {
  if (model === undefined) return "no model takes tools";
  const request = { model, messages: [user], tools: [weather], tool_choice: toolChoice, stream: true };
  const chunks = await askStream(gateway, request);
  const pieces = chunks.flatMap(({ choices }) => choices.flatMap(({ delta }) => delta.tool_calls ?? []));
  if (pieces.length === 0) {
    assert.equal(toolChoice, "auto", "no tool was called, although one had to be");
    return "the model answered without a call";
  }
  assert.equal(finishOf(chunks), "tool_calls");
  const first = pieces.filter(({ index }) => index === 0);
  const text = first.map((piece) => piece.function.arguments ?? "").join("");
  assertCall({ ...first[0]!, function: { ...first[0]!.function, arguments: text } });
  return undefined;
}

async function tryEmbeddings(
  gateway: string,
  { embeddingModel: model }: Subject,
): Promise<string | undefined> {
  if (model === undefined) return "no model makes embeddings";
  const reply = await askJson(gateway, "embeddings", { model, input: ["rain", "sun"] });
  const vectors = (reply["data"] as { embedding: number[] }[]).map(({ embedding }) => embedding);
  assert.equal(vectors.length, 2);
  assert.ok(
    vectors[0]!.length > 0 && vectors[0]!.length === vectors[1]!.length,
    "the vectors differ in length",
  );
  assert.ok(vectors.flat().every(Number.isFinite), "a vector holds something else than numbers");
  return undefined;
}

interface ToolCall {
  id?: string;
  index?: number;
  function: { name?: string; arguments?: string };
}

interface Message {
  role?: string;
  content?: string | null;
  reasoning_content?: string;
  reasoning?: string;
  tool_calls?: ToolCall[];
}

interface Chunk {
  choices: { delta: Message; finish_reason: string | null }[];
  usage?: unknown;
}

/** Models that think may spend the whole limit on it. */
function saidIn({ content, reasoning_content, reasoning }: Message): string {
  return `${content ?? ""}${reasoning_content ?? reasoning ?? ""}`;
}

function finishOf(chunks: readonly Chunk[]): string {
  const finishes = chunks.flatMap(({ choices }) => choices.flatMap((choice) => choice.finish_reason ?? []));
  assert.equal(finishes.length, 1, `${finishes.length} finish reasons`);
  return finishes[0]!;
}

function assertUsage(usage: unknown): void {
  const { prompt_tokens, completion_tokens } = usage as Record<string, number>;
  assert.ok(prompt_tokens! > 0 && completion_tokens! > 0, `usage is ${JSON.stringify(usage)}`);
}

function assertCall(call: ToolCall | undefined): void {
  assert.ok(call?.id, "the call has no id");
  assert.equal(call.function.name, "weather");
  assert.equal(typeof JSON.parse(call.function.arguments ?? ""), "object");
}

async function ask(gateway: string, path: string, body: JsonObject): Promise<Response> {
  const response = await fetch(`${gateway}/v1/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(WITHIN_MS),
  });
  if (response.status !== 200) assert.fail(`${response.status}: ${await response.text()}`);
  return response;
}

async function askJson(gateway: string, path: string, body: JsonObject): Promise<JsonObject> {
  return (await (await ask(gateway, path, body)).json()) as JsonObject;
}

async function askStream(gateway: string, body: JsonObject): Promise<Chunk[]> {
  const text = await (await ask(gateway, "chat/completions", body)).text();
  const data = text.split("\n").filter((line) => line.startsWith("data: "));
  assert.equal(data.pop(), "data: [DONE]");
  return data.map((line) => JSON.parse(line.slice("data: ".length)) as Chunk);
}
