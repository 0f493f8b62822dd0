/**
 * Public ids of open-weight models (huggingface.co) and the tags under which the library of a widespread local server
 * has them (ollama.com/library), the instruct variant where the tag does not say. Rows whose tag was moved to other
 * weights in the past are left out.
 */
export const STARTER_TABLE: Readonly<Record<string, readonly string[]>> = {
  "openai/gpt-oss-20b": ["gpt-oss:20b"],
  "openai/gpt-oss-120b": ["gpt-oss:120b"],
  "meta-llama/Llama-3.1-8B-Instruct": ["llama3.1:8b"],
  "meta-llama/Llama-3.1-70B-Instruct": ["llama3.1:70b"],
  "meta-llama/Llama-3.1-405B-Instruct": ["llama3.1:405b"],
  "meta-llama/Llama-3.2-1B-Instruct": ["llama3.2:1b"],
  "meta-llama/Llama-3.2-3B-Instruct": ["llama3.2:3b"],
  "meta-llama/Llama-3.3-70B-Instruct": ["llama3.3:70b"],
  "Qwen/Qwen2.5-0.5B-Instruct": ["qwen2.5:0.5b"],
  "Qwen/Qwen2.5-1.5B-Instruct": ["qwen2.5:1.5b"],
  "Qwen/Qwen2.5-3B-Instruct": ["qwen2.5:3b"],
  "Qwen/Qwen2.5-7B-Instruct": ["qwen2.5:7b"],
  "Qwen/Qwen2.5-14B-Instruct": ["qwen2.5:14b"],
  "Qwen/Qwen2.5-32B-Instruct": ["qwen2.5:32b"],
  "Qwen/Qwen2.5-72B-Instruct": ["qwen2.5:72b"],
  "Qwen/Qwen3-8B": ["qwen3:8b"],
  "Qwen/Qwen3-14B": ["qwen3:14b"],
  "Qwen/Qwen3-32B": ["qwen3:32b"],
  "google/gemma-3-1b-it": ["gemma3:1b"],
  "google/gemma-3-4b-it": ["gemma3:4b"],
  "google/gemma-3-12b-it": ["gemma3:12b"],
  "google/gemma-3-27b-it": ["gemma3:27b"],
  "microsoft/phi-4": ["phi4:14b"],
  "BAAI/bge-m3": ["bge-m3:567m", "bge-m3:latest", "bge-m3"],
  "nomic-ai/nomic-embed-text-v1.5": ["nomic-embed-text:v1.5", "nomic-embed-text:latest", "nomic-embed-text"],
};
