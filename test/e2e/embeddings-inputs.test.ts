/** More inputs than a backend takes in one call. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { geminiApi } from "@gatewright/gemini-api";
import { expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

async function gatewayBefore(adapter: string, model: string, options: object = {}) {
  let asked = 0;
  const server = createServer((request, response) => {
    asked++;
    request.resume().on("end", () => response.writeHead(503).end());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const one = { adapter, baseURL: `http://127.0.0.1:${port}`, apiKey: "k", models: [model], ...options };
  const gateway = await startTestGateway({ backends: { one }, plugins: [geminiApi()] });
  onTestFinished(() => gateway.close());
  const send = async (path: string, body: object) => {
    const response = await fetch(gateway.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    return { status: response.status, error: ((await response.json()) as { error: object }).error };
  };
  return {
    embed: (input: unknown) => send("/v1/embeddings", { model, input }),
    send,
    asked: () => asked,
  };
}

const texts = (count: number) => Array.from({ length: count }, (_, index) => `text ${index}`);

it.each([
  ["azure", "d", 2048, {}],
  ["baidu", "embedding-v1", 16, {}],
  ["bedrock", "cohere.embed-english-v3", 96, { region: "us-east-1" }],
  ["cohere", "embed-v4.0", 96, {}],
  ["gemini", "gemini-embedding-001", 100, {}],
  ["qwen", "text-embedding-v4", 10, {}],
  ["qwen", "text-embedding-v2", 25, {}],
  ["zhipu", "embedding-3", 64, {}],
])("%s with %s is asked for %i embeddings, and not for more", async (adapter, model, most, options) => {
  const { embed, asked } = await gatewayBefore(adapter, model, options);
  expect(await embed(texts(most + 1))).toMatchObject({
    status: 400,
    error: {
      code: "unsupported_parameter",
      param: "input",
      message: `\`input\`: ${most + 1} inputs, of which the backend takes ${most} a request (backend \`one\`)`,
    },
  });
  expect(asked()).toBe(0);
  expect((await embed(texts(most))).status).toBe(502);
  expect(asked()).toBe(1);
});

it("counts a list of tokens as one input", async () => {
  const { embed, asked } = await gatewayBefore("azure", "d");
  await embed(Array.from({ length: 3000 }, (_, index) => index));
  expect(asked()).toBe(1);
});

it("counts behind another front door too", async () => {
  const { send, asked } = await gatewayBefore("cohere", "embed-v4.0");
  const request = { model: "models/embed-v4.0", content: { parts: [{ text: "a" }] } };
  const reply = await send("/v1beta/models/embed-v4.0:batchEmbedContents", {
    requests: Array.from({ length: 97 }, () => request),
  });
  expect(reply.status).toBe(400);
  expect(asked()).toBe(0);
});

it("knows no limit of a server that it does not know", async () => {
  const { embed, asked } = await gatewayBefore("openai-compatible", "m");
  await embed(texts(5000));
  expect(asked()).toBe(1);
});
