import { existsSync } from "node:fs";
import { freePort } from "../_support/program.ts";
import { findProgram, startServer } from "./local-server.ts";
import type { LocalServer } from "./local-server.ts";

/** A running server as the gateway has it: its backends, and the models that they serve. */
export interface Subject extends AsyncDisposable {
  readonly backends: Readonly<Record<string, object>>;
  readonly chatModel: string;
  /** Absent where no model takes tools. */
  readonly toolModel?: string;
  /** The strongest that the server takes: it makes the model call a tool, where it can be made to. */
  readonly toolChoice: "required" | "auto";
  /** Absent where no model makes embeddings. */
  readonly embeddingModel?: string;
}

export interface KindOfServer {
  readonly name: string;
  /** What is missing on this machine, for the line that says so; undefined when nothing is. */
  missing(env: NodeJS.ProcessEnv): string | undefined;
  /** Starts it; with the line that says what is missing where that shows only now. */
  start(env: NodeJS.ProcessEnv): Promise<Subject | string>;
}

/**
 * Ollama with the models that were pulled: the first that chats, the first that takes tools and the first that makes
 * embeddings, or `LOCAL_OLLAMA_MODEL` for all that it can do (https://docs.ollama.com/faq, https://docs.ollama.com/api).
 */
const ollama: KindOfServer = {
  name: "ollama",
  missing: (env) => (findProgram("ollama", env["PATH"]) ? undefined : "`ollama` on PATH"),
  async start(env) {
    const port = await freePort();
    const server = await startServer({
      command: [findProgram("ollama", env["PATH"])!, "serve"],
      port,
      env: { ...env, OLLAMA_HOST: `127.0.0.1:${port}` },
      ready: "/api/version",
    });
    try {
      const models = await listPulled(server.url);
      const wanted = env["LOCAL_OLLAMA_MODEL"];
      const having = (capability: string) =>
        [wanted, ...models.keys()].find((name) => name && models.get(name)?.includes(capability));
      const chatModel = having("completion");
      const all = [...new Set([chatModel, having("tools"), having("embedding")])].filter(Boolean);
      if (!chatModel) {
        await server[Symbol.asyncDispose]();
        return "a model that chats among those that `ollama` has pulled";
      }
      return {
        backends: { local: { adapter: "ollama", baseURL: server.url, models: all } },
        chatModel,
        toolModel: having("tools"),
        toolChoice: "auto",
        embeddingModel: having("embedding"),
        [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
      };
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  },
};

/** What each pulled model can do, by name. */
async function listPulled(url: string): Promise<Map<string, readonly string[]>> {
  const { models } = (await (await fetch(`${url}/api/tags`)).json()) as { models: { name: string }[] };
  const pulled = new Map<string, readonly string[]>();
  for (const { name: model } of models) {
    const reply = await fetch(`${url}/api/show`, { method: "POST", body: JSON.stringify({ model }) });
    pulled.set(model, ((await reply.json()) as { capabilities?: string[] }).capabilities ?? []);
  }
  return pulled;
}

const CHAT_MODEL = "local-chat";
const EMBEDDING_MODEL = "local-embedding";

/**
 * llama.cpp's server with the model of `LOCAL_GGUF`. With `--embeddings` it makes embeddings alone, so that it runs twice:
 * the second time with `LOCAL_EMBEDDING_GGUF`, or the same model
 * (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md).
 */
const llamacpp: KindOfServer = {
  name: "llama-server",
  missing(env) {
    if (!findProgram("llama-server", env["PATH"])) return "`llama-server` on PATH";
    const file = env["LOCAL_GGUF"];
    if (!file) return "a model for `llama-server` in LOCAL_GGUF";
    return existsSync(file) ? undefined : `the file ${file} of LOCAL_GGUF`;
  },
  async start(env) {
    const chat = await startLlama(env, env["LOCAL_GGUF"]!, ["--alias", CHAT_MODEL, "--jinja"]);
    let embedding: LocalServer;
    try {
      const file = env["LOCAL_EMBEDDING_GGUF"] ?? env["LOCAL_GGUF"]!;
      embedding = await startLlama(env, file, [
        "--alias",
        EMBEDDING_MODEL,
        "--embeddings",
        "--pooling",
        "mean",
      ]);
    } catch (error) {
      await chat[Symbol.asyncDispose]();
      throw error;
    }
    const backend = ({ url }: LocalServer, model: string) => ({
      adapter: "llamacpp",
      baseURL: `${url}/v1`,
      models: [model],
    });
    return {
      backends: { chat: backend(chat, CHAT_MODEL), embedding: backend(embedding, EMBEDDING_MODEL) },
      chatModel: CHAT_MODEL,
      toolModel: CHAT_MODEL,
      toolChoice: "required",
      embeddingModel: EMBEDDING_MODEL,
      async [Symbol.asyncDispose]() {
        await chat[Symbol.asyncDispose]();
        await embedding[Symbol.asyncDispose]();
      },
    };
  },
};

async function startLlama(
  env: NodeJS.ProcessEnv,
  model: string,
  args: readonly string[],
): Promise<LocalServer> {
  const port = await freePort();
  const program = findProgram("llama-server", env["PATH"])!;
  const command = [program, "-m", model, "--host", "127.0.0.1", "--port", String(port), ...args] as const;
  return startServer({ command, port, env, ready: "/health" });
}

export const KINDS_OF_SERVER: readonly KindOfServer[] = [ollama, llamacpp];
