import { createHash, randomBytes } from "node:crypto";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { fallback } from "@gatewright/fallback";
import { files } from "@gatewright/files";
import { rateLimit } from "@gatewright/rate-limit";
import { retry } from "@gatewright/retry";
import type { JsonObject, Plugin } from "gatewright";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { findFaults } from "./_context.ts";
import { startFilesAccount, type FilesAccount } from "./_files-account.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "files", factory: "files", create: () => files() });

const KEYS = { one: "sk-files-one-0123456789abcdefgh", two: "sk-files-two-0123456789abcdefgh" };
const ACCOUNT_KEY = "sk-of-the-account";

let accounts: { a: FilesAccount; b: FilesAccount };
let gateway: TestGateway;
const gateways: TestGateway[] = [];

async function start(plugins: Plugin[] = [], options: object = {}): Promise<void> {
  gateway = await startTestGateway({
    backends: {
      chatOnly: { adapter: "ollama", baseURL: accounts.a.url, models: ["m"] },
      a: { adapter: "openai", baseURL: `${accounts.a.url}/v1`, apiKey: ACCOUNT_KEY, models: ["m"] },
      b: { adapter: "openai", baseURL: `${accounts.b.url}/v1`, apiKey: ACCOUNT_KEY, models: ["m"] },
    },
    plugins: [
      apiKeys({ keys: Object.entries(KEYS).map(([id, key]) => ({ id, key })) }),
      ...plugins,
      files(options),
      balancer({ strategy: "round-robin" }),
    ],
  });
  gateways.push(gateway);
}

beforeEach(async () => {
  accounts = { a: await startFilesAccount("a"), b: await startFilesAccount("b") };
});
afterEach(async () => {
  for (const running of gateways.splice(0)) await running.close();
  await Promise.all([accounts.a.close(), accounts.b.close()]);
});

interface Answer {
  status: number;
  json: JsonObject & { data: JsonObject[]; error: { code: string; param: string } };
}

async function ask(
  method: string,
  path: string,
  { who = "one", body }: { who?: keyof typeof KEYS; body?: unknown } = {},
): Promise<Answer> {
  const form = body instanceof FormData;
  const reply = await fetch(`${gateway.url}/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${KEYS[who]}`,
      ...(body !== undefined && !form && { "content-type": "application/json" }),
    },
    body: form ? body : body === undefined ? null : JSON.stringify(body),
  });
  return { status: reply.status, json: (await reply.json()) as Answer["json"] };
}

function form(content: string | Uint8Array<ArrayBuffer> = "{}", purpose = "batch"): FormData {
  const data = new FormData();
  data.set("file", new Blob([content]), "input.jsonl");
  data.set("purpose", purpose);
  return data;
}

async function upload(
  query = "",
  options: { who?: keyof typeof KEYS; content?: string | Uint8Array<ArrayBuffer>; purpose?: string } = {},
): Promise<string> {
  const { status, json } = await ask("POST", `/files${query}`, {
    who: options.who,
    body: form(options.content, options.purpose),
  });
  expect(status).toBe(200);
  return json["id"] as string;
}

const batchOf = (id: string): JsonObject => ({
  input_file_id: id,
  endpoint: "/v1/chat/completions",
  completion_window: "24h",
});
const idsOf = ({ json }: Answer): unknown[] => json.data.map(({ id }) => id);

describe("files", () => {
  it("are read, downloaded and deleted where they were uploaded", async () => {
    await start();
    const ids = [await upload(), await upload()];
    expect(ids.toSorted()).toEqual(["file-a1", "file-b1"]);
    for (const id of ids) {
      const account = id.includes("a1") ? accounts.a : accounts.b;
      const { status, json } = await ask("GET", `/files/${id}`);
      expect(status).toBe(200);
      expect(json).toMatchObject({ id, model: "kept as it is", bytes: 2 });
      const content = await fetch(`${gateway.url}/v1/files/${id}/content`, {
        headers: { authorization: `Bearer ${KEYS.one}` },
      });
      expect([content.headers.get("content-type"), await content.text()]).toEqual([
        "application/octet-stream",
        "{}",
      ]);
      expect((await ask("DELETE", `/files/${id}`)).json).toMatchObject({ id, deleted: true });
      expect(account.seen.slice(-3)).toEqual([
        `GET /v1/files/${id}`,
        `GET /v1/files/${id}/content`,
        `DELETE /v1/files/${id}`,
      ]);
      expect((await ask("GET", `/files/${id}`)).status).toBe(404);
      expect(account.credentials).toEqual(new Set([`Bearer ${ACCOUNT_KEY}`]));
    }
  });

  it("go up and come down byte by byte", async () => {
    await start();
    const content = randomBytes(3_000_000);
    const id = await upload("", { content });
    const reply = await fetch(`${gateway.url}/v1/files/${id}/content`, {
      headers: { authorization: `Bearer ${KEYS.one}` },
    });
    const hash = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
    expect(hash(new Uint8Array(await reply.arrayBuffer()))).toBe(hash(content));
  });

  it("flow: what has come of an upload is at the backend before the rest is sent", async () => {
    await start();
    let release!: () => void;
    const rest = new Promise<void>((resolve) => (release = resolve));
    const piece = Buffer.alloc(200_000, "x");
    async function* body(): AsyncGenerator<Buffer> {
      yield Buffer.from('--b\r\ncontent-disposition: form-data; name="file"; filename="f"\r\n\r\n');
      yield piece;
      await rest;
      yield Buffer.from(
        '\r\n--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b--\r\n',
      );
    }
    const reply = fetch(`${gateway.url}/v1/files?provider=a`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEYS.one}`, "content-type": "multipart/form-data; boundary=b" },
      body: ReadableStream.from(body()),
      duplex: "half",
    });
    await waitFor("the first piece at the backend", () => accounts.a.received > piece.length);
    release();
    expect((await reply).status).toBe(200);
    expect(accounts.a.files.get("file-a1")!.content.equals(piece)).toBe(true);
  });

  it("flow: the first bytes of a content are there before the last ones are sent", async () => {
    await start();
    const id = await upload("?provider=a", { content: "0123456789rest" });
    let release!: () => void;
    accounts.a.gate = new Promise((resolve) => (release = resolve));
    const reply = await fetch(`${gateway.url}/v1/files/${id}/content`, {
      headers: { authorization: `Bearer ${KEYS.one}` },
    });
    const reader = reply.body!.getReader();
    expect(Buffer.from((await reader.read()).value).toString()).toBe("0123456789");
    release();
    expect(Buffer.from((await reader.read()).value).toString()).toBe("rest");
    expect((await reader.read()).done).toBe(true);
  });

  it("go to the provider that is named", async () => {
    await start();
    expect([await upload("?provider=b"), await upload("?provider=b")]).toEqual(["file-b1", "file-b2"]);
    expect(accounts.b.seen).toEqual(["POST /v1/files", "POST /v1/files"]);
    const unknown = await ask("POST", "/files?provider=chatOnly", { body: form() });
    expect([unknown.status, unknown.json.error.code]).toEqual([400, "unknown_provider"]);
  });

  it("A12: are seen by the key that brought them alone", async () => {
    await start();
    const id = await upload("?provider=a");
    for (const [method, path] of [
      ["GET", `/files/${id}`],
      ["GET", `/files/${id}/content`],
      ["DELETE", `/files/${id}`],
    ] as const) {
      const { status, json } = await ask(method, path, { who: "two" });
      expect([status, json.error.code]).toEqual([404, "not_found"]);
    }
    expect(idsOf(await ask("GET", "/files", { who: "two" }))).toEqual([]);
    expect((await ask("POST", "/batches", { who: "two", body: batchOf(id) })).status).toBe(404);
    expect(accounts.a.seen).toEqual(["POST /v1/files"]);
    expect((await ask("GET", `/files/${id}`)).status).toBe(200);
  });

  it("of both backends are in one list, the latest first, page by page", async () => {
    await start();
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await upload("", { purpose: n === 0 ? "vision" : "batch" }));
    const seen = accounts.a.seen.length + accounts.b.seen.length;
    const first = await ask("GET", "/files?limit=2");
    expect(first.json).toMatchObject({ object: "list", has_more: true, first_id: ids[0], last_id: ids[1] });
    expect(idsOf(first)).toEqual(ids.slice(0, 2));
    const second = await ask("GET", `/files?limit=3&after=${ids[1]}`);
    expect(idsOf(second)).toEqual(ids.slice(2));
    expect(second.json["has_more"]).toBe(false);
    expect(idsOf(await ask("GET", "/files?order=asc"))).toEqual(ids.toReversed());
    expect(idsOf(await ask("GET", "/files?purpose=vision"))).toEqual([ids[4]]);
    expect((await ask("GET", "/files?after=file-x")).json.error.param).toBe("after");
    expect((await ask("GET", "/files?limit=0")).json.error.param).toBe("limit");
    expect(accounts.a.seen.length + accounts.b.seen.length).toBe(seen);
  });

  it("that are gone at their backend are 404, and no longer listed", async () => {
    await start();
    const id = await upload("?provider=a");
    accounts.a.files.clear();
    const { status, json } = await ask("GET", `/files/${id}`);
    expect([status, json.error.code]).toEqual([404, "not_found"]);
    expect(idsOf(await ask("GET", "/files"))).toEqual([]);
  });

  it("T5: are uploaded once, whatever comes of it", async () => {
    await start([retry({ maxAttempts: 3 }), fallback({ models: { "*": ["m"] } })]);
    accounts.a.failWith = accounts.b.failWith = 503;
    const { status } = await ask("POST", "/files", { body: form() });
    expect(status).toBe(502);
    expect(accounts.a.seen.length + accounts.b.seen.length).toBe(1);
  });

  it("are counted by limits", async () => {
    await start([rateLimit({ algorithm: "sliding-window", rate: 2, per: "day" })]);
    await upload();
    await ask("GET", "/files");
    expect((await ask("GET", "/files")).status).toBe(429);
  });

  it.each([
    ["GET", "/files/file-1/other", 404],
    ["GET", "/files/a/b/c", 404],
    ["DELETE", "/files/file-1/content", 404],
    ["POST", "/files/file-1", 405],
    ["PUT", "/files", 405],
    ["GET", "/files/nothing", 404],
    ["GET", "/files/%2e%2e", 404],
  ])("%s %s is %i, and no backend is asked", async (method, path, status) => {
    await start();
    expect((await ask(method, path)).status).toBe(status);
    expect([...accounts.a.seen, ...accounts.b.seen]).toEqual([]);
  });
});

describe("batches", () => {
  it("run where their input is, and are read and cancelled there", async () => {
    await start();
    const input = await upload("?provider=b");
    const made = await ask("POST", "/batches", { body: batchOf(input) });
    expect(made.json).toMatchObject({ id: "batch_b1", input_file_id: input, model: "kept as it is" });
    expect((await ask("GET", "/batches/batch_b1")).json["status"]).toBe("validating");
    expect((await ask("POST", "/batches/batch_b1/cancel")).json["status"]).toBe("cancelling");
    expect((await ask("GET", "/batches/batch_b1", { who: "two" })).status).toBe(404);
    expect(accounts.b.seen).toEqual([
      "POST /v1/files",
      "POST /v1/batches",
      "GET /v1/batches/batch_b1",
      "POST /v1/batches/batch_b1/cancel",
    ]);
    expect(accounts.a.seen).toEqual([]);
  });

  it("bring the files that they made", async () => {
    await start();
    const input = await upload("?provider=a");
    await ask("POST", "/batches", { body: batchOf(input) });
    const content = Buffer.from("results");
    accounts.a.files.set("file-out", { object: { id: "file-out" }, content });
    Object.assign(accounts.a.batches.get("batch_a1")!, { status: "completed", output_file_id: "file-out" });
    expect((await ask("GET", "/files/file-out")).status).toBe(404);
    await ask("GET", "/batches/batch_a1");
    const reply = await fetch(`${gateway.url}/v1/files/file-out/content`, {
      headers: { authorization: `Bearer ${KEYS.one}` },
    });
    expect(await reply.text()).toBe("results");
    expect((await ask("GET", "/files/file-out", { who: "two" })).status).toBe(404);
  });

  it("of both backends are in one list, as they are doing now, without those of others", async () => {
    await start();
    const made: unknown[] = [];
    for (const provider of ["a", "b", "a"]) {
      const input = await upload(`?provider=${provider}`);
      made.unshift((await ask("POST", "/batches", { body: batchOf(input) })).json["id"]);
    }
    const input = await upload("?provider=a", { who: "two" });
    await ask("POST", "/batches", { who: "two", body: batchOf(input) });
    accounts.a.batches.get("batch_a1")!["status"] = "completed";
    const list = await ask("GET", "/batches");
    expect(idsOf(list)).toEqual(made);
    expect(list.json.data.map(({ status }) => status)).toEqual(["validating", "validating", "completed"]);
    expect(accounts.a.seen.at(-1)).toBe("GET /v1/batches?limit=100");

    accounts.a.failWith = 500;
    const later = await ask("GET", "/batches?limit=2");
    expect(idsOf(later)).toEqual(made.slice(0, 2));
    expect(later.json["has_more"]).toBe(true);
  });

  it("that are over are not asked about again", async () => {
    await start();
    const input = await upload("?provider=a");
    await ask("POST", "/batches", { body: batchOf(input) });
    accounts.a.batches.get("batch_a1")!["status"] = "failed";
    await ask("GET", "/batches");
    const { length } = accounts.a.seen;
    expect((await ask("GET", "/batches")).json.data[0]!["status"]).toBe("failed");
    expect(accounts.a.seen).toHaveLength(length);
  });

  it.each([
    ["no input", {}, 400],
    ["an input that is no text", { input_file_id: 7 }, 400],
    ["an unknown input", batchOf("file-x"), 404],
  ])("without a known input are refused: %s", async (_, body, status) => {
    await start();
    const reply = await ask("POST", "/batches", { body });
    expect([reply.status, reply.json.error.param]).toEqual([status, "input_file_id"]);
    expect([...accounts.a.seen, ...accounts.b.seen]).toEqual([]);
  });
});

describe("backends", () => {
  it("without files are no candidates: alone they are 501", async () => {
    gateway = await startTestGateway({
      backends: { chatOnly: { adapter: "ollama", baseURL: accounts.a.url, models: ["m"] } },
      plugins: [files()],
    });
    gateways.push(gateway);
    const reply = await fetch(`${gateway.url}/v1/files`);
    expect([reply.status, ((await reply.json()) as Answer["json"]).error.code]).toEqual([
      501,
      "unsupported_operation",
    ]);
  });
});

describe("options", () => {
  it.each([
    ["ttlMs", { ttlMs: 999 }],
    ["ttlMs", { ttlMs: 366 * 86_400_000 }],
    ["maxListed", { maxListed: 0 }],
  ])("refuses %s in %j", (path, options) => {
    expect(findFaults(files(options)).map((fault) => fault.path)).toEqual([path]);
  });

  it("maxListed lets the oldest leave the list, and nothing else", async () => {
    await start([], { maxListed: 2 });
    const ids = [await upload(), await upload(), await upload()];
    expect(idsOf(await ask("GET", "/files"))).toEqual([ids[2], ids[1]]);
    expect((await ask("GET", `/files/${ids[0]}`)).status).toBe(200);
  });
});
