import { compact, drop, isEmpty, report, sortFields, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { toEmbeddings, toTexts } from "../_cohere/embeddings.ts";
import { checkEncoding } from "../_embedding-encoding.ts";
import { floatsOf } from "../_cohere/reply.ts";
import type { BedrockSettings } from "./options.ts";
import { count } from "./reply.ts";

type Info = MappingInfo<BedrockSettings>;

/**
 * Fates of the fields of an embeddings request. It goes to `InvokeModel`, whose bodies are the vendors' own: Amazon's
 * Titan (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html) and Cohere's Embed
 * (https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html).
 */
export const embeddingsFields: FieldTable = {
  model: translate("part of the path"),
  input: translate("Titan: one text as `inputText`; Cohere: `texts`; tokens are refused"),
  dimensions: translate("Titan: `dimensions`; Cohere: `output_dimension`"),
  encoding_format: translate("`base64` is made from the numbers of the reply"),
  input_type: translate("a field of Cohere's own; reported with Titan, which has none"),
  user: drop("Bedrock knows no end users", isEmpty),
};

export function toInvokeRequest(request: JsonObject, info: Info): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, embeddingsFields, dropped);
  checkEncoding(translated["encoding_format"]);
  const { input_type: inputType, dimensions } = translated;
  const texts = toTexts(translated["input"]);
  if (info.model.includes("cohere.embed")) {
    const input_type = inputType ?? info.options.inputType;
    return {
      body: compact({ ...forwarded, texts, input_type, output_dimension: dimensions }),
      dropped: [...dropped],
    };
  }
  if (!info.model.includes("amazon.titan-embed"))
    throw new UnsupportedField("model", "`model`: embeddings of Titan and of Cohere only");
  if (texts.length !== 1) throw new UnsupportedField("input", "`input`: Titan takes one text a request");
  if (inputType !== undefined) report(dropped, "input_type");
  return { body: compact({ ...forwarded, inputText: texts[0], dimensions }), dropped: [...dropped] };
}

/** Cohere's models tell no tokens here. */
export function fromInvokeReply(reply: JsonObject, info: Info): JsonObject {
  const { embedding } = reply;
  if (!Array.isArray(embedding)) return toEmbeddings(floatsOf(reply) ?? [], undefined, info);
  const tokens = count(reply["inputTextTokenCount"]);
  const usage = tokens === undefined ? undefined : { prompt_tokens: tokens, total_tokens: tokens };
  return toEmbeddings([embedding as number[]], usage, info);
}
