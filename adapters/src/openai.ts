import { defineAdapter } from "gatewright";
import type { Adapter } from "gatewright";
import * as v from "valibot";
import { ExtraHeaders, toSentHeaders } from "./_extra-headers.ts";
import { ERROR_MEMBERS, errorInBody } from "./_openai/errors.ts";
import { FOREIGN_ITEMS } from "./_openai/foreign-items.ts";
import { FOREIGN_MEMBERS } from "./_openai/messages.ts";
import { readModels } from "./_openai/model-list.ts";
import { bearer } from "./_openai/options.ts";
import { KNOWN_EFFORTS } from "./_reasoning-efforts.ts";

declare module "gatewright" {
  interface OperationNames {
    files: true;
    batches: true;
    realtime: true;
  }
}

export const OpenaiOptions = v.strictObject({
  /** Sent as `openai-organization`. */
  organization: v.optional(v.string()),
  /** Sent as `openai-project`. */
  project: v.optional(v.string()),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});

/**
 * OpenAI, and any server that speaks its API: requests and replies pass as they are, save the model's name and what
 * another vendor's answers left in a history. Point `baseURL` at the folder of the API, with its `/v1` where the server has one.
 * Servers that have no more of it than chat are for `openai-compatible`.
 */
const openai: Adapter<typeof OpenaiOptions> = defineAdapter({
  name: "openai",
  provider: "openai",
  options: OpenaiOptions,
  baseURL: "https://api.openai.com/v1",
  auth: bearer,
  headers({ organization, project, headers }) {
    const own: Record<string, string> = {};
    if (organization !== undefined) own["openai-organization"] = organization;
    if (project !== undefined) own["openai-project"] = project;
    return Object.assign(own, toSentHeaders(headers));
  },
  forwardHeaders: ["openai-beta"],
  operations: {
    chat: { path: "/chat/completions", streamUsage: true, foreign: FOREIGN_MEMBERS },
    completions: { path: "/completions", streamUsage: true },
    responses: { path: "/responses", foreign: FOREIGN_ITEMS },
    embeddings: { path: "/embeddings" },
    rerank: { path: "/rerank" },
    speech: { path: "/audio/speech" },
    transcription: { path: "/audio/transcriptions" },
    translation: { path: "/audio/translations" },
    imageGeneration: { path: "/images/generations" },
    imageEdit: { path: "/images/edits" },
    imageVariation: { path: "/images/variations" },
    moderation: { path: "/moderations" },
    files: { path: "/files" },
    batches: { path: "/batches" },
    realtime: { path: "/realtime?model={model}" },
  },
  reasoningEfforts: KNOWN_EFFORTS,
  vendorPrefixes: ["openai"],
  modelPatterns: [
    "gpt-*",
    "chatgpt-*",
    "o1*",
    "o3*",
    "o4*",
    "text-embedding-*",
    "omni-moderation-*",
    "whisper-*",
    "tts-*",
    "dall-e-*",
  ],
  models: { path: "/models", read: readModels },
  health: { path: "/models" },
  errorInReply: errorInBody,
  errorMembers: ERROR_MEMBERS,
});

export default openai;
