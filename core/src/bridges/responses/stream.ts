import type { MappingInfo, OperationBridge } from "../../adapter.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { toCallId, toItemId } from "./ids.ts";
import { toAnnotations, toLogprobItems, type ItemStatus } from "./items.ts";
import { CallItem, MessageItem, ReasoningItem, type OutputItem } from "./open-item.ts";
import { wantsSummary } from "./reasoning.ts";
import { endResponse, incompleteReason, startResponse } from "./response.ts";

type Stream = NonNullable<OperationBridge<ResponseWriter>["stream"]>;

/**
 * Chat chunks to the events of a response: `created` and `in_progress`, then for each item `added`, its parts and
 * deltas, and `done`, then one of `completed` and `incomplete`. A broken stream gets none of these two: core ends it.
 */
export const responseStream: Stream = {
  start: (info) => new ResponseWriter(info),
  event: (writer, chunk) => writer.take(chunk),
  end: (writer) => writer.end(),
};

/** Chat says everything by deltas of one message; which item is open follows from what kind of delta comes. */
export class ResponseWriter {
  readonly #info: MappingInfo;
  readonly #started: JsonObject;
  readonly #asSummary: boolean;
  #events: JsonObject[] = [];
  #sequence = 0;
  #items: OutputItem[] = [];
  /** Thoughts or text: closed as soon as something else comes. */
  #speech: ReasoningItem | MessageItem | undefined;
  /** Calls by their index in chat. Several may be open, as backends may weave them. */
  readonly #calls = new Map<unknown, CallItem>();
  #lastCall: unknown;
  #finish: unknown;
  #usage: unknown;
  #serviceTier: unknown;
  #over = false;

  constructor(info: MappingInfo) {
    this.#info = info;
    this.#started = startResponse(info);
    this.#asSummary = wantsSummary(info.request);
  }

  take(chunk: JsonObject): JsonObject[] {
    if (this.#over) return [];
    this.#begin();
    this.#usage = chunk["usage"] ?? this.#usage;
    this.#serviceTier = chunk["service_tier"] ?? this.#serviceTier;
    const choices: readonly unknown[] = Array.isArray(chunk["choices"]) ? chunk["choices"] : [];
    const [choice] = choices;
    if (isJsonObject(choice)) this.#takeChoice(choice);
    // Usage comes last, alone: nothing more is to be waited for.
    else if (this.#finish !== undefined && this.#usage) this.#complete();
    return this.#flush();
  }

  end(): JsonObject[] {
    if (this.#over || this.#finish === undefined) return [];
    this.#complete();
    return this.#flush();
  }

  /** For the items: an event of one of them. */
  readonly #emit = (type: string, fields: JsonObject): void => {
    this.#events.push({ type, sequence_number: this.#sequence++, ...fields });
  };

  #flush(): JsonObject[] {
    const events = this.#events;
    this.#events = [];
    return events;
  }

  #begin(): void {
    if (this.#sequence > 0) return;
    this.#emit("response.created", { response: this.#started });
    this.#emit("response.in_progress", { response: this.#started });
  }

  #complete(): void {
    this.#over = true;
    const response = endResponse(this.#started, {
      output: this.#items.map(({ item }) => item),
      finish: this.#finish,
      usage: this.#usage,
      serviceTier: this.#serviceTier,
    });
    this.#emit(`response.${response["status"] as string}`, { response });
  }

  #takeChoice(choice: JsonObject): void {
    if (this.#finish !== undefined) return;
    if (isJsonObject(choice["delta"])) this.#takeDelta(choice["delta"], choice["logprobs"]);
    if (typeof choice["finish_reason"] !== "string") return;
    this.#finish = choice["finish_reason"];
    this.#closeAll();
  }

  #takeDelta(delta: JsonObject, logprobs: unknown): void {
    const { reasoning_content, thinking_blocks, content, refusal, annotations, tool_calls, extra_content } =
      delta;
    if (isText(reasoning_content)) this.#reasoning().think(reasoning_content);
    if (Array.isArray(thinking_blocks) && thinking_blocks.length > 0) this.#reasoning().seal(thinking_blocks);
    if (isText(content)) this.#message().say(content, toLogprobItems(logprobs));
    if (isText(refusal)) this.#message().refuse(refusal);
    for (const annotation of toAnnotations(annotations)) this.#message().annotate(annotation);
    if (isJsonObject(extra_content)) this.#message().extra = extra_content;
    if (Array.isArray(tool_calls)) for (const call of tool_calls) if (isJsonObject(call)) this.#call(call);
  }

  #reasoning(): ReasoningItem {
    if (this.#speech instanceof ReasoningItem) return this.#speech;
    this.#closeSpeech("completed");
    const item = new ReasoningItem(this.#place("rs"), this.#asSummary);
    this.#items.push(item);
    this.#speech = item;
    return item;
  }

  #message(): MessageItem {
    if (this.#speech instanceof MessageItem) return this.#speech;
    this.#closeSpeech("completed");
    const item = new MessageItem(this.#place("msg"));
    this.#items.push(item);
    this.#speech = item;
    return item;
  }

  #call(piece: JsonObject): void {
    // Servers that give no index give the id, and with the rest of a call nothing.
    const index = piece["index"] ?? piece["id"] ?? this.#lastCall;
    this.#lastCall = index;
    const call = this.#calls.get(index) ?? this.#openCall(index, piece);
    const type = call.type;
    const called = isJsonObject(piece[type]) ? piece[type] : {};
    const input = type === "custom" ? called["input"] : called["arguments"];
    if (isText(input)) call.write(input);
    if (isJsonObject(piece["extra_content"])) call.extra = piece["extra_content"];
  }

  /** Chat has id, type and name in the first piece of a call. */
  #openCall(index: unknown, { id, type: kind, ...piece }: JsonObject): CallItem {
    this.#closeSpeech("completed");
    // A call before this one whose arguments are whole has ended; one that is woven with it goes on.
    for (const call of this.#calls.values()) call.closeWhole();
    const type = kind === "custom" ? "custom" : "function";
    const called = isJsonObject(piece[type]) ? piece[type] : {};
    const call = new CallItem(this.#place(type === "custom" ? "ctc" : "fc"), {
      type,
      callId: isText(id) ? id : toCallId(this.#info.requestId, this.#calls.size),
      name: isText(called["name"]) ? called["name"] : "",
    });
    this.#items.push(call);
    this.#calls.set(index, call);
    return call;
  }

  #place(prefix: string): { id: string; index: number; emit: (type: string, fields: JsonObject) => void } {
    const index = this.#items.length;
    return { id: toItemId(prefix, this.#info.requestId, index), index, emit: this.#emit };
  }

  #closeSpeech(status: ItemStatus): void {
    this.#speech?.close(status);
    this.#speech = undefined;
  }

  #closeAll(): void {
    // A model that said nothing said the empty text.
    if (this.#items.length === 0) this.#message().say("", []);
    const cut: ItemStatus = incompleteReason(this.#finish) === undefined ? "completed" : "incomplete";
    const last = this.#items.at(-1);
    for (const item of this.#items) item.close(item === last ? cut : "completed");
    this.#speech = undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
