import { defineAdapter, isSecret, revealSecret } from "gatewright";
import type { Adapter, ListedModel, Secret } from "gatewright";
import * as v from "valibot";
import { isJsonObject } from "gatewright";

/** Names are tokens of RFC 9110, section 5.6.2. */
const HeaderName = v.pipe(
  v.string(),
  v.regex(/^[!#$%&'*+.^`|~\w-]+$/, "must be the name of a header"),
  v.toLowerCase(),
);
/** Without control characters, which could end the header and begin another. */
const HeaderValue = v.union([
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  v.pipe(v.string(), v.regex(/^[^\u0000-\u001f\u007f]*$/, "must hold no control characters")),
  v.custom<Secret>(isSecret, "must be a string or a secret"),
]);

export const OpenaiOptions = v.strictObject({
  /** Sent as `openai-organization`. */
  organization: v.optional(v.string()),
  /** Sent as `openai-project`. */
  project: v.optional(v.string()),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(v.record(HeaderName, HeaderValue), {}),
});

/**
 * OpenAI, and any server that speaks its API: requests and replies pass as they are, save the model's name. Point
 * `baseURL` at the folder of the API, with its `/v1` where the server has one.
 */
const openai: Adapter<typeof OpenaiOptions> = defineAdapter({
  name: "openai",
  provider: "openai",
  options: OpenaiOptions,
  baseURL: "https://api.openai.com/v1",
  auth: toAuth,
  headers({ organization, project, headers }) {
    const own: Record<string, string> = {};
    if (organization !== undefined) own["openai-organization"] = organization;
    if (project !== undefined) own["openai-project"] = project;
    for (const [name, value] of Object.entries(headers))
      own[name] = isSecret(value) ? revealSecret(value) : value;
    return own;
  },
  forwardHeaders: ["openai-beta"],
  operations: {
    chat: { path: "/chat/completions", streamUsage: true },
    completions: { path: "/completions", streamUsage: true },
    responses: { path: "/responses" },
    embeddings: { path: "/embeddings" },
    rerank: { path: "/rerank" },
    speech: { path: "/audio/speech" },
    transcription: { path: "/audio/transcriptions" },
    translation: { path: "/audio/translations" },
    imageGeneration: { path: "/images/generations" },
    imageEdit: { path: "/images/edits" },
    imageVariation: { path: "/images/variations" },
    moderation: { path: "/moderations" },
  },
  models: { path: "/models", read: readModels },
  health: { path: "/models" },
});

export default openai;

function toAuth(apiKey: string | undefined): Record<string, string> {
  return apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
}

function readModels(body: unknown): ListedModel[] {
  if (!isJsonObject(body) || !Array.isArray(body["data"]))
    throw new TypeError("the model list has no `data`");
  return body["data"].filter(isJsonObject).flatMap(({ id, created, owned_by }) => {
    if (typeof id !== "string") return [];
    return {
      id,
      ...(typeof created === "number" && { created }),
      ...(typeof owned_by === "string" && { ownedBy: owned_by }),
    };
  });
}
