import { compact, drop, isEmpty, isJsonObject, sortFields, translate, UnsupportedField } from "gatewright";
import type { FieldTable, JsonObject, MappedRequest, MappingInfo } from "gatewright";
import { checkEncoding } from "../_embedding-encoding.ts";
import { toEmbeddingList, toTexts } from "../_gemini/embeddings.ts";
import { toCount } from "../_gemini/reply.ts";
import { usesEmbedContent } from "./model-path.ts";
import type { VertexSettings } from "./options.ts";

type Info = MappingInfo<VertexSettings>;

/** Fates of the fields of an embeddings request. */
export const embeddingsFields: FieldTable = {
  model: translate("in the path"),
  input: translate("an instance for each text; Gemini's own models take one; tokens are refused"),
  dimensions: translate("`parameters.outputDimensionality`"),
  encoding_format: translate("`base64` is made from the numbers of the reply"),
  taskType: translate("a field of Vertex AI's own, in each instance"),
  title: translate("a field of Vertex AI's own, in each instance"),
  autoTruncate: translate("a field of Vertex AI's own, in `parameters`"),
  user: drop("Vertex AI knows no end users", isEmpty),
};

/** https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api, and `embedContent`. */
export function toEmbedRequest(request: JsonObject, info: Info): MappedRequest {
  const dropped = new Set<string>();
  const { forwarded, translated } = sortFields(request, embeddingsFields, dropped);
  checkEncoding(translated["encoding_format"]);
  const texts = toTexts(translated["input"]);
  if (texts.length > 1 && /(?:^|\/)gemini-/.test(info.model))
    throw new UnsupportedField("input", "`input`: Gemini's models on Vertex AI take one text a request");
  const { dimensions: outputDimensionality, taskType, title, autoTruncate } = translated;
  const settings = compact({ outputDimensionality, autoTruncate });
  const body = usesEmbedContent(info.model)
    ? compact({ ...forwarded, content: { parts: [{ text: texts[0] }] }, taskType, title, ...settings })
    : compact({
        ...forwarded,
        instances: texts.map((content) => compact({ content, task_type: taskType, title })),
        parameters: isEmpty(settings) ? undefined : settings,
      });
  return { body, dropped: [...dropped] };
}

/** Of either method. The adapter's `errorInReply` has let it through. */
export function fromEmbedReply(reply: JsonObject, info: Info): JsonObject {
  const { predictions, embedding, usageMetadata } = reply;
  if (!Array.isArray(predictions)) {
    const tokens = isJsonObject(usageMetadata) ? usageMetadata["promptTokenCount"] : undefined;
    const { values } = embedding as { values: number[] };
    return toEmbeddingList([values], typeof tokens === "number" ? tokens : undefined, info);
  }
  const items = predictions.map(({ embeddings }: { embeddings: Embedding }) => embeddings);
  const tokens = items.reduce((sum, { statistics }) => sum + toCount(statistics?.token_count), 0);
  return toEmbeddingList(
    items.map(({ values }) => values),
    tokens,
    info,
  );
}

interface Embedding {
  values: number[];
  statistics?: { token_count?: number } | null;
}
