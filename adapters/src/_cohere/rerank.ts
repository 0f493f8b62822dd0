import {
  compact,
  drop,
  forward,
  isEmpty,
  isJsonObject,
  sortFields,
  translate,
  UnsupportedField,
  wrongShape,
} from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import type { CohereSettings } from "./options.ts";
import { count } from "./reply.ts";

/** Fates of the fields of a rerank request. Cohere's: https://docs.cohere.com/v2/reference/rerank */
export const rerankFields: FieldTable = {
  model: translate("the model's name at the backend"),
  query: forward("the same in Cohere"),
  documents: translate("texts; of an object its `text`"),
  top_n: forward("the same in Cohere"),
  return_documents: translate("Cohere sends none back: the gateway adds those of the request"),
  max_tokens_per_doc: forward("a field of Cohere's own"),
  priority: forward("a field of Cohere's own"),
  user: drop("Cohere knows no end users", isEmpty),
};

export function toRerankRequest(request: JsonObject, info: MappingInfo<CohereSettings>): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, rerankFields, dropped);
  const { documents } = translated;
  if (!Array.isArray(documents)) throw wrongShape("documents", "a list", documents);
  const body = { ...forwarded, model: info.model, documents: documents.map(toDocument) };
  return { body, dropped: [...dropped] };
}

function toDocument(document: unknown, index: number): string {
  const text = isJsonObject(document) ? document["text"] : document;
  if (typeof text === "string") return text;
  const at = `documents[${index}]`;
  throw new UnsupportedField(at, `\`${at}\` must be a text, or an object with \`text\``);
}

/** Core brings results into order and adds the documents. Searches are what is paid for. */
export function fromRerankReply({ id, results, meta }: JsonObject): JsonObject {
  const { tokens, billed_units: billed } = isJsonObject(meta) ? meta : {};
  const input = count(tokens, "input_tokens");
  const usage = compact({
    prompt_tokens: input,
    total_tokens: input,
    search_units: count(billed, "search_units"),
  });
  return compact({ id, results, usage: isEmpty(usage) ? undefined : usage });
}
