import { randomUUID } from "node:crypto";
import { answer, readContent, type Answer, type Prompt, type Tool } from "../answer.ts";
import type { Exchange } from "../dialect.ts";
import { openaiEvents } from "../events.ts";
import { newId } from "../ids.ts";
import { asNumber, asObject, asObjects, asText, asTexts, type JsonObject } from "../json-fields.ts";
import { missing, Refusal } from "../refusal.ts";
import type { Settings } from "../settings.ts";
import { splitPieces } from "../tokens.ts";
import { checkChat } from "./check-chat.ts";
import { requireModel } from "./models.ts";
import { usageChunks, usageOf } from "./usage.ts";

const MAX_CHOICES = 128;

/** `POST /v1/chat/completions`, whole and streamed. */
export async function chat(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  const model = requireModel(exchange);
  if (!Array.isArray(body.messages)) throw missing("messages");
  if (settings.strict) checkChat(body);
  const prompt = toPrompt(body, model);
  const choices = asNumber(body.n) ?? 1;
  if (!Number.isInteger(choices) || choices < 1 || choices > MAX_CHOICES) {
    throw new Refusal(400, `Invalid value for 'n': must be 1 to ${MAX_CHOICES}.`, { param: "n" });
  }
  const answers = Array.from({ length: choices }, (_, index) => answer(prompt, settings, index));
  const usage = usageOf(answers, settings);
  const head = {
    id: `chatcmpl-${randomUUID()}`,
    created: Math.floor(Date.now() / 1000),
    model,
    service_tier: "default",
    system_fingerprint: `fp_${settings.name}`,
  };
  if (body.stream === true) return streamed(exchange, head, answers, usage);
  await reply.tokens(usage.completion_tokens);
  await reply.json({
    ...head,
    object: "chat.completion",
    choices: answers.map((given, index) => ({
      index,
      message: toMessage(given, settings),
      logprobs: body.logprobs === true ? { content: given.pieces.map(toLogprob), refusal: null } : null,
      finish_reason: given.finish,
    })),
    usage,
  });
}

async function streamed(
  { body, reply, settings }: Exchange,
  head: JsonObject,
  answers: Answer[],
  total: JsonObject,
): Promise<void> {
  const usage = usageChunks(body, total);
  const chunk = (index: number, delta: JsonObject, logprobs: unknown, finishReason: string | null): string =>
    JSON.stringify({
      ...head,
      object: "chat.completion.chunk",
      choices: [{ index, delta, logprobs, finish_reason: finishReason }],
      ...usage.inOtherChunks,
    });
  await reply.openEvents(openaiEvents);
  for (const [index, { calls }] of answers.entries()) {
    const opening = { role: "assistant", content: calls.length > 0 ? null : "", refusal: null };
    await reply.event(chunk(index, opening, null, null));
  }
  const deltas = answers.map((given) => toDeltas(given, settings));
  const longest = Math.max(...deltas.map((list) => list.length));
  for (let step = 0; step < longest; step++) {
    await reply.nextToken();
    for (const [index, list] of deltas.entries()) {
      const delta = list[step];
      if (!delta) continue;
      const piece = asText(delta.content);
      const logprobs =
        body.logprobs === true && piece !== undefined ? { content: [toLogprob(piece)], refusal: null } : null;
      await reply.event(chunk(index, delta, logprobs, null));
    }
  }
  for (const [index, given] of answers.entries()) {
    await reply.event(chunk(index, {}, null, given.finish), { role: "finish" });
  }
  const last = usage.lastChunk({ ...head, object: "chat.completion.chunk" });
  if (last) await reply.event(JSON.stringify(last), { role: "finish" });
  await reply.event("[DONE]", { role: "terminator" });
  await reply.endEvents();
}

/** What an answer looks like piece by piece, without its role and its finish. */
function toDeltas({ thinking, pieces, calls }: Answer, settings: Settings): JsonObject[] {
  const { reasoningField } = settings;
  return [
    ...(reasoningField ? thinking.map((piece) => ({ [reasoningField]: piece })) : []),
    ...pieces.map((content) => ({ content })),
    ...calls.flatMap((call, index) => [
      {
        tool_calls: [
          { index, id: newId("call", 24), type: "function", function: { name: call.name, arguments: "" } },
        ],
      },
      ...splitPieces(JSON.stringify(call.arguments)).map((piece) => ({
        tool_calls: [{ index, function: { arguments: piece } }],
      })),
    ]),
  ];
}

function toMessage({ thinking, pieces, calls }: Answer, { reasoningField }: Settings): JsonObject {
  return {
    role: "assistant",
    content: calls.length > 0 ? null : pieces.join(""),
    ...(reasoningField && thinking.length > 0 ? { [reasoningField]: thinking.join("") } : {}),
    ...(calls.length > 0
      ? {
          tool_calls: calls.map((call) => ({
            id: newId("call", 24),
            type: "function",
            function: { name: call.name, arguments: JSON.stringify(call.arguments) },
          })),
        }
      : {}),
    refusal: null,
    annotations: [],
  };
}

function toLogprob(token: string): JsonObject {
  return { token, logprob: -0.1, bytes: [...Buffer.from(token)], top_logprobs: [] };
}

function toPrompt(body: JsonObject, model: string): Prompt {
  const messages = asObjects(body.messages);
  const contents = messages.map((message) => readContent(message.content));
  const lastTools = messages.slice(messages.findLastIndex((message) => message.role !== "tool") + 1);
  const effort = asText(body.reasoning_effort);
  return {
    model,
    text: messages.map((message, index) => `${String(message.role)}: ${contents[index]!.text}`).join("\n"),
    question: messages.at(-1)?.role === "user" ? contents.at(-1)!.text : undefined,
    toolResults: lastTools.map((message) => readContent(message.content).text),
    images: contents.reduce((sum, content) => sum + content.images, 0),
    tools: asObjects(body.tools).map((tool) => toTool(asObject(tool.function))),
    toolChoice: toToolChoice(body.tool_choice),
    parallelTools: body.parallel_tool_calls !== false,
    json: toJsonFormat(asObject(body.response_format)),
    maxTokens: asNumber(body.max_completion_tokens) ?? asNumber(body.max_tokens),
    stop: asTexts(body.stop),
    thinking: effort !== undefined && effort !== "none",
  };
}

function toTool({ name, parameters }: JsonObject): Tool {
  return { name: asText(name) ?? "", parameters };
}

function toToolChoice(choice: unknown): Prompt["toolChoice"] {
  if (choice === "none" || choice === "required") return choice;
  const name = asText(asObject(asObject(choice).function).name);
  return name === undefined ? "auto" : { name };
}

function toJsonFormat({ type, json_schema }: JsonObject): Prompt["json"] {
  if (type === "json_schema") return { schema: asObject(json_schema).schema };
  return type === "json_object" ? {} : undefined;
}
