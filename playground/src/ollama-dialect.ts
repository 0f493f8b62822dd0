import { bearerOf, type Dialect, type Handler } from "./dialect.ts";
import { chat, generate } from "./ollama/chat.ts";
import { embed, embedOne } from "./ollama/embed.ts";
import { listLoaded, listModels, showModel, type LoadedModels } from "./ollama/models.ts";
import { Refusal } from "./refusal.ts";

/** Ollama's native API. */
export function createOllamaDialect(): Dialect {
  const loaded: LoadedModels = new Set();
  const running: Handler = ({ reply }) =>
    reply.whole("Ollama is running", { "content-type": "text/plain; charset=utf-8" });
  return {
    routes: {
      "POST /api/chat": chat(loaded),
      "POST /api/generate": generate(loaded),
      "POST /api/embed": embed,
      "POST /api/embeddings": embedOne,
      "POST /api/show": showModel,
      "GET /api/tags": listModels,
      "GET /api/ps": listLoaded(loaded),
      "GET /api/version": ({ reply }) => reply.json({ version: "0.12.6" }),
      "GET /": running,
      "HEAD /": running,
    },
    headers: () => ({}),
    keyOf: bearerOf,
    wrongKey: () => new Refusal(401, "unauthorized"),
    error: (_status, message) => ({ error: message }),
  };
}
