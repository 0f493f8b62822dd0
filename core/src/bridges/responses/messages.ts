import { UnsupportedField } from "../../adapter.ts";
import { wrongShape } from "../../field-fault.ts";
import { report } from "../../field-table.ts";
import { isJsonObject } from "../../json-object.ts";
import type { JsonObject } from "../../operation.ts";
import type { RequestMapping } from "../request-mapping.ts";
import { toContent, toTexts } from "./content.ts";
import { sortSealed, unseal } from "../sealed.ts";
import { isReasoningId } from "./ids.ts";
import { reasoningText } from "./reasoning.ts";

/**
 * Turns `input` into messages. What the model said in one turn (reasoning, text, calls) are items of their own there
 * and one message here; what a tool returned beside text follows its results as a message of the user.
 */
export function toMessages(instructions: unknown, input: unknown, mapping: RequestMapping): JsonObject[] {
  const builder = new MessageBuilder(mapping);
  if (instructions !== undefined) {
    if (typeof instructions !== "string") throw wrongShape("instructions", "a text", instructions);
    if (instructions !== "") builder.messages.push({ role: "system", content: instructions });
  }
  if (typeof input === "string") builder.messages.push({ role: "user", content: input });
  else if (Array.isArray(input))
    for (const [index, item] of input.entries()) builder.add(item, `input[${index}]`);
  return builder.end();
}

/** A message of the model, to which its next items belong until somebody else speaks. */
type Turn = JsonObject & { tool_calls?: JsonObject[]; thinking_blocks?: JsonObject[] };

class MessageBuilder {
  readonly messages: JsonObject[] = [];
  readonly #dropped: Set<string>;
  readonly #takes: RequestMapping["takes"];
  #turn: Turn | undefined;
  /** What vendors want back with calls, by the id of each: it stands in an item before them. */
  readonly #extras = new Map<unknown, JsonObject>();
  /**
   * What tools returned beside text, and images that the model made: tool messages hold text alone, nothing may stand
   * between them, and the model's own messages hold no images.
   */
  #attached: JsonObject[] = [];

  constructor({ dropped, takes }: RequestMapping) {
    this.#dropped = dropped;
    this.#takes = takes;
  }

  end(): JsonObject[] {
    this.#attach();
    return this.messages;
  }

  add(item: unknown, at: string): void {
    if (!isJsonObject(item)) throw wrongShape(at, "an object", item);
    switch (item["type"] ?? "message") {
      case "message":
        this.#addMessage(item, at);
        return;
      case "reasoning":
        this.#addReasoning(item, at);
        return;
      case "function_call":
        this.#addCall(item, { name: item["name"], arguments: item["arguments"] ?? "" }, "function", at);
        return;
      case "custom_tool_call":
        this.#addCall(item, { name: item["name"], input: item["input"] ?? "" }, "custom", at);
        return;
      case "function_call_output":
      case "custom_tool_call_output":
        this.#addResult(item, at);
        return;
      case "image_generation_call":
        this.#addImage(item, at);
        return;
      case "item_reference":
        // Clients that take responses for kept refer to thoughts, which can be done without.
        if (isReasoningId(item["id"])) {
          report(this.#dropped, `${at}.id`);
          return;
        }
        throw new UnsupportedField(at, `\`${at}\` refers to an item that nobody keeps for this backend`);
      default:
        throw new UnsupportedField(
          `${at}.type`,
          `\`${at}.type\`: the backend has chat alone, which has no counterpart to this item`,
        );
    }
  }

  #addMessage(item: JsonObject, at: string): void {
    const { role, content } = item;
    if (item["phase"]) report(this.#dropped, `${at}.phase`);
    if (role === "assistant") {
      this.#addAnswer(item, at);
      return;
    }
    if (role !== "user" && role !== "system" && role !== "developer")
      throw new UnsupportedField(`${at}.role`, `\`${at}.role\` is not a role that chat has`);
    this.#close();
    this.messages.push({
      // The older name of the two, which every chat server knows.
      role: role === "developer" ? "system" : role,
      content: toContent(content, `${at}.content`, this.#dropped),
    });
  }

  #addAnswer(item: JsonObject, at: string): void {
    const { text, refusal } = toTexts(item["content"], `${at}.content`);
    // Text after text is another message, unless there are calls: their results are still to come.
    if (this.#turn?.["content"] && !this.#turn.tool_calls) this.#close();
    const turn = this.#open();
    turn["content"] = joined(turn["content"], text);
    if (refusal !== undefined) turn["refusal"] = refusal;
    this.#addExtra(turn, item, at);
  }

  /** What a vendor wants back, such as a thought's signature. */
  #addExtra(target: JsonObject, { extra_content: extra }: JsonObject, at: string): void {
    if (!isJsonObject(extra)) return;
    if (this.#takes("extra_content")) target["extra_content"] = extra;
    else report(this.#dropped, `${at}.extra_content`);
  }

  #addReasoning(item: JsonObject, at: string): void {
    const blocks = this.#unseal(item["encrypted_content"], `${at}.encrypted_content`);
    const text = reasoningText(item);
    const keepsText = text !== "" && this.#takes("reasoning_content");
    if (text !== "" && !keepsText) report(this.#dropped, `${at}.reasoning`);
    if (blocks.length === 0 && !keepsText) return;
    // After text it begins another turn; between calls it does not, for the same reason.
    if (this.#turn?.["content"] && !this.#turn.tool_calls) this.#close();
    const turn = this.#open();
    if (blocks.length > 0) (turn.thinking_blocks ??= []).push(...blocks);
    if (keepsText) turn["reasoning_content"] = joined(turn["reasoning_content"], text);
  }

  /** The signed thoughts of a reasoning item. What belongs to calls waits for them. */
  #unseal(encrypted: unknown, at: string): readonly JsonObject[] {
    if (!encrypted) return [];
    const items = unseal(encrypted);
    const { thinkingBlocks, extras } = sortSealed(items ?? []);
    const keepsExtras = this.#takes("extra_content");
    const keepsBlocks = this.#takes("thinking_blocks");
    if (keepsExtras) for (const [id, extra] of extras) this.#extras.set(id, extra);
    const isLost = (!keepsExtras && extras.size > 0) || (!keepsBlocks && thinkingBlocks.length > 0);
    if (isLost || !items) report(this.#dropped, at);
    return keepsBlocks ? thinkingBlocks : [];
  }

  #addCall(item: JsonObject, call: JsonObject, type: "function" | "custom", at: string): void {
    const id = item["call_id"];
    const made: JsonObject = { id, type, [type]: call };
    const extra = this.#extras.get(id);
    if (extra) made["extra_content"] = extra;
    else this.#addExtra(made, item, at);
    const turn = this.#open();
    (turn.tool_calls ??= []).push(made);
  }

  #addResult({ call_id, output }: JsonObject, at: string): void {
    this.#turn = undefined;
    const place = `${at}.output`;
    const content = toContent(output, place, this.#dropped);
    const parts = typeof content === "string" ? [] : content;
    const others = parts.filter(({ type }) => type !== "text");
    if (others.length === 0) {
      this.messages.push({ role: "tool", tool_call_id: call_id, content });
      return;
    }
    const texts = parts.filter(({ type }) => type === "text");
    this.messages.push({
      role: "tool",
      tool_call_id: call_id,
      content: texts.length > 0 ? texts : "The result follows as an attachment.",
    });
    report(this.#dropped, place);
    this.#attached.push(...others);
  }

  /** An image that the model made: in chat only others than the model show images. */
  #addImage({ result, output_format: format = "png" }: JsonObject, at: string): void {
    report(this.#dropped, `${at}.result`);
    if (typeof result !== "string") return;
    const url = `data:image/${String(format)};base64,${result}`;
    this.#attached.push({ type: "image_url", image_url: { url } });
  }

  #open(): Turn {
    if (this.#turn) return this.#turn;
    this.#attach();
    this.#turn = { role: "assistant", content: null };
    this.messages.push(this.#turn);
    return this.#turn;
  }

  /** Somebody else speaks, or the model begins anew. */
  #close(): void {
    this.#turn = undefined;
    this.#attach();
  }

  #attach(): void {
    if (this.#attached.length === 0) return;
    this.messages.push({ role: "user", content: this.#attached });
    this.#attached = [];
  }
}

function joined(before: unknown, text: string): string {
  return typeof before === "string" && before !== "" ? `${before}\n\n${text}` : text;
}
