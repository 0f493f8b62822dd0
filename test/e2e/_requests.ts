import type { OperationName } from "gatewright";

/** One valid request of an operation. */
export interface SampleRequest {
  operation: OperationName;
  stream: boolean;
  path: string;
  /** JSON body, form, or none. */
  body?: Record<string, unknown> | FormData;
}

const PIXEL =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

function form(fields: Record<string, string | Blob>): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) data.append(name, value);
  return data;
}

const audio = (): Blob => new File([new Uint8Array(64)], "speech.wav", { type: "audio/wav" });
const image = (): Blob =>
  new File([Buffer.from(PIXEL.slice(PIXEL.indexOf(",") + 1), "base64")], "pixel.png", { type: "image/png" });

/** A request of every operation of core, streamed too where the operation streams. */
export function sampleRequests(model: string): SampleRequest[] {
  const messages = [{ role: "user", content: "hello" }];
  return [
    ...[false, true].flatMap((stream): SampleRequest[] => [
      { operation: "chat", stream, path: "/v1/chat/completions", body: { model, stream, messages } },
      { operation: "completions", stream, path: "/v1/completions", body: { model, stream, prompt: "hello" } },
      { operation: "responses", stream, path: "/v1/responses", body: { model, stream, input: "hello" } },
      {
        operation: "imageGeneration",
        stream,
        path: "/v1/images/generations",
        body: { model, stream, prompt: "a dot" },
      },
      {
        operation: "speech",
        stream,
        path: "/v1/audio/speech",
        body: { model, input: "hello", voice: "alloy", ...(stream && { stream_format: "sse" }) },
      },
      {
        operation: "transcription",
        stream,
        path: "/v1/audio/transcriptions",
        body: form({ model, ...(stream && { stream: "true" }), file: audio() }),
      },
      {
        operation: "imageEdit",
        stream,
        path: "/v1/images/edits",
        body: form({ model, prompt: "a dot", ...(stream && { stream: "true" }), image: image() }),
      },
    ]),
    { operation: "embeddings", stream: false, path: "/v1/embeddings", body: { model, input: "hello" } },
    {
      operation: "rerank",
      stream: false,
      path: "/v1/rerank",
      body: { model, query: "a", documents: ["a", "b"] },
    },
    { operation: "moderation", stream: false, path: "/v1/moderations", body: { model, input: "hello" } },
    {
      operation: "translation",
      stream: false,
      path: "/v1/audio/translations",
      body: form({ model, file: audio() }),
    },
    {
      operation: "imageVariation",
      stream: false,
      path: "/v1/images/variations",
      body: form({ model, image: image() }),
    },
    { operation: "models", stream: false, path: "/v1/models" },
  ];
}

export function sendSample(
  url: string,
  { path, body }: SampleRequest,
  headers: Record<string, string> = {},
): Promise<Response> {
  if (body === undefined) return fetch(url + path, { headers });
  if (body instanceof FormData) return fetch(url + path, { method: "POST", body, headers });
  return fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}
