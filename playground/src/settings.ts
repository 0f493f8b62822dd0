/** How a simulated backend behaves. Every field may be changed while it runs. */
export interface Settings {
  /** Sent in the header `x-simulated-backend` of each reply. */
  name: string;
  /** Models it serves, by their names there; others get 404. */
  models: string[];
  /** Tokens of an answer that the request does not limit. */
  tokens: number;
  /** An exact answer in place of the generated one. */
  text: string | undefined;
  /** From the headers to the first token. */
  firstTokenMs: number;
  /** Between two tokens. */
  tokenMs: number;
  /** Share of each wait that is random, 0 to 1: 0.2 makes 100 ms one of 80 to 120. */
  jitter: number;
  /** Of the jitter. */
  seed: number;
  /** The key without which a request is refused, in the header that the dialect has for it. */
  requireKey: string | undefined;
  /** Part of the prompt's tokens that counts as cached. */
  cachedTokens: number;
  /** Answers that are texts end by the vendor's filter. Ollama has none, and ends them as ever. */
  filtered: boolean;
  /**
   * Requests are checked as OpenAI and Ollama check theirs: roles, calls and results, unknown fields. Anthropic and
   * Gemini check always.
   */
  strict: boolean;
  /** Field of messages and deltas that carries reasoning, as `reasoning_content` of vLLM. OpenAI itself shows none. */
  reasoningField: string | undefined;
  /** Length of embeddings that ask for none. */
  dimensions: number;
  /** Length of the audio that speech answers, to the next whole frame. */
  speechBytes: number;
  /** Least length of the images it makes. */
  imageBytes: number;
  /** What each Ollama model can do; a request for something else gets 400. */
  capabilities: string[];
  /** How many requests are kept in `requests`; older ones are forgotten. */
  keepRequests: number;
  /** How much of a request's body is kept in its record. */
  keepBodyBytes: number;
}

export const DEFAULT_MODELS = {
  openai: ["gpt-4o-mini"],
  ollama: ["qwen2.5:7b"],
  anthropic: ["claude-sonnet-4-6"],
  gemini: ["gemini-3-flash-preview", "gemini-embedding-001"],
} as const;

export const DEFAULT_SETTINGS: Omit<Settings, "name" | "models"> = {
  tokens: 24,
  text: undefined,
  firstTokenMs: 0,
  tokenMs: 0,
  jitter: 0,
  seed: 1,
  requireKey: undefined,
  cachedTokens: 0,
  filtered: false,
  strict: false,
  reasoningField: undefined,
  dimensions: 1536,
  speechBytes: 16 * 1024,
  imageBytes: 0,
  capabilities: ["completion", "tools", "vision", "thinking", "insert", "embedding"],
  keepRequests: 1000,
  keepBodyBytes: 64 * 1024,
};
