import type { Operation } from "gatewright";

/** What a key may be allowed to do. `inference` is all the others together. */
export const SCOPES = [
  "inference",
  "chat",
  "embeddings",
  "rerank",
  "audio",
  "images",
  "moderation",
  "models",
  "batch",
] as const;

export type Scope = (typeof SCOPES)[number];

/** Scope of each operation; front doors that plugins add are in `operationScopes` of the options. */
const OPERATION_SCOPES: Readonly<Record<string, Scope>> = {
  chat: "chat",
  completions: "chat",
  responses: "chat",
  responseRetrieval: "chat",
  responseDeletion: "chat",
  responseCancellation: "chat",
  messages: "chat",
  claudeMessages: "chat",
  messagesCountTokens: "chat",
  generateContent: "chat",
  geminiGenerateContent: "chat",
  geminiCountTokens: "chat",
  interactions: "chat",
  embeddings: "embeddings",
  geminiEmbedContent: "embeddings",
  geminiBatchEmbedContents: "embeddings",
  rerank: "rerank",
  speech: "audio",
  transcription: "audio",
  translation: "audio",
  imageGeneration: "images",
  imageEdit: "images",
  imageVariation: "images",
  moderation: "moderation",
  batch: "batch",
  batchCreation: "batch",
  batchList: "batch",
  batchRetrieval: "batch",
  batchCancellation: "batch",
  fileUpload: "batch",
  fileList: "batch",
  fileRetrieval: "batch",
  fileDeletion: "batch",
};

/**
 * For every key. Listing shows one what it may use; what comes over MCP or a WebSocket is asked for its own
 * scope, request by request.
 */
const OPEN: ReadonlySet<string> = new Set(["models", "anthropicModels", "geminiModels", "mcp", "webSocket"]);

/** All that a key with these scopes may do. */
export function expandScopes(scopes: readonly Scope[]): ReadonlySet<Scope> {
  return new Set(scopes.includes("inference") ? SCOPES : scopes);
}

/** Answers the scope that an operation asks for; undefined when any will do. */
export function scopeReader(
  operationScopes: Readonly<Record<string, Scope>>,
): (operation: Operation) => Scope | undefined {
  const scopes = new Map<string, Scope>(Object.entries({ ...OPERATION_SCOPES, ...operationScopes }));
  // A second door to an API asks for what the first one does. An operation that nobody has placed is open to keys for
  // everything only.
  return ({ name, mappedAs = name }) =>
    scopes.get(name) ?? scopes.get(mappedAs) ?? (OPEN.has(name) ? undefined : "inference");
}
