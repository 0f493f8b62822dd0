import { UnsupportedField } from "gatewright";
import type { JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { drop, forward, isEmpty, sortFields, translate } from "gatewright";
import type { FieldTable } from "gatewright";
import { compact } from "gatewright";
import { checkEncoding, toFloatBase64 } from "../_embedding-encoding.ts";
import { toParameters } from "./options.ts";
import type { OllamaSettings } from "./options.ts";
import { toUsage } from "./reply.ts";

type Info = MappingInfo<OllamaSettings>;

/** Fates of the fields of an embeddings request. */
export const embeddingsFields: FieldTable = {
  model: translate("the model's name at the backend"),
  input: translate("texts as they are; tokens are refused"),
  dimensions: forward("the same in Ollama"),
  encoding_format: translate("`base64` is made from the numbers of the reply"),
  options: translate("merged with the backend's defaults"),
  keep_alive: forward("a field of Ollama's own"),
  user: drop("Ollama knows no end users", isEmpty),
};

export function toEmbedRequest(request: JsonObject, info: Info): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, embeddingsFields, dropped);
  const { input } = translated;
  if (!isText(input) && !(Array.isArray(input) && input.every(isText)))
    throw new UnsupportedField("input", "`input`: Ollama takes texts only");
  checkEncoding(translated["encoding_format"]);
  const body = compact({
    ...forwarded,
    model: info.model,
    input,
    keep_alive: forwarded["keep_alive"] ?? info.options.keepAlive,
    options: toParameters(translated, info.options, dropped),
  });
  return { body, dropped: [...dropped] };
}

export function fromEmbedReply(reply: JsonObject, info: Info): JsonObject {
  const encode =
    info.request["encoding_format"] === "base64" ? toFloatBase64 : (numbers: number[]) => numbers;
  const { prompt_tokens } = toUsage(reply);
  return {
    object: "list",
    data: (reply["embeddings"] as number[][]).map((numbers, index) => ({
      object: "embedding",
      index,
      embedding: encode(numbers),
    })),
    model: info.requestedModel,
    usage: { prompt_tokens, total_tokens: prompt_tokens },
  };
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}
