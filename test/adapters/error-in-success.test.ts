/** Errors that backends tell with status 200: no adapter passes one on as an answer, whatever was asked. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { adapters } from "@gatewright/adapters";
import { files } from "@gatewright/files";
import type { JsonObject } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

/** What adapters cannot do without. */
const REQUIRED: Readonly<Record<string, object>> = {
  bedrock: { region: "us-east-1" },
  vertex: { project: "p-1", credential: "accessToken" },
  wenxin: { secretKey: "s" },
};

/** Bedrock tells the shapes of embeddings by the model. */
const MODEL = "amazon.titan-embed-text-v2:0";

const TOKEN = { access_token: "t", expires_in: 2_592_000 };

/** A server that answers everything with status 200 and this body, requests for tokens aside. */
async function startServer(body: JsonObject): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify(request.url!.startsWith("/oauth/") ? TOKEN : body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function gatewayBefore(adapter: string, answer: JsonObject) {
  const gateway = await startTestGateway({
    plugins: [files()],
    backends: {
      one: {
        adapter,
        baseURL: await startServer(answer),
        apiKey: "k",
        models: [MODEL],
        ...REQUIRED[adapter],
      },
    },
    models: { m: { targets: [{ backend: "one", model: MODEL }] } },
  });
  onTestFinished(() => gateway.close());
  return gateway;
}

const json = (path: string, body: object): [string, RequestInit] => [
  path,
  { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
];
function form(path: string, fields: Record<string, string>, file: string): [string, RequestInit] {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.set(name, value);
  body.set(file, new Blob(["0"], { type: "image/png" }), "a.png");
  return [path, { method: "POST", body }];
}
const messages = [{ role: "user", content: "Hi" }];

/** A request of each operation whose answer is JSON, by the name under which adapters map it. */
const REQUESTS: Readonly<Record<string, [path: string, init: RequestInit]>> = {
  chat: json("/v1/chat/completions", { model: "m", messages }),
  completions: json("/v1/completions", { model: "m", prompt: "Hi" }),
  responses: json("/v1/responses", { model: "m", input: "Hi" }),
  embeddings: json("/v1/embeddings", { model: "m", input: "Hi" }),
  rerank: json("/v1/rerank", { model: "m", query: "Hi", documents: ["a"] }),
  transcription: form("/v1/audio/transcriptions", { model: "m" }, "file"),
  translation: form("/v1/audio/translations", { model: "m" }, "file"),
  imageGeneration: json("/v1/images/generations", { model: "m", prompt: "A cat" }),
  imageEdit: form("/v1/images/edits", { model: "m", prompt: "A cat" }, "image"),
  imageVariation: form("/v1/images/variations", { model: "m" }, "image"),
  moderation: json("/v1/moderations", { model: "m", input: "Hi" }),
  files: form("/v1/files", { purpose: "batch" }, "file"),
};

const found = await Promise.all(
  Object.entries(adapters).map(async ([name, load]) => ({
    name,
    operations: Object.keys((await load()).default.operations).filter((key) => key in REQUESTS),
  })),
);

describe.each(found)("a 200 of $name that holds an error instead of the answer", ({ name, operations }) => {
  it.each([{ error: { message: "Insufficient credits", code: 402 } }, { error: "Insufficient credits" }])(
    "is the backend's failure in every operation: %j",
    async (error) => {
      const gateway = await gatewayBefore(name, error);
      const statuses: Record<string, number> = {};
      for (const operation of operations) {
        const response = await fetch(gateway.url + REQUESTS[operation]![0], REQUESTS[operation]![1]);
        statuses[operation] = response.status;
        await response.text();
      }
      expect(statuses).toEqual(Object.fromEntries(operations.map((operation) => [operation, 502])));
    },
  );
});

describe.each(["openai", "azure"])("%s passes on", (name) => {
  const failed = { error: { message: "It went wrong", code: "server_error" } };

  it.each<[string, string, JsonObject]>([
    ["a response that failed", "responses", { object: "response", status: "failed", output: [] }],
    ["a response that failed before any output", "responses", { object: "response", status: "failed" }],
    ["a file that could not be read", "files", { id: "file-1", object: "file", status: "error" }],
  ])("%s, with what it says of it", async (_, operation, body) => {
    const gateway = await gatewayBefore(name, { ...body, ...failed });
    const response = await fetch(gateway.url + REQUESTS[operation]![0], REQUESTS[operation]![1]);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject(failed);
  });

  it("a batch that failed, alone and in a list", async () => {
    const { default: adapter } = await adapters[name]!();
    const batch = { id: "batch_1", object: "batch", status: "failed", errors: { data: [] }, ...failed };
    expect(adapter.errorInReply?.(batch, "batches")).toBeUndefined();
    expect(adapter.errorInReply?.({ object: "list", data: [batch] }, "batches")).toBeUndefined();
    expect(adapter.errorInReply?.(failed, "batches")).toMatchObject({ message: "It went wrong" });
  });
});
