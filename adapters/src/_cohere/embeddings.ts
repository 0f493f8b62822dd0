import {
  compact,
  drop,
  forward,
  isEmpty,
  refuse,
  report,
  sortFields,
  translate,
  UnsupportedField,
} from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { checkEncoding, toFloatBase64 } from "../_embedding-encoding.ts";
import type { CohereSettings } from "./options.ts";
import { floatsOf, toUsage } from "./reply.ts";

/** Fates of the fields of an embeddings request. Cohere's: https://docs.cohere.com/v2/reference/embed */
export const embeddingsFields: FieldTable = {
  model: translate("the model's name at the backend"),
  input: translate("`texts`; tokens are refused"),
  dimensions: translate("`output_dimension`"),
  encoding_format: translate("`base64` is made from the numbers of the reply"),
  input_type: forward("a field of Cohere's own; the backend's `inputType` stands in"),
  truncate: forward("a field of Cohere's own"),
  max_tokens: forward("a field of Cohere's own"),
  priority: forward("a field of Cohere's own"),
  embedding_types: refuse("the reply can hold `float` only", isFloatAlone),
  user: drop("Cohere knows no end users", isEmpty),
};

export function toEmbedRequest(request: JsonObject, info: MappingInfo<CohereSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, embeddingsFields, dropped);
  const { dimensions } = translated;
  const own = forwarded["output_dimension"];
  if (own !== undefined && dimensions !== undefined && dimensions !== own) report(dropped, "dimensions");
  const body = compact({
    ...forwarded,
    model: info.model,
    texts: toTexts(translated["input"]),
    input_type: forwarded["input_type"] ?? info.options.inputType,
    embedding_types: ["float"],
    output_dimension: own ?? dimensions,
  });
  checkEncoding(translated["encoding_format"]);
  return { body, dropped: [...dropped] };
}

export function fromEmbedReply(reply: JsonObject, info: MappingInfo<unknown>): JsonObject {
  return toEmbeddings(floatsOf(reply) ?? [], toEmbedUsage(reply["meta"]), info);
}

/** An embeddings reply of the hub. Usage is left out where the backend tells none. */
export function toEmbeddings(
  vectors: readonly number[][],
  usage: JsonObject | undefined,
  info: MappingInfo<unknown>,
): JsonObject {
  const encode =
    info.request["encoding_format"] === "base64" ? toFloatBase64 : (numbers: number[]) => numbers;
  return compact({
    object: "list",
    data: vectors.map((numbers, index) => ({ object: "embedding", index, embedding: encode(numbers) })),
    model: info.requestedModel,
    usage,
  });
}

/** One text or several. Throws `UnsupportedField` for tokens. */
export function toTexts(input: unknown): string[] {
  const texts: readonly unknown[] = Array.isArray(input) ? input : [input];
  if (texts.every((text) => typeof text === "string")) return [...texts] as string[];
  throw new UnsupportedField("input", "`input`: the backend takes texts only");
}

function toEmbedUsage(meta: unknown): JsonObject | undefined {
  const usage = toUsage(meta);
  if (!usage) return undefined;
  const { prompt_tokens, billed_units } = usage;
  return compact({ prompt_tokens, total_tokens: prompt_tokens, billed_units });
}

function isFloatAlone(types: unknown): boolean {
  return Array.isArray(types) && types.length === 1 && types[0] === "float";
}
