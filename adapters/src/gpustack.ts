import type { JsonObject } from "gatewright";
import { errorInBody, toStatus } from "./_openai/errors.ts";
import type { FoundError } from "./_openai/errors.ts";
import { openaiFamily, PATHS } from "./_openai/family.ts";
import type { PlacelessAdapter } from "./_openai/family.ts";

/** `{ status_code, detail }` in a 200: an error of that status, or of 500 where it is none that an error has. */
function errorInReply(body: JsonObject): FoundError | undefined {
  const { status_code, detail } = body;
  if (status_code === undefined || detail === undefined) return errorInBody(body);
  return { status: toStatus(status_code), ...(typeof detail === "string" && { message: detail }) };
}

/**
 * GPUStack: `baseURL` is its API, with `/v1`. It asks its engines for usage in streams by itself; so does the gateway,
 * which takes it out again for a client that did not ask. What one instance of a model keeps of responses, the next one asked
 * does not know.
 */
const gpustack: PlacelessAdapter = openaiFamily({
  name: "gpustack",
  has: [
    "completions",
    "embeddings",
    "rerank",
    "speech",
    "transcription",
    "imageGeneration",
    "imageEdit",
    "moderation",
    "messages",
  ],
  operations: { responses: { path: PATHS.responses, stateless: true } },
  extensions: ["top_k"],
  errorInReply,
});

export default gpustack;
