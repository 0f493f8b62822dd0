import { isJsonObject } from "gatewright";
import type { Recognition } from "gatewright";

/** Beneath the server's root, with the answer of 200 that gives the server away. */
type Sign = Omit<Recognition, "rank">;

const BASE = "/v1";

const hasText =
  (name: string) =>
  (body: unknown): boolean =>
    isJsonObject(body) && typeof body[name] === "string";

/** A list of OpenAI's kind, of which some model belongs to this owner. */
const ownedBy = (owner: string): Sign => ({
  path: "/v1/models",
  fits: (body) => listOf(body, "data").some((model) => model["owned_by"] === owner),
  basePath: BASE,
});

/**
 * Signs of servers with OpenAI's API, the surest first: paths that no other has, then what a list says of its models,
 * then any list at all. Several of them answer some of Ollama's paths too, which is why that comes after the first
 * three.
 */
const SIGNS: Readonly<Record<string, readonly Recognition[]>> = {
  xllm: [{ rank: 1, path: "/api/system", fits: hasText("xllm_version"), basePath: BASE }],
  // lmstudio.ai/docs/developer/rest
  lmstudio: [
    {
      rank: 2,
      path: "/api/v1/models",
      fits: (body) => listOf(body, "models").some((model) => typeof model["key"] === "string"),
      basePath: BASE,
    },
  ],
  // docs.sglang.io/basic_usage/native_api.html; newer ones call it `/model_info`.
  sglang: [
    { rank: 3, path: "/get_model_info", fits: hasText("model_path"), basePath: BASE },
    { rank: 3, path: "/model_info", fits: hasText("model_path"), basePath: BASE },
    { rank: 7, ...ownedBy("sglang") },
  ],
  // ggml-org/llama.cpp, tools/server/README.md
  llamacpp: [
    { rank: 5, path: "/props", fits: hasText("build_info"), basePath: BASE },
    { rank: 7, ...ownedBy("llamacpp") },
  ],
  gpustack: [
    { rank: 6, path: "/version", fits: hasText("git_commit"), basePath: BASE },
    { rank: 7, ...ownedBy("gpustack") },
  ],
  vllm: [{ rank: 7, ...ownedBy("vllm") }],
  // As its own client asks: xorbitsai/inference, client/restful.
  xinference: [
    {
      rank: 8,
      path: "/v1/cluster/auth",
      fits: (body) => isJsonObject(body) && typeof body["auth"] === "boolean",
      basePath: BASE,
    },
  ],
  "openai-compatible": [
    {
      rank: 9,
      path: "/v1/models",
      fits: (body) => isJsonObject(body) && body["object"] === "list" && Array.isArray(body["data"]),
      basePath: BASE,
    },
  ],
};

export function recognitionOf(name: string): readonly Recognition[] | undefined {
  return Object.hasOwn(SIGNS, name) ? SIGNS[name] : undefined;
}

function listOf(body: unknown, member: string): Record<string, unknown>[] {
  const list = isJsonObject(body) ? body[member] : undefined;
  return Array.isArray(list) ? list.filter(isJsonObject) : [];
}
