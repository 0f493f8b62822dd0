/** A call to try, as it can be pasted into a shell. */
export interface CurlCommand {
  title: string;
  command: string;
}

/** Calls that a gateway with the root config answers, in an order in which each finds the files it uploads. */
export function curlCommands(url: string): CurlCommand[] {
  const user = (content: string) => [{ role: "user", content }];
  return [
    post("Chat", "/chat/completions", { model: "qwen2.5:7b", messages: user("Hello!"), max_tokens: 100 }),
    post(
      "Chat, streamed",
      "/chat/completions",
      { model: "gpt-4o-mini", messages: user("Hello!"), stream: true },
      "-N",
    ),
    post("Chat by a virtual model", "/chat/completions", { model: "best", messages: user("Hello!") }),
    post("Embeddings", "/embeddings", { model: "text-embedding-3-small", input: "Hello!", dimensions: 8 }),
    post("Rerank", "/rerank", {
      model: "bge-reranker-v2-m3",
      query: "capital of France",
      documents: ["Apples are green.", "Paris is the capital of France."],
    }),
    post("Speech", "/audio/speech", { model: "tts-1", input: "Hello!", voice: "alloy" }, "-o speech.mp3"),
    {
      title: "Transcription",
      command: `curl -s ${url}/v1/audio/transcriptions -F model=whisper-1 -F file=@speech.mp3`,
    },
    post("Image", "/images/generations", { model: "gpt-image-1", prompt: "A boat" }),
    post("Moderation", "/moderations", { model: "omni-moderation-latest", input: "Hello!" }),
    { title: "Models", command: `curl -s ${url}/v1/models` },
    { title: "Health", command: `curl -s ${url}/health` },
  ];

  function post(title: string, path: string, body: unknown, flags = ""): CurlCommand {
    const call = ["curl -s", flags, `${url}/v1${path}`].filter((part) => part !== "").join(" ");
    return { title, command: `${call} -H 'content-type: application/json' -d '${JSON.stringify(body)}'` };
  }
}
