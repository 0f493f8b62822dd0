import type { Dialect, Exchange, Handler } from "./dialect.ts";
import { batchEmbedContents, embedContent } from "./gemini/embed.ts";
import { countTokens, generateContent } from "./gemini/generate-content.ts";
import { listModels, showModel } from "./gemini/models.ts";
import type { JsonObject } from "./json-fields.ts";
import { Refusal } from "./refusal.ts";

const MODELS = "/v1beta/models";

const METHODS: Readonly<Record<string, Handler>> = {
  generateContent: generateContent(false),
  streamGenerateContent: generateContent(true),
  countTokens,
  embedContent,
  batchEmbedContents,
};

/** Google's Gemini API: https://ai.google.dev/api. Names of fields in camel case alone, as its SDKs write them. */
export function createGeminiDialect(): Dialect {
  return {
    routes: {
      [`POST ${MODELS}/*`]: callMethod,
      [`GET ${MODELS}`]: listModels,
      [`GET ${MODELS}/*`]: showModel,
    },
    headers: () => ({ "server-timing": "gfet4t7; dur=1" }),
    keyOf: (headers) => headers["x-goog-api-key"],
    // Google takes a key that is none for a fault in the request.
    wrongKey: () =>
      new Refusal(400, "API key not valid. Please pass a valid API key.", { code: "API_KEY_INVALID" }),
    error: (status, message, details) => ({
      error: {
        code: status,
        message,
        status: STATUSES[status] ?? (status < 500 ? "INVALID_ARGUMENT" : "UNAVAILABLE"),
        ...toDetails(details?.code),
      },
    }),
  };
}

/** `{model}:{method}`. */
async function callMethod(exchange: Exchange): Promise<void> {
  const { rest } = exchange;
  const colon = rest.lastIndexOf(":");
  const method = METHODS[rest.slice(colon + 1)];
  if (colon < 0 || !method) throw new Refusal(404, `Not found: ${rest}`);
  await method({ ...exchange, rest: rest.slice(0, colon) });
}

/** https://ai.google.dev/gemini-api/docs/troubleshooting. */
const STATUSES: Readonly<Record<number, string>> = {
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  500: "INTERNAL",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

function toDetails(reason: string | null | undefined): JsonObject {
  if (reason === undefined || reason === null) return {};
  const info = { "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason, domain: "googleapis.com" };
  return { details: [info] };
}
