import type { Endpoint } from "./connection.ts";

/** A chat request of 350 bytes of JSON, with its head. */
export function chatRequest(
  endpoint: Endpoint,
  { stream, model = "bench-model" }: { stream: boolean; model?: string },
): Buffer {
  const withText = (content: string) =>
    JSON.stringify({
      model,
      messages: [
        { role: "system", content: "You are a helpful assistant." },
        { role: "user", content },
      ],
      max_tokens: 100,
      temperature: 0.7,
      ...(stream && { stream: true }),
    });
  const body = withText("x".repeat(REQUEST_BYTES - withText("").length));
  return Buffer.from(requestHead(endpoint, "/v1/chat/completions", "application/json", body.length) + body);
}

const REQUEST_BYTES = 350;

/** Request line and headers of a POST, up to the body. */
export function requestHead(endpoint: Endpoint, path: string, contentType: string, bytes: number): string {
  const headers = { "content-type": contentType, "content-length": bytes, ...endpoint.headers };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1:${endpoint.port}\r\n${lines.join("")}\r\n`;
}
