import { randomUUID } from "node:crypto";
import { answer, type Answer, type Prompt } from "../answer.ts";
import type { Exchange } from "../dialect.ts";
import { openaiEvents } from "../events.ts";
import { asNumber, asTexts, type JsonObject } from "../json-fields.ts";
import { missing } from "../refusal.ts";
import { requireModel } from "./models.ts";
import { usageChunks, usageOf } from "./usage.ts";

/** Tokens of an answer that asks for no number, as OpenAI has it. */
const DEFAULT_MAX_TOKENS = 16;

/** `POST /v1/completions`, whole and streamed. Several prompts make several choices. */
export async function completions(exchange: Exchange): Promise<void> {
  const { body, reply, settings } = exchange;
  const model = requireModel(exchange);
  const prompts = toTexts(body.prompt);
  if (prompts.length === 0) throw missing("prompt");
  const choices = asNumber(body.n) ?? 1;
  const answers = prompts.flatMap((text) =>
    Array.from({ length: choices }, (_, choice) => answer(toPrompt(body, model, text), settings, choice)),
  );
  const usage = usageOf(answers, settings, choices);
  const head = {
    id: `cmpl-${randomUUID()}`,
    object: "text_completion",
    created: Math.floor(Date.now() / 1000),
    model,
  };
  if (body.stream === true) return streamed(exchange, head, answers, usage);
  await reply.tokens(usage.completion_tokens);
  await reply.json({
    ...head,
    choices: answers.map(({ pieces, finish }, index) => ({
      text: pieces.join(""),
      index,
      logprobs: null,
      finish_reason: finish,
    })),
    usage,
  });
}

async function streamed(
  { body, reply }: Exchange,
  head: JsonObject,
  answers: Answer[],
  total: JsonObject,
): Promise<void> {
  const usage = usageChunks(body, total);
  const chunk = (index: number, text: string, finishReason: string | null): string =>
    JSON.stringify({
      ...head,
      choices: [{ text, index, logprobs: null, finish_reason: finishReason }],
      ...usage.inOtherChunks,
    });
  await reply.openEvents(openaiEvents);
  for (const [index, { pieces, finish }] of answers.entries()) {
    for (const piece of pieces) {
      await reply.nextToken();
      await reply.event(chunk(index, piece, null));
    }
    await reply.event(chunk(index, "", finish), { role: "finish" });
  }
  const last = usage.lastChunk(head);
  if (last) await reply.event(JSON.stringify(last), { role: "finish" });
  await reply.event("[DONE]", { role: "terminator" });
  await reply.endEvents();
}

/** A prompt is a text, texts, tokens, or lists of tokens. */
function toTexts(prompt: unknown): string[] {
  if (!Array.isArray(prompt) || prompt.every((item) => typeof item === "string")) return asTexts(prompt);
  if (prompt.every((item) => typeof item === "number")) return [prompt.join(" ")];
  return prompt.map((tokens) => (Array.isArray(tokens) ? tokens.join(" ") : String(tokens)));
}

function toPrompt(body: JsonObject, model: string, text: string): Prompt {
  return {
    model,
    text,
    toolResults: [],
    images: 0,
    tools: [],
    toolChoice: "none",
    parallelTools: false,
    maxTokens: asNumber(body.max_tokens) ?? DEFAULT_MAX_TOKENS,
    stop: asTexts(body.stop),
    thinking: false,
  };
}
