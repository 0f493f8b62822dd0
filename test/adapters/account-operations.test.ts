/** Files, batches and realtime sessions, which belong to an account: who has them, and where. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { adapters } from "@gatewright/adapters";
import { balancer } from "@gatewright/balancer";
import { files } from "@gatewright/files";
import { realtime } from "@gatewright/realtime";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { startTestGateway } from "../_support/gateway.ts";

const FILES_AND_BATCHES = ["azure", "cerebras", "deepinfra", "groq", "moonshot", "openai", "qwen", "zhipu"];
const REALTIME = ["azure", "localai", "openai", "stepfun", "xai"];

async function startAccount() {
  const seen: string[] = [];
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.url}`);
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      const object = request.url!.includes("batches") ? "batch" : "file";
      response.end(JSON.stringify({ id: `${object}-1`, object, status: "in_progress" }));
    });
  });
  server.on("upgrade", (request, socket) => {
    seen.push(`UPGRADE ${request.url}`);
    socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

async function gatewayBefore(backend: Record<string, unknown>): Promise<string> {
  const gateway = await startTestGateway({
    backends: { one: { apiKey: "k", models: ["my gpt"], ...backend } },
    plugins: [files(), realtime(), balancer()],
  });
  onTestFinished(() => gateway.close());
  return gateway.url;
}

/** Uploads a file, runs a batch of it, and asks for both once more. */
async function useAccount(url: string): Promise<number[]> {
  const form = new FormData();
  form.set("purpose", "batch");
  form.set("file", new Blob(["{}"]), "a.jsonl");
  const batch = { input_file_id: "file-1", endpoint: "/v1/chat/completions", completion_window: "24h" };
  const json = { method: "POST", headers: { "content-type": "application/json" } };
  const statuses: number[] = [];
  for (const [path, init] of [
    ["/v1/files", { method: "POST", body: form }],
    ["/v1/files/file-1/content", {}],
    ["/v1/batches", { ...json, body: JSON.stringify(batch) }],
    ["/v1/batches/batch-1/cancel", { method: "POST" }],
  ] as const)
    statuses.push((await fetch(url + path, init)).status);
  return statuses;
}

describe("files and batches", () => {
  it("are told of by the adapters whose vendors have both, and files by those with jobs of their own", async () => {
    const found: string[] = [];
    const filesAlone: string[] = [];
    for (const [name, load] of Object.entries(adapters)) {
      const { operations } = (await load()).default;
      if (operations.files && operations.batches) found.push(name);
      else if (operations.files || operations.batches) filesAlone.push(name);
    }
    expect(found).toEqual(FILES_AND_BATCHES);
    expect(filesAlone).toEqual(["mistral"]);
  });

  it.each(FILES_AND_BATCHES.filter((name) => name !== "azure"))(
    "of %s are where OpenAI has them",
    async (adapter) => {
      const account = await startAccount();
      const url = await gatewayBefore({ adapter, baseURL: `${account.url}/v1` });
      expect(await useAccount(url)).toEqual([200, 200, 200, 200]);
      expect(account.seen).toEqual([
        "POST /v1/files",
        "GET /v1/files/file-1/content",
        "POST /v1/batches",
        "POST /v1/batches/batch-1/cancel",
      ]);
    },
  );

  it.each([
    ["v1", "/openai/v1", ""],
    ["2024-10-21", "/openai", "?api-version=2024-10-21"],
  ])("of azure %s are outside of its deployments", async (apiVersion, root, query) => {
    const account = await startAccount();
    const url = await gatewayBefore({ adapter: "azure", baseURL: account.url, apiVersion });
    expect(await useAccount(url)).toEqual([200, 200, 200, 200]);
    expect(account.seen).toEqual([
      `POST ${root}/files${query}`,
      `GET ${root}/files/file-1/content${query}`,
      `POST ${root}/batches${query}`,
      `POST ${root}/batches/batch-1/cancel${query}`,
    ]);
  });

  it("are not asked of a server whose adapter knows none", async () => {
    const account = await startAccount();
    const url = await gatewayBefore({ adapter: "openai-compatible", baseURL: `${account.url}/v1` });
    expect((await useAccount(url))[0]).toBe(501);
    expect(account.seen).toEqual([]);
  });
});

describe("realtime", () => {
  it("is told of by the adapters whose vendors have it", async () => {
    const found: string[] = [];
    for (const [name, load] of Object.entries(adapters))
      if ((await load()).default.operations.realtime) found.push(name);
    expect(found).toEqual(REALTIME);
  });

  it.each([
    ["xai", {}, "/realtime?model=my%20gpt&intent=a"],
    ["localai", {}, "/realtime?model=my%20gpt&intent=a"],
    ["azure", {}, "/openai/v1/realtime?model=my%20gpt&intent=a"],
    [
      "azure",
      { apiVersion: "2025-04-01-preview" },
      "/openai/realtime?api-version=2025-04-01-preview&deployment=my%20gpt&intent=a",
    ],
  ])("of %s %j is asked for with the model's name", async (adapter, options, path) => {
    const account = await startAccount();
    const url = await gatewayBefore({ adapter, baseURL: account.url, ...options });
    const socket = new WebSocket(`${url.replace("http", "ws")}/v1/realtime?model=my%20gpt&intent=a`);
    await once(socket, "error");
    expect(account.seen).toEqual([`UPGRADE ${path}`]);
  });
});
