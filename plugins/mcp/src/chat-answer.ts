import { finishOf, isJsonObject, oneHubChoice, readHubMessage } from "gatewright";
import type { JsonObject } from "gatewright";
import type { Piece, ToolAnswer } from "./tool.ts";
import { usageOf, type Usage } from "./usage.ts";

/** What a model said, put together of a whole reply or of the chunks of a stream. */
export class ChatAnswer {
  model: string;
  text = "";
  reasoning = "";
  refusal = "";
  finishReason: string | null = null;
  usage: Usage | undefined;
  readonly #images: string[] = [];
  readonly #dropped = new Set<string>();
  readonly #info = { report: (name: string): void => void this.#dropped.add(name) };

  /** `model`: the name that was asked for. */
  constructor(model: string) {
    this.model = model;
  }

  /** Takes a reply of `/v1/chat/completions` or a chunk, and gives what is new. */
  add(json: JsonObject): Piece {
    if (typeof json["model"] === "string") this.model = json["model"];
    this.usage = usageOf(json) ?? this.usage;
    const choice = oneHubChoice(json, this.#info) ?? {};
    this.finishReason = finishOf(choice) ?? this.finishReason;
    const message = choice["message"] ?? choice["delta"];
    const said = readHubMessage(isJsonObject(message) ? message : {}, this.#info);
    if (said.calls.length > 0) this.#info.report("tool_calls");
    this.text += said.text;
    this.reasoning += said.reasoning;
    this.refusal += said.refusal;
    this.#images.push(...said.images);
    return { text: said.text, length: said.text.length + said.reasoning.length };
  }

  get content(): JsonObject[] {
    const images = this.#images.map(toImage);
    const text = this.text || this.refusal;
    return text === "" && images.length > 0 ? images : [{ type: "text", text }, ...images];
  }

  get dropped(): ToolAnswer["dropped"] {
    return [...this.#dropped];
  }
}

/** An image as MCP has it, or its address as text. */
function toImage(url: string): JsonObject {
  const [, mimeType, data] = /^data:([^;,]+);base64,(.*)$/s.exec(url) ?? [];
  return data === undefined ? { type: "text", text: url } : { type: "image", data, mimeType };
}
