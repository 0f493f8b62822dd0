import { isJsonObject } from "gatewright";
import { numberEmbeddings } from "./_openai/embeddings.ts";
import { errorInBody } from "./_openai/errors.ts";
import { MAX_TOKENS_CHAT, openaiFamily, PATHS } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";
import { createReasonReading } from "./_openai/finish-reasons.ts";
import { createReplyReading, toHubMessage } from "./_openai/hub-reply.ts";
import type { Source, SourceRules } from "./_openai/sources.ts";

/** What OpenAI's API calls otherwise, or knows as an error (https://docs.bigmodel.cn/api-reference). */
const REASONS = {
  sensitive: "content_filter",
  model_context_window_exceeded: "length",
  network_error: "error",
} as const;
const readReasons = createReasonReading(REASONS);

/**
 * What its web search found, `refer` being `ref_1`, of which the text says `[1]` or `[ref_1]`
 * (https://docs.bigmodel.cn/cn/guide/tools/web-search).
 */
const SOURCES: SourceRules = {
  members: ["web_search"],
  mark: /\[(?:ref_)?(\d{1,4})\]/g,
  read({ web_search: found }) {
    const results = Array.isArray(found) ? found.filter(isJsonObject) : [];
    return new Map(
      results.flatMap(({ refer, link: url, title }): [string, Source][] => {
        const [name] = /\d+$/.exec(String(refer)) ?? [];
        if (name === undefined || typeof url !== "string" || url === "") return [];
        return [[name, { url, title: typeof title === "string" ? title : "" }]];
      }),
    );
  },
};

/**
 * Zhipu, the maker of GLM; outside of China `baseURL` is `https://api.z.ai/api/paas/v4`. The `endpoint` of a batch has the
 * version of its own API, `/v4/chat/completions` (https://docs.bigmodel.cn/cn/guide/tools/batch).
 */
const zhipu: FamilyAdapter = openaiFamily({
  name: "zhipu",
  baseURL: "https://open.bigmodel.cn/api/paas/v4",
  has: ["imageGeneration", "transcription", "files", "batches"],
  operations: { embeddings: { ...numberEmbeddings(PATHS.embeddings), maxInputs: 64 } },
  chat: { ...MAX_TOKENS_CHAT, translatesReplies: true },
  reading: createReplyReading(toHubMessage, readReasons),
  sources: SOURCES,
  errorInReply: (body) => errorInBody(readReasons(body)),
  modelPatterns: ["glm-*", "cogview-*"],
});

export default zhipu;
