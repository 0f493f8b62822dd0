import type { JsonObject } from "../../operation.ts";
import { isWholeInput } from "../hub-calls.ts";
import {
  lacksArguments,
  NO_ARGUMENTS,
  toCallItem,
  toMessageItem,
  toReasoningItem,
  toRefusalPart,
  toTextPart,
  type Call,
  type ItemStatus,
} from "./items.ts";

/** Where an item stands, and how it is heard. */
export interface Place {
  readonly id: string;
  /** In the output. */
  readonly index: number;
  emit(type: string, fields: JsonObject): void;
}

/** An item of the output from its first event to its last. */
export abstract class OutputItem {
  readonly #place: Place;
  #closed = false;

  constructor(place: Place) {
    this.#place = place;
  }

  /** As it is, open or closed. */
  abstract get item(): JsonObject;
  protected abstract finish(status: ItemStatus): void;

  get id(): string {
    return this.#place.id;
  }

  protected get closed(): boolean {
    return this.#closed;
  }

  protected open(item: JsonObject): void {
    const { index, emit } = this.#place;
    emit("response.output_item.added", { output_index: index, item });
  }

  /** An event about a part of this item. */
  protected tell(type: string, fields: JsonObject): void {
    const { id, index, emit } = this.#place;
    emit(type, { item_id: id, output_index: index, ...fields });
  }

  /** The first call counts. */
  close(status: ItemStatus): void {
    if (this.#closed) return;
    this.#closed = true;
    this.finish(status);
    const { index, emit } = this.#place;
    emit("response.output_item.done", { output_index: index, item: this.item });
  }
}

/** How thoughts are told: as the text itself, or as a summary where the client asked for one. */
const AS_TEXT = { part: "content_part", text: "reasoning_text", at: { content_index: 0 } };
const AS_SUMMARY = {
  part: "reasoning_summary_part",
  text: "reasoning_summary_text",
  at: { summary_index: 0 },
};

export class ReasoningItem extends OutputItem {
  readonly #asSummary: boolean;
  readonly #words: typeof AS_TEXT | typeof AS_SUMMARY;
  readonly #sealed: JsonObject[] = [];
  #text = "";

  constructor(place: Place, asSummary: boolean) {
    super(place);
    this.#asSummary = asSummary;
    this.#words = asSummary ? AS_SUMMARY : AS_TEXT;
    this.open(this.item);
  }

  get item(): JsonObject {
    return toReasoningItem(this.id, {
      text: this.#text,
      asSummary: this.#asSummary,
      sealed: this.closed ? this.#sealed : undefined,
    });
  }

  think(delta: string): void {
    const { part, text, at } = this.#words;
    if (this.#text === "") this.tell(`response.${part}.added`, { ...at, part: this.#part("") });
    this.#text += delta;
    this.tell(`response.${text}.delta`, { ...at, delta });
  }

  /** What a backend wants back as it is. The text of signed thoughts has come before, or comes with them. */
  seal(items: readonly JsonObject[]): void {
    const text = items.map(({ thinking }) => (typeof thinking === "string" ? thinking : "")).join("");
    if (this.#text === "" && text !== "") this.think(text);
    this.#sealed.push(...items);
  }

  protected finish(): void {
    if (this.#text === "") return;
    const { part, text, at } = this.#words;
    this.tell(`response.${text}.done`, { ...at, text: this.#text });
    this.tell(`response.${part}.done`, { ...at, part: this.#part(this.#text) });
  }

  #part(text: string): JsonObject {
    return { type: this.#asSummary ? "summary_text" : "reasoning_text", text };
  }
}

interface OpenPart {
  readonly kind: "text" | "refusal";
  text: string;
  readonly annotations: JsonObject[];
  readonly logprobs: JsonObject[];
}

/** A message and its parts, of which the last may be open. */
export class MessageItem extends OutputItem {
  /** What a vendor wants back with the text. */
  extra: JsonObject | undefined;
  readonly #parts: JsonObject[] = [];
  #open: OpenPart | undefined;
  #status: ItemStatus = "in_progress";

  constructor(place: Place) {
    super(place);
    this.open(this.item);
  }

  get item(): JsonObject {
    return toMessageItem(this.id, [...this.#parts], this.#status, this.extra);
  }

  say(delta: string, logprobs: readonly JsonObject[]): void {
    const part = this.#partOf("text");
    part.text += delta;
    part.logprobs.push(...logprobs);
    if (delta === "") return;
    this.tell("response.output_text.delta", { content_index: this.#parts.length, delta, logprobs });
  }

  refuse(delta: string): void {
    this.#partOf("refusal").text += delta;
    this.tell("response.refusal.delta", { content_index: this.#parts.length, delta });
  }

  annotate(annotation: JsonObject): void {
    const { annotations } = this.#partOf("text");
    this.tell("response.output_text.annotation.added", {
      content_index: this.#parts.length,
      annotation_index: annotations.length,
      annotation,
    });
    annotations.push(annotation);
  }

  protected finish(status: ItemStatus): void {
    this.#closePart();
    this.#status = status;
  }

  #partOf(kind: "text" | "refusal"): OpenPart {
    if (this.#open?.kind === kind) return this.#open;
    this.#closePart();
    const part = kind === "text" ? toTextPart("") : toRefusalPart("");
    this.tell("response.content_part.added", { content_index: this.#parts.length, part });
    return (this.#open = { kind, text: "", annotations: [], logprobs: [] });
  }

  #closePart(): void {
    const open = this.#open;
    if (!open) return;
    this.#open = undefined;
    const content_index = this.#parts.length;
    const { kind, text, annotations, logprobs } = open;
    const part = kind === "text" ? toTextPart(text, annotations, logprobs) : toRefusalPart(text);
    if (kind === "text") this.tell("response.output_text.done", { content_index, text, logprobs });
    else this.tell("response.refusal.done", { content_index, refusal: text });
    this.tell("response.content_part.done", { content_index, part });
    this.#parts.push(part);
  }
}

export class CallItem extends OutputItem {
  readonly #call: Omit<Call, "input">;
  #input = "";
  #status: ItemStatus = "in_progress";

  constructor(place: Place, call: Omit<Call, "input">) {
    super(place);
    this.#call = call;
    this.open(this.item);
  }

  get item(): JsonObject {
    return toCallItem(this.id, { ...this.#call, input: this.#input }, this.#status);
  }

  /** Closes a call to which nothing can be added: more text would break its JSON. Of plain text nobody can tell. */
  closeWhole(): void {
    if (!this.closed && this.#call.type === "function" && isWholeInput(this.#input)) this.close("completed");
  }

  /** Throws for what comes after the end, where space alone can be left out. */
  write(delta: string): void {
    if (this.closed && delta.trim() !== "")
      throw new TypeError("arguments of a call went on after they were whole");
    if (!this.closed && delta !== "") this.#add(delta);
  }

  #add(delta: string): void {
    this.#input += delta;
    this.tell(
      this.#call.type === "custom"
        ? "response.custom_tool_call_input.delta"
        : "response.function_call_arguments.delta",
      { delta },
    );
  }

  protected finish(status: ItemStatus): void {
    this.#status = status;
    if (lacksArguments(this.#call.type, this.#input, status)) this.#add(NO_ARGUMENTS);
    if (this.#call.type === "custom")
      this.tell("response.custom_tool_call_input.done", { input: this.#input });
    else
      this.tell("response.function_call_arguments.done", {
        name: this.#call.name,
        arguments: this.#input,
      });
  }
}

/** An image, which comes whole. */
export class ImageItem extends OutputItem {
  readonly #whole: JsonObject;

  constructor(place: Place, whole: JsonObject) {
    super(place);
    this.#whole = whole;
    this.open(this.item);
  }

  get item(): JsonObject {
    return this.closed ? this.#whole : { ...this.#whole, status: "in_progress", result: null };
  }

  protected finish(): void {
    this.tell("response.image_generation_call.completed", {});
  }
}
