import type { Exchange } from "../dialect.ts";
import { asNumber, asObject, asObjects, asText, type JsonObject } from "../json-fields.ts";
import { Refusal } from "../refusal.ts";
import type { Settings } from "../settings.ts";
import { embed } from "../vectors.ts";
import { refuseOthers } from "./fields.ts";
import { requireModel } from "./models.ts";

const FIELDS = ["model", "content", "taskType", "title", "outputDimensionality"];

/** `:embedContent`: https://ai.google.dev/api/embeddings. */
export async function embedContent(exchange: Exchange): Promise<void> {
  const model = requireModel(exchange);
  const { body, reply, settings } = exchange;
  await reply.tokens(1);
  await reply.json({ embedding: toEmbedding(body, model, settings) });
}

/** `:batchEmbedContents`: each request names the model once more. */
export async function batchEmbedContents(exchange: Exchange): Promise<void> {
  const model = requireModel(exchange);
  const { body, reply, settings } = exchange;
  refuseOthers(body, ["requests"], "");
  const requests = asObjects(body.requests);
  if (requests.length === 0)
    throw new Refusal(400, "* BatchEmbedContentsRequest.requests: requests is not specified\n");
  for (const [index, request] of requests.entries()) {
    if (request.model !== `models/${model}`)
      throw new Refusal(
        400,
        `* BatchEmbedContentsRequest.requests[${index}].model: must match the model of the batch\n`,
      );
  }
  await reply.tokens(1);
  await reply.json({ embeddings: requests.map((request) => toEmbedding(request, model, settings)) });
}

function toEmbedding(request: JsonObject, model: string, settings: Settings): JsonObject {
  refuseOthers(request, FIELDS, "");
  if (request.model !== undefined && request.model !== `models/${model}`)
    throw new Refusal(400, "* EmbedContentRequest.model: unexpected model name format\n");
  const parts = asObjects(asObject(request.content).parts);
  if (parts.length === 0)
    throw new Refusal(400, "* EmbedContentRequest.content: contents is required and can not be empty\n");
  const text = parts.map((part) => asText(part.text) ?? "").join("\n");
  return { values: [...embed(text, asNumber(request.outputDimensionality) ?? settings.dimensions)] };
}
