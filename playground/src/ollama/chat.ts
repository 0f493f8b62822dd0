import { answer, type Answer, type Prompt, type ToolCall } from "../answer.ts";
import type { Exchange, Handler } from "../dialect.ts";
import { ollamaLines } from "../events.ts";
import { newId } from "../ids.ts";
import { asNumber, asObject, asObjects, asText, asTexts, isObject, type JsonObject } from "../json-fields.ts";
import { splitPieces } from "../tokens.ts";
import { checkChat } from "./check-chat.ts";
import { requireCapability, requireModel, type LoadedModels } from "./models.ts";

/** How `/api/chat` and `/api/generate` differ: in how a prompt is read and in where the text of a reply stands. */
interface Kind {
  /** Undefined: nothing is asked, the model is only loaded or unloaded. */
  toPrompt(body: JsonObject, model: string): Prompt | undefined;
  /** Puts a piece of the reply where it belongs. */
  place(piece: { text: string; thinking?: string; calls?: JsonObject[] }): JsonObject;
}

/** `POST /api/chat`. Streams unless `stream` is false. */
export function chat(loaded: LoadedModels): Handler {
  return talk(loaded, {
    toPrompt(body, model) {
      const messages = asObjects(body.messages);
      if (messages.length === 0) return undefined;
      const last = messages.at(-1)!;
      const lastTools = messages.slice(messages.findLastIndex((message) => message.role !== "tool") + 1);
      return {
        ...promptOf(body, model),
        text: messages.map(({ role, content }) => `${String(role)}: ${asText(content) ?? ""}`).join("\n"),
        question: last.role === "user" ? asText(last.content) : undefined,
        toolResults: lastTools.map((message) => asText(message.content) ?? ""),
        images: messages.reduce((sum, message) => sum + asTexts(message.images).length, 0),
      };
    },
    place: ({ text, thinking, calls }) => ({
      message: {
        role: "assistant",
        content: text,
        ...(thinking === undefined ? {} : { thinking }),
        ...(calls === undefined ? {} : { tool_calls: calls }),
      },
    }),
  });
}

/** `POST /api/generate`. Streams unless `stream` is false. */
export function generate(loaded: LoadedModels): Handler {
  return talk(loaded, {
    toPrompt(body, model) {
      const text = asText(body.prompt) ?? "";
      if (text === "") return undefined;
      const images = asTexts(body.images).length;
      return { ...promptOf(body, model), text: `${asText(body.system) ?? ""}\n${text}`, images, tools: [] };
    },
    place: ({ text, thinking }) => ({ response: text, ...(thinking === undefined ? {} : { thinking }) }),
  });
}

function talk(loaded: LoadedModels, kind: Kind): Handler {
  return async function talked(exchange) {
    const { body, settings } = exchange;
    const model = requireModel(exchange);
    if (settings.strict) checkChat(body);
    const prompt = kind.toPrompt(body, model);
    if (!prompt) return load(exchange, loaded, kind, model);
    if (prompt.images > 0) requireCapability(settings, model, "vision");
    if (prompt.tools.length > 0) requireCapability(settings, model, "tools");
    if (prompt.thinking) requireCapability(settings, model, "thinking");
    loaded.add(model);
    const given = answer(prompt, settings);
    return body.stream === false
      ? whole(exchange, kind, model, given)
      : streamed(exchange, kind, model, given);
  };
}

async function whole({ reply }: Exchange, kind: Kind, model: string, given: Answer): Promise<void> {
  await reply.tokens(given.outputTokens);
  await reply.json({
    ...head(model),
    ...kind.place({
      text: given.pieces.join(""),
      thinking: given.thinking.length > 0 ? given.thinking.join("") : undefined,
      calls: given.calls.length > 0 ? given.calls.map(toCall) : undefined,
    }),
    ...ending(given),
  });
}

async function streamed({ reply }: Exchange, kind: Kind, model: string, given: Answer): Promise<void> {
  const line = (piece: Parameters<Kind["place"]>[0]): string =>
    JSON.stringify({ ...head(model), ...kind.place(piece), done: false });
  await reply.openEvents(ollamaLines, {}, true);
  for (const thinking of given.thinking) {
    await reply.nextToken();
    await reply.event(line({ text: "", thinking }));
  }
  for (const text of given.pieces) {
    await reply.nextToken();
    await reply.event(line({ text }));
  }
  // The server holds a call back until its arguments are whole.
  for (const [index, call] of given.calls.entries()) {
    await reply.tokens(splitPieces(JSON.stringify(call)).length);
    await reply.event(line({ text: "", calls: [toCall(call, index)] }));
  }
  const last = { ...head(model), ...kind.place({ text: "" }), ...ending(given) };
  await reply.event(JSON.stringify(last), { role: "finish" });
  await reply.endEvents();
}

/** A request that asks nothing loads the model, or unloads it with `keep_alive: 0`. */
async function load(
  { body, reply }: Exchange,
  loaded: LoadedModels,
  kind: Kind,
  model: string,
): Promise<void> {
  const unload = body.keep_alive === 0;
  if (unload) loaded.delete(model);
  else loaded.add(model);
  const done_reason = unload ? "unload" : "load";
  await reply.json({ ...head(model), ...kind.place({ text: "" }), done: true, done_reason });
}

function head(model: string): JsonObject {
  return { model, created_at: new Date().toISOString() };
}

/** The end of a reply: counts, and durations in nanoseconds. */
function ending({ finish, inputTokens, outputTokens }: Answer): JsonObject {
  const perToken = 1_000_000;
  return {
    done: true,
    done_reason: finish === "length" ? "length" : "stop",
    total_duration: (inputTokens + outputTokens) * perToken,
    load_duration: perToken,
    prompt_eval_count: inputTokens,
    prompt_eval_duration: inputTokens * perToken,
    eval_count: outputTokens,
    eval_duration: outputTokens * perToken,
  };
}

function toCall(call: ToolCall, index: number): JsonObject {
  return { id: newId("call", 8), function: { index, ...call } };
}

/** What both kinds of request share. There is no tool choice, and calls are always allowed side by side. */
function promptOf(body: JsonObject, model: string): Omit<Prompt, "text"> {
  const options = asObject(body.options);
  const limit = asNumber(options.num_predict);
  return {
    model,
    toolResults: [],
    images: 0,
    tools: asObjects(body.tools).map((tool) => {
      const { name, parameters } = asObject(tool.function);
      return { name: asText(name) ?? "", parameters };
    }),
    toolChoice: "auto",
    parallelTools: true,
    json: isObject(body.format) ? { schema: body.format } : body.format === "json" ? {} : undefined,
    // Negative numbers mean: no limit.
    maxTokens: limit !== undefined && limit >= 0 ? limit : undefined,
    stop: asTexts(options.stop),
    thinking: body.think !== undefined && body.think !== false,
  };
}
