import type { MappingInfo, OperationBridge } from "../../adapter.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import { HubCallReader, type HubCall, type HubCallPiece } from "../hub-calls.ts";
import { finishOf, oneHubChoice, readHubMessage, reportBeside, type HubMessage } from "../hub-message.ts";
import { toCallId, toItemId } from "./ids.ts";
import { toAnnotations, toImageItem, toLogprobItems, type ItemStatus } from "./items.ts";
import { CallItem, ImageItem, MessageItem, ReasoningItem, type OutputItem, type Place } from "./open-item.ts";
import { wantsSummary } from "./reasoning.ts";
import { endResponse, endStatus, reportUnknownFinish, startResponse } from "./response.ts";

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
  readonly #calls = new HubCallReader();
  /** Those that have a name. Several may be open, as backends may weave them. */
  readonly #callItems = new Map<HubCall, CallItem>();
  /** Calls of which it is told what their vendor wants back. */
  readonly #sealed = new Set<HubCall>();
  /** `index` of the choice that is shown. */
  #choice: unknown;
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
    reportBeside(chunk, this.#info);
    this.#usage = chunk["usage"] ?? this.#usage;
    this.#serviceTier = chunk["service_tier"] ?? this.#serviceTier;
    const choice = oneHubChoice(chunk, this.#info, this.#choice);
    if (choice) this.#takeChoice(choice);
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
    this.#choice ??= choice["index"] ?? 0;
    if (isJsonObject(choice["delta"]))
      this.#takeDelta(readHubMessage(choice["delta"], this.#info), choice["logprobs"]);
    this.#finish = finishOf(choice);
    if (this.#finish === undefined) return;
    reportUnknownFinish(this.#finish, this.#info);
    this.#closeAll();
  }

  #takeDelta(said: HubMessage, logprobs: unknown): void {
    if (said.reasoning !== "") this.#reasoning().think(said.reasoning);
    if (said.thinkingBlocks.length > 0) this.#reasoning().seal(said.thinkingBlocks);
    if (said.text !== "") this.#message().say(said.text, toLogprobItems(logprobs));
    if (said.refusal !== "") this.#message().refuse(said.refusal);
    for (const annotation of toAnnotations(said.annotations)) this.#message().annotate(annotation);
    if (said.extra) this.#message().extra = said.extra;
    for (const url of said.images) this.#addImage(url);
    for (const piece of this.#calls.read(said.calls)) this.#addCall(piece);
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

  #addImage(url: string): void {
    const place = this.#place("ig");
    const whole = toImageItem(place.id, url);
    if (!whole) {
      this.#info.report("images");
      return;
    }
    this.#closeSpeech("completed");
    const item = new ImageItem(place, whole);
    this.#items.push(item);
    item.close("completed");
  }

  #addCall({ call, input }: HubCallPiece): void {
    const open = this.#callItems.get(call);
    if (!open && call.name === undefined) return;
    const callId = call.id ?? toCallId(this.#info.requestId, call.position);
    this.#sealExtra(call, callId);
    if (open) open.write(input);
    else this.#openCall(call, callId, call.name!);
  }

  /** What the vendor wants back with a call, in an item before it, or after it if it comes late. */
  #sealExtra(call: HubCall, call_id: string): void {
    if (!call.extra || this.#sealed.has(call)) return;
    this.#sealed.add(call);
    this.#reasoning().seal([{ type: "extra_content", call_id, extra_content: call.extra }]);
  }

  #openCall(call: HubCall, callId: string, name: string): void {
    const { type, input } = call;
    this.#closeSpeech("completed");
    // A call before this one whose arguments are whole has ended; one that is woven with it goes on.
    for (const item of this.#callItems.values()) item.closeWhole();
    const item = new CallItem(this.#place(type === "custom" ? "ctc" : "fc"), { type, callId, name });
    this.#items.push(item);
    this.#callItems.set(call, item);
    item.write(input);
  }

  #place(prefix: string): Place {
    const index = this.#items.length;
    return { id: toItemId(prefix, this.#info.requestId, index), index, emit: this.#emit };
  }

  #closeSpeech(status: ItemStatus): void {
    this.#speech?.close(status);
    this.#speech = undefined;
  }

  #closeAll(): void {
    if (this.#calls.calls.some(({ name }) => name === undefined)) throw new TypeError("a call has no name");
    // A model that said nothing said the empty text.
    if (this.#items.length === 0) this.#message().say("", []);
    // What was cut is the last thing that was said.
    const last = this.#items.at(-1);
    for (const item of this.#items) item.close(item === last ? endStatus(this.#finish) : "completed");
    this.#speech = undefined;
  }
}
