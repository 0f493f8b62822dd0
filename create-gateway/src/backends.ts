/** A backend that a new gateway may have. */
export interface BackendKind {
  /** What `--backends` and the prompt call it, which is the name of its adapter. */
  readonly id: string;
  /** Its key under `backends` in the config. */
  readonly name: string;
  readonly label: string;
  /** A server of one's own, whose address is asked for. */
  readonly server?: {
    /** Where it is unless something else is said; undefined: it must be said. */
    readonly url?: string;
    /** What the address has to have. */
    readonly hint: string;
  };
  /** The variable that has the key; undefined: it needs none. */
  readonly key?: { readonly variable: string; readonly placeholder: string };
  /** Model of the example call; undefined: none is usual there. */
  readonly model?: string;
}

/** In the order in which they are offered and written. The models are found by asking the backends. */
export const BACKENDS: readonly BackendKind[] = [
  {
    id: "ollama",
    name: "ollama",
    label: "Ollama",
    server: { url: "http://127.0.0.1:11434", hint: "without a path" },
    model: "qwen2.5:7b",
  },
  {
    id: "openai",
    name: "openai",
    label: "OpenAI",
    key: { variable: "OPENAI_API_KEY", placeholder: "sk-replace-me" },
    model: "gpt-4.1-mini",
  },
  {
    id: "anthropic",
    name: "anthropic",
    label: "Anthropic",
    key: { variable: "ANTHROPIC_API_KEY", placeholder: "sk-ant-replace-me" },
    model: "claude-sonnet-4-6",
  },
  {
    id: "gemini",
    name: "gemini",
    label: "Google Gemini",
    key: { variable: "GEMINI_API_KEY", placeholder: "replace-me" },
    model: "gemini-3-flash-preview",
  },
  {
    id: "vllm",
    name: "vllm",
    label: "vLLM",
    server: { url: "http://127.0.0.1:8000/v1", hint: "with its /v1" },
    model: "Qwen/Qwen2.5-7B-Instruct",
  },
  {
    id: "openai-compatible",
    name: "server",
    label: "Other server with OpenAI's API",
    server: { hint: "with its /v1" },
    key: { variable: "SERVER_API_KEY", placeholder: "replace-me" },
  },
];
