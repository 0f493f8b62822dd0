import { bearerOf, type Dialect } from "./dialect.ts";
import { newId } from "./ids.ts";
import { hear, speech } from "./openai/audio.ts";
import { chat } from "./openai/chat.ts";
import { completions } from "./openai/completions.ts";
import { embeddings } from "./openai/embeddings.ts";
import { editImages, generateImages, showImage } from "./openai/images.ts";
import { listModels, showModel } from "./openai/models.ts";
import { moderations } from "./openai/moderations.ts";
import { rerank } from "./openai/rerank.ts";
import { createResponses } from "./openai/responses.ts";
import { Refusal } from "./refusal.ts";

/** The OpenAI API with the rerank route of the servers that follow it. */
export function createOpenAIDialect(): Dialect {
  return {
    routes: {
      "POST /v1/chat/completions": chat,
      "POST /v1/completions": completions,
      ...createResponses(),
      "POST /v1/embeddings": embeddings,
      "POST /v1/rerank": rerank,
      "POST /rerank": rerank,
      "POST /v1/audio/speech": speech,
      "POST /v1/audio/transcriptions": hear("transcribe"),
      "POST /v1/audio/translations": hear("translate"),
      "POST /v1/images/generations": generateImages,
      "POST /v1/images/edits": editImages,
      "POST /v1/images/variations": editImages,
      "POST /v1/moderations": moderations,
      "GET /v1/models": listModels,
      "GET /v1/models/*": showModel,
      "GET /files/*": showImage,
      "GET /health": ({ reply }) => reply.json({ status: "ok" }),
    },
    headers: () => ({
      "x-request-id": newId("req"),
      "openai-version": "2020-10-01",
      "openai-processing-ms": "1",
    }),
    keyOf: bearerOf,
    wrongKey: () => new Refusal(401, "Incorrect API key provided."),
    error: (status, message, details) => ({
      error: {
        message,
        type: ERROR_TYPES[status] ?? (status >= 500 ? "server_error" : "invalid_request_error"),
        param: details?.param ?? null,
        code: details?.code ?? ERROR_CODES[status] ?? null,
      },
    }),
  };
}

const ERROR_TYPES: Readonly<Record<number, string>> = { 429: "requests" };
const ERROR_CODES: Readonly<Record<number, string>> = { 401: "invalid_api_key", 429: "rate_limit_exceeded" };
