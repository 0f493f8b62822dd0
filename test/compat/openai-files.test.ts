import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { files } from "@gatewright/files";
import OpenAI, { NotFoundError, toFile } from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { startFilesAccount, type FilesAccount } from "../plugins/_files-account.ts";

const KEYS = ["sk-sdk-one-0123456789abcdefgh", "sk-sdk-two-0123456789abcdefgh"];

let account: FilesAccount;
let gateway: TestGateway;
let client: OpenAI;
let other: OpenAI;
beforeAll(async () => {
  account = await startFilesAccount("x");
  gateway = await startTestGateway({
    backends: {
      only: { adapter: "openai", baseURL: `${account.url}/v1`, apiKey: "sk-account", models: ["m"] },
    },
    plugins: [apiKeys({ keys: KEYS.map((key, index) => ({ id: String(index), key })) }), files(), balancer()],
  });
  [client, other] = KEYS.map(
    (apiKey) => new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey, maxRetries: 0 }),
  ) as [OpenAI, OpenAI];
});
afterAll(async () => {
  await gateway.close();
  await account.close();
});

const upload = async (text: string) =>
  client.files.create({ file: await toFile(Buffer.from(text), "lines.jsonl"), purpose: "batch" });

describe("openai for Node, files and batches", () => {
  it("uploads, reads, downloads and deletes a file", async () => {
    const file = await upload("first line\nsecond line");
    expect(file).toMatchObject({ object: "file", bytes: 22, purpose: "batch" });
    expect(await client.files.retrieve(file.id)).toMatchObject({ id: file.id });
    expect(await (await client.files.content(file.id)).text()).toBe("first line\nsecond line");
    await expect(other.files.retrieve(file.id)).rejects.toThrow(NotFoundError);
    expect(await client.files.delete(file.id)).toMatchObject({ id: file.id, deleted: true });
    await expect(client.files.retrieve(file.id)).rejects.toThrow(NotFoundError);
  });

  it("walks through all pages of files", async () => {
    const made: string[] = [];
    for (let n = 0; n < 5; n++) made.unshift((await upload(String(n))).id);
    const seen: string[] = [];
    for await (const { id } of client.files.list({ limit: 2 })) seen.push(id);
    expect(seen).toEqual(made);
    expect((await other.files.list()).data).toEqual([]);
  });

  it("makes, reads, lists and cancels a batch", async () => {
    const input = await upload("{}");
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: "/v1/chat/completions",
      completion_window: "24h",
    });
    expect((await client.batches.retrieve(batch.id)).status).toBe("validating");
    expect((await client.batches.cancel(batch.id)).status).toBe("cancelling");
    expect((await client.batches.list()).data.map(({ id }) => id)).toEqual([batch.id]);
    await expect(other.batches.retrieve(batch.id)).rejects.toThrow(NotFoundError);
  });
});
