import type { Adapter, JsonObject, MappedRequest, MappingInfo } from "gatewright";

/** Models on which what an adapter can say depends. */
const MODELS: Readonly<Record<string, string>> = {
  anthropic: "claude-sonnet-4-6",
  bedrock: "anthropic.claude-sonnet-4-6-v1:0",
  gemini: "gemini-3-flash-preview",
  vertex: "gemini-3-flash-preview",
};
const OPTIONS: Readonly<Record<string, JsonObject>> = {
  vertex: { project: "demo-1" },
  wenxin: { secretKey: "s" },
};

/** What an adapter makes of a chat request, as core would have it asked. */
export function mapChat({ name, options, operations }: Adapter, request: JsonObject): MappedRequest {
  const read = options?.["~standard"].validate(OPTIONS[name] ?? {}) as { value: Record<string, unknown> };
  const info: MappingInfo = {
    operation: "chat",
    model: MODELS[name] ?? "model-1",
    requestedModel: "smart",
    stream: false,
    options: read?.value ?? {},
    requestId: "req-1",
    nowSeconds: 1_767_000_000,
    request,
    report() {},
  };
  return operations.chat!.toRequest!(request, info);
}
