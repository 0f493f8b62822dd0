import { answer, readContent, type Answer, type Prompt } from "../answer.ts";
import type { Exchange } from "../dialect.ts";
import { anthropicEvents } from "../events.ts";
import { newId } from "../ids.ts";
import { asNumber, asObject, asObjects, asText, asTexts, type JsonObject } from "../json-fields.ts";
import { sign } from "../signature.ts";
import type { Settings } from "../settings.ts";
import { countTokens, splitPieces } from "../tokens.ts";
import type { Turn } from "./blocks.ts";
import { checkRequest } from "./check-request.ts";
import { requireModel, requireVersion } from "./models.ts";

/** `POST /v1/messages`, whole and streamed. */
export async function createMessage(exchange: Exchange): Promise<void> {
  const { body, request, reply, settings } = exchange;
  const version = requireVersion(request.headers);
  const model = requireModel(exchange);
  const turns = checkRequest(body, version, { counts: false });
  const given = answer(toPrompt(body, turns, model), settings);
  const message = {
    id: newId("msg", 24),
    type: "message",
    role: "assistant",
    model,
  };
  if (body.stream === true) return streamed(exchange, message, given);
  await reply.tokens(given.outputTokens);
  await reply.json({
    ...message,
    content: toBlocks(given, body),
    ...toStop(given),
    usage: toUsage(given, settings),
  });
}

/** `POST /v1/messages/count_tokens` */
export async function countMessages(exchange: Exchange): Promise<void> {
  const { body, request, reply } = exchange;
  const version = requireVersion(request.headers);
  const model = requireModel(exchange);
  const prompt = toPrompt(body, checkRequest(body, version, { counts: true }), model);
  await reply.json({ input_tokens: countTokens(prompt.text) });
}

/** https://platform.claude.com/docs/en/build-with-claude/streaming. */
async function streamed(
  { body, reply, settings }: Exchange,
  message: JsonObject,
  given: Answer,
): Promise<void> {
  const usage = toUsage(given, settings);
  const send = (type: string, members: JsonObject = {}, role?: "finish" | "terminator"): Promise<void> =>
    reply.event(JSON.stringify({ type, ...members }), { type, role });
  await reply.openEvents(anthropicEvents);
  await send("message_start", {
    message: {
      ...message,
      content: [],
      stop_reason: null,
      stop_sequence: null,
      stop_details: null,
      usage: { ...usage, output_tokens: 1 },
    },
  });
  await send("ping");
  for (const [index, { opening, deltas }] of toStreamedBlocks(given, body).entries()) {
    await send("content_block_start", { index, content_block: opening });
    for (const delta of deltas) {
      if (delta.type !== "signature_delta") await reply.nextToken();
      await send("content_block_delta", { index, delta });
    }
    await send("content_block_stop", { index });
  }
  await send("message_delta", { delta: toStop(given), usage }, "finish");
  await send("message_stop", {}, "terminator");
  await reply.endEvents();
}

function toStreamedBlocks(given: Answer, body: JsonObject): { opening: JsonObject; deltas: JsonObject[] }[] {
  return toBlocks(given, body).map((block) => {
    switch (block.type) {
      case "thinking": {
        const { thinking, signature, ...rest } = block;
        const pieces = thinking === "" ? [] : given.thinking;
        return {
          opening: { ...rest, thinking: "", signature: "" },
          deltas: [
            ...pieces.map((piece) => ({ type: "thinking_delta", thinking: piece })),
            { type: "signature_delta", signature },
          ],
        };
      }
      case "tool_use":
        return {
          opening: { ...block, input: {} },
          // The first piece is empty, and where there is no input it is the only one.
          deltas: ["", ...(isEmptyInput(block) ? [] : splitPieces(JSON.stringify(block.input)))].map(
            (piece) => ({
              type: "input_json_delta",
              partial_json: piece,
            }),
          ),
        };
      default:
        return {
          opening: { ...block, text: "" },
          deltas: given.pieces.map((text) => ({ type: "text_delta", text })),
        };
    }
  });
}

function isEmptyInput({ input }: JsonObject): boolean {
  return Object.keys(asObject(input)).length === 0;
}

/** Thoughts, signed, then text or calls. */
function toBlocks({ thinking, pieces, calls }: Answer, { thinking: asked }: JsonObject): JsonObject[] {
  const blocks: JsonObject[] = [];
  if (thinking.length > 0) {
    // Left out, they are still signed: https://platform.claude.com/docs/en/build-with-claude/thinking.
    const text = asObject(asked).display === "omitted" ? "" : thinking.join("");
    blocks.push({ type: "thinking", thinking: text, signature: sign(text) });
  }
  if (pieces.length > 0) blocks.push({ type: "text", text: pieces.join("") });
  for (const call of calls) {
    const id = newId("toolu", 24);
    blocks.push({ type: "tool_use", id, name: call.name, input: call.arguments, caller: { type: "direct" } });
  }
  return blocks;
}

const STOP_REASONS: Readonly<Record<Answer["finish"], string>> = {
  stop: "end_turn",
  length: "max_tokens",
  tool_calls: "tool_use",
  content_filter: "refusal",
};

function toStop({ finish, stop }: Answer): JsonObject {
  const met = finish === "stop" && stop !== undefined;
  return {
    stop_reason: met ? "stop_sequence" : STOP_REASONS[finish],
    stop_sequence: met ? stop : null,
    stop_details:
      finish === "content_filter"
        ? { type: "refusal", category: null, explanation: "This was refused." }
        : null,
  };
}

/** What came from the cache stands beside the rest of the input. */
function toUsage({ inputTokens, outputTokens, thinking }: Answer, settings: Settings): JsonObject {
  const cached = Math.min(settings.cachedTokens, inputTokens);
  return {
    input_tokens: inputTokens - cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cached,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    output_tokens_details: { thinking_tokens: thinking.length },
    server_tool_use: null,
    service_tier: "standard",
  };
}

function toPrompt(body: JsonObject, turns: readonly Turn[], model: string): Prompt {
  const contents = turns.map(({ blocks }) => readBlocks(blocks));
  const last = turns.at(-1)!;
  const results = last.blocks.filter(({ type }) => type === "tool_result");
  const choice = asObject(body.tool_choice);
  const { format } = asObject(body.output_config);
  const thinking = asObject(body.thinking).type;
  return {
    model,
    text: [
      `system: ${readContent(body.system).text}`,
      ...turns.map(({ role }, index) => `${role}: ${contents[index]!.text}`),
    ].join("\n"),
    question: last.role === "user" && results.length === 0 ? contents.at(-1)!.text : undefined,
    toolResults: results.map(({ content }) => readContent(content).text),
    images: contents.reduce((sum, content) => sum + content.images, 0),
    tools: asObjects(body.tools).map((tool) => ({
      name: asText(tool.name) ?? "",
      parameters: tool.input_schema,
    })),
    toolChoice: toToolChoice(choice),
    parallelTools: choice.disable_parallel_tool_use !== true,
    json: format === undefined || format === null ? undefined : { schema: asObject(format).schema },
    maxTokens: asNumber(body.max_tokens),
    stop: asTexts(body.stop_sequences),
    thinking: thinking === "enabled" || thinking === "adaptive",
  };
}

function toToolChoice({ type, name }: JsonObject): Prompt["toolChoice"] {
  if (type === "none") return "none";
  if (type === "any") return "required";
  return type === "tool" ? { name: asText(name)! } : "auto";
}

function readBlocks(blocks: readonly JsonObject[]): { text: string; images: number } {
  return {
    text: blocks
      .flatMap(({ type, text, content }) =>
        type === "text" ? (asText(text) ?? "") : type === "tool_result" ? readContent(content).text : [],
      )
      .join("\n"),
    images: blocks.filter(({ type }) => type === "image" || type === "document").length,
  };
}
