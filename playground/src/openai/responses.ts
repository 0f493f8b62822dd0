import { answer, readContent, type Answer, type Prompt } from "../answer.ts";
import type { Exchange, Handler } from "../dialect.ts";
import { responsesEvents } from "../events.ts";
import { newId } from "../ids.ts";
import { asNumber, asObject, asObjects, asText, type JsonObject } from "../json-fields.ts";
import { missing, Refusal } from "../refusal.ts";
import type { Settings } from "../settings.ts";
import { sign } from "../signature.ts";
import { splitPieces } from "../tokens.ts";
import { checkItems } from "./check-items.ts";
import { requireModel } from "./models.ts";

/** Stored responses that a backend remembers; older ones are forgotten. */
const MAX_STORED = 1000;

/** The routes of the Responses API, over one store: a response is known only to the backend that made it. */
export function createResponses(): Readonly<Record<string, Handler>> {
  const stored = new Map<string, JsonObject>();

  function find(id: string): JsonObject {
    const response = stored.get(id);
    if (response) return response;
    throw new Refusal(404, `Response with id '${id}' not found.`);
  }

  function isStored(id: unknown): boolean {
    return [...stored.values()].some(({ output }) => asObjects(output).some((item) => item.id === id));
  }

  async function create(exchange: Exchange): Promise<void> {
    const { body, reply, settings } = exchange;
    const model = requireModel(exchange);
    if (typeof body.input !== "string" && !Array.isArray(body.input)) throw missing("input");
    if (settings.strict) checkItems(body.input, isStored);
    const previous = asText(body.previous_response_id);
    if (previous !== undefined && !stored.has(previous)) {
      throw new Refusal(400, `Previous response with id '${previous}' not found.`, {
        code: "previous_response_not_found",
        param: "previous_response_id",
      });
    }
    const given = answer(toPrompt(body, model), settings);
    const items = toItems(given, body);
    const started = startOf(body, model);
    const response = { ...started, ...endOf(given, settings), output: items.map(({ item }) => item) };
    if (body.store !== false) remember(stored, response);
    if (body.stream === true) return streamed(exchange, started, items, response);
    await reply.tokens(given.outputTokens);
    await reply.json(response);
  }

  return {
    "POST /v1/responses": create,
    "GET /v1/responses/*": ({ reply, rest }) => reply.json(find(rest)),
    "DELETE /v1/responses/*": async ({ reply, rest }) => {
      find(rest);
      stored.delete(rest);
      await reply.json({ id: rest, object: "response", deleted: true });
    },
  };
}

/** An item of the output: as it begins, as it ends, and the events between. */
interface Item {
  opening: JsonObject;
  item: JsonObject;
  events: JsonObject[];
}

async function streamed(
  { reply }: Exchange,
  started: JsonObject,
  items: Item[],
  response: JsonObject,
): Promise<void> {
  let sequence = 0;
  const send = async (event: JsonObject, role?: "finish"): Promise<void> => {
    const type = String(event.type);
    if (type.endsWith(".delta")) await reply.nextToken();
    await reply.event(JSON.stringify({ ...event, sequence_number: sequence++ }), { type, role });
  };
  await reply.openEvents(responsesEvents);
  await send({ type: "response.created", response: started });
  await send({ type: "response.in_progress", response: started });
  for (const [output_index, { opening, item, events }] of items.entries()) {
    await send({ type: "response.output_item.added", output_index, item: opening });
    for (const event of events) await send({ ...event, item_id: item.id, output_index });
    await send({ type: "response.output_item.done", output_index, item });
  }
  await send({ type: `response.${String(response.status)}`, response }, "finish");
  await reply.endEvents();
}

function toItems(given: Answer, body: JsonObject): Item[] {
  const reasoning = asText(asObject(body.reasoning).summary) ? [reasoningItem(given, body)] : [];
  if (given.calls.length > 0) {
    return [...reasoning, ...given.calls.map((call) => callItem(call.name, JSON.stringify(call.arguments)))];
  }
  return [...reasoning, messageItem(given)];
}

function messageItem({ pieces, finish }: Answer): Item {
  const text = pieces.join("");
  const part = { type: "output_text", text, annotations: [], logprobs: [] };
  const base = { id: newId("msg"), type: "message", role: "assistant" };
  const content_index = 0;
  return {
    opening: { ...base, status: "in_progress", content: [] },
    item: { ...base, status: finish === "length" ? "incomplete" : "completed", content: [part] },
    events: [
      { type: "response.content_part.added", content_index, part: { ...part, text: "" } },
      ...pieces.map((delta) => ({ type: "response.output_text.delta", content_index, delta, logprobs: [] })),
      { type: "response.output_text.done", content_index, text, logprobs: [] },
      { type: "response.content_part.done", content_index, part },
    ],
  };
}

function callItem(name: string, args: string): Item {
  const base = { id: newId("fc"), type: "function_call", call_id: newId("call"), name };
  return {
    opening: { ...base, status: "in_progress", arguments: "" },
    item: { ...base, status: "completed", arguments: args },
    events: [
      ...splitPieces(args).map((delta) => ({ type: "response.function_call_arguments.delta", delta })),
      { type: "response.function_call_arguments.done", name, arguments: args },
    ],
  };
}

function reasoningItem({ thinking }: Answer, { include }: JsonObject): Item {
  const text = thinking.join("");
  const encrypts = Array.isArray(include) && include.includes("reasoning.encrypted_content");
  const base = {
    id: newId("rs"),
    type: "reasoning",
    ...(encrypts && { encrypted_content: sign(text) }),
  };
  const summary_index = 0;
  const part = { type: "summary_text", text };
  return {
    opening: { ...base, summary: [] },
    item: { ...base, summary: [part] },
    events: [
      { type: "response.reasoning_summary_part.added", summary_index, part: { ...part, text: "" } },
      ...thinking.map((delta) => ({ type: "response.reasoning_summary_text.delta", summary_index, delta })),
      { type: "response.reasoning_summary_text.done", summary_index, text },
      { type: "response.reasoning_summary_part.done", summary_index, part },
    ],
  };
}

/** A response as it begins, the fields of the request echoed. */
function startOf(body: JsonObject, model: string): JsonObject {
  return {
    id: newId("resp"),
    object: "response",
    created_at: Math.floor(Date.now() / 1000),
    status: "in_progress",
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: null, summary: null, ...asObject(body.reasoning) },
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? "disabled",
    usage: null,
    user: body.user ?? null,
    metadata: body.metadata ?? {},
  };
}

const INCOMPLETE_REASONS: Readonly<Partial<Record<Answer["finish"], string>>> = {
  length: "max_output_tokens",
  content_filter: "content_filter",
};

function endOf({ finish, inputTokens, outputTokens, thinking }: Answer, settings: Settings): JsonObject {
  const reason = INCOMPLETE_REASONS[finish];
  return {
    status: reason === undefined ? "completed" : "incomplete",
    incomplete_details: reason === undefined ? null : { reason },
    completed_at: Math.floor(Date.now() / 1000),
    usage: {
      input_tokens: inputTokens,
      input_tokens_details: { cached_tokens: Math.min(settings.cachedTokens, inputTokens) },
      output_tokens: outputTokens,
      output_tokens_details: { reasoning_tokens: thinking.length },
      total_tokens: inputTokens + outputTokens,
    },
  };
}

function remember(stored: Map<string, JsonObject>, response: JsonObject): void {
  stored.set(String(response.id), response);
  if (stored.size > MAX_STORED) stored.delete(stored.keys().next().value!);
}

function toPrompt(body: JsonObject, model: string): Prompt {
  const items =
    typeof body.input === "string" ? [{ role: "user", content: body.input }] : asObjects(body.input);
  const contents = items.map((item) => readContent(item.content ?? item.output ?? item.arguments));
  const isResult = (item: JsonObject) => item.type === "function_call_output";
  const results = items.slice(items.findLastIndex((item) => !isResult(item)) + 1);
  const { effort, summary } = asObject(body.reasoning);
  const instructions = asText(body.instructions) ?? "";
  return {
    model,
    text: [
      instructions,
      ...items.map((item, index) => `${String(item.role)}: ${contents[index]!.text}`),
    ].join("\n"),
    question: asObject(items.at(-1)).role === "user" ? contents.at(-1)!.text : undefined,
    toolResults: results.map((item) => readContent(item.output).text),
    images: contents.reduce((sum, content) => sum + content.images, 0),
    tools: asObjects(body.tools)
      .filter((tool) => tool.type === "function")
      .map((tool) => ({ name: asText(tool.name) ?? "", parameters: tool.parameters })),
    toolChoice: toToolChoice(body.tool_choice),
    parallelTools: body.parallel_tool_calls !== false,
    json: toJsonFormat(asObject(asObject(body.text).format)),
    maxTokens: asNumber(body.max_output_tokens),
    stop: [],
    thinking: (effort !== undefined && effort !== "none") || summary !== undefined,
  };
}

function toToolChoice(choice: unknown): Prompt["toolChoice"] {
  if (choice === "none" || choice === "required") return choice;
  const name = asText(asObject(choice).name);
  return name === undefined ? "auto" : { name };
}

function toJsonFormat({ type, schema }: JsonObject): Prompt["json"] {
  if (type === "json_schema") return { schema };
  return type === "json_object" ? {} : undefined;
}
