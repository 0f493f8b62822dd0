import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineGatewayPlugin } from "gatewright";
import type { ModelCatalog } from "gatewright";
import * as v from "valibot";
import { describe, expect, it, onTestFinished } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { errorOf, openaiAt, post, simulated } from "./_stage.ts";

/** A gateway that lasts as long as the test, and what plugins see of its models. */
async function startDiscovering(
  config: Record<string, unknown>,
): Promise<TestGateway & { catalog: ModelCatalog; targets: ReadonlyMap<string, unknown> }> {
  let seen: { catalog: ModelCatalog; targets: ReadonlyMap<string, unknown> } | undefined;
  const eye = defineGatewayPlugin({
    name: "eye",
    options: v.strictObject({}),
    setup: (_options, { catalog, targets }) => {
      seen = { catalog, targets };
      return {};
    },
  });
  const gateway = await startTestGateway({ ...config, plugins: [eye()] });
  onTestFinished(() => gateway.close());
  return Object.assign(gateway, seen!);
}

async function idsOf({ url }: { url: string }): Promise<string[]> {
  const reply = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
  return reply.data.map(({ id }) => id);
}

const ask = ({ url }: { url: string }, model: string): Promise<Response> =>
  post(`${url}/v1/chat/completions`, { model, messages: [{ role: "user", content: "hi" }] });

const discovered = (backend: { url: string }, rest: Record<string, unknown> = {}) =>
  openaiAt(backend, { models: undefined, vendorPrefixes: [], ...rest });

/** A server that lists models page by page; `by` is the query parameter that asks for one. */
async function listing(
  pageAt: (at: string | null) => object,
  by: string,
): Promise<{ url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const at = new URL(request.url!, "http://listing.invalid").searchParams.get(by);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(pageAt(at)));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

describe("mo-15: a backend without a list of models", () => {
  it("is asked at the start, with its credential, and serves what it told", async () => {
    const backend = await simulated({ models: ["a", "nomic-embed-text"] });
    const gateway = await startDiscovering({ backends: { main: discovered(backend) } });
    expect(await idsOf(gateway)).toEqual(["a", "nomic-embed-text"]);
    expect((await ask(gateway, "a")).status).toBe(200);
    const [question] = backend.requestsTo("/v1/models");
    expect(question!.headers["authorization"]).toMatch(/^Bearer sk-upstream/);
    // By its name good for embeddings alone.
    const refused = await ask(gateway, "nomic-embed-text");
    expect([refused.status, (await errorOf(refused)).code]).toEqual([501, "unsupported_operation"]);
    expect(
      (await post(`${gateway.url}/v1/embeddings`, { model: "nomic-embed-text", input: "x" })).status,
    ).toBe(200);
  });

  it("is asked by the word `discover` too, and not when the config names its models", async () => {
    const backend = await simulated({ models: ["a"] });
    await startDiscovering({ backends: { main: discovered(backend, { models: ["a"] }) } });
    expect(backend.requests).toEqual([]);
    const gateway = await startDiscovering({
      backends: { main: discovered(backend, { models: "discover" }) },
    });
    expect(await idsOf(gateway)).toEqual(["a"]);
  });

  it("is asked again, and plugins see the new targets in the map that they hold", async () => {
    const backend = await simulated({ models: ["a", "b"] });
    const gateway = await startDiscovering({
      backends: { main: discovered(backend) },
      discovery: { intervalMs: 30 },
    });
    const { targets } = gateway;
    expect([...targets.keys()]).toEqual(["main/a", "main/b"]);
    const kept = targets.get("main/a");
    backend.settings.models = ["a", "c"];
    await waitFor("the new list", async () => (await idsOf(gateway)).includes("c"));
    expect([...targets.keys()].sort()).toEqual(["main/a", "main/c"]);
    expect(targets.get("main/a")).toBe(kept);
    expect((await ask(gateway, "b")).status).toBe(404);
    expect((await ask(gateway, "c")).status).toBe(200);
  });

  it("keeps its last list while it fails, is not ready then, and is again when it answers", async () => {
    const backend = await simulated({ models: ["a"] });
    const gateway = await startDiscovering({
      backends: { main: discovered(backend) },
      discovery: { intervalMs: 30 },
    });
    const readiness = async (): Promise<unknown> =>
      ((await (await fetch(`${gateway.url}/v1/models/a`)).json()) as { ready: unknown }).ready;
    expect(await readiness()).toBe(true);
    backend.faults = () => ({ kind: "status", status: 500 });
    await waitFor("the failure to show", async () => (await readiness()) === false);
    expect(await idsOf(gateway)).toEqual(["a"]);
    backend.faults = [];
    await waitFor("the backend to be ready again", async () => (await readiness()) === true);
    const warned = (): number => gateway.lines.join("").split("does not tell its models").length - 1;
    await waitFor("the log to say so", () => warned() > 0);
    expect(warned()).toBe(1);
  });

  it("answers a sync with what changed; one that fails says why and changes nothing", async () => {
    const backend = await simulated({ models: ["a", "b"] });
    const gateway = await startDiscovering({
      backends: { main: discovered(backend), fixed: openaiAt(backend) },
    });
    backend.settings.models = ["b", "c"];
    expect(await gateway.catalog.refresh("main")).toEqual({ total: 2, added: 1, removed: 1, updated: 0 });
    backend.faults = () => ({ kind: "status", status: 503 });
    await expect(gateway.catalog.refresh("main")).rejects.toThrow("status 503");
    await expect(gateway.catalog.refresh("fixed")).rejects.toThrow("is not asked for its models");
    expect(gateway.targets.has("main/c")).toBe(true);
  });

  it("is asked when it comes online, and gets nothing while it is not", async () => {
    const backend = await simulated({ models: ["a"] });
    const gateway = await startDiscovering({ backends: { main: discovered(backend, { enabled: true }) } });
    gateway.catalog.setOnline("main", false);
    const refused = await ask(gateway, "a");
    expect([refused.status, (await errorOf(refused)).code]).toEqual([503, "no_nodes"]);
    expect(await idsOf(gateway)).toEqual([]);
    backend.settings.models = ["a", "b"];
    gateway.catalog.setOnline("main", true);
    await waitFor("the new model", async () => (await idsOf(gateway)).includes("b"));
    expect((await ask(gateway, "a")).status).toBe(200);
  });

  it("does not hold the start when it is silent, and is 503 until it told something", async () => {
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      silent.closeAllConnections();
      silent.close();
    });
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const gateway = await startDiscovering({
      backends: { main: discovered({ url }, { adapter: "ollama" }) },
    });
    const refused = await ask(gateway, "a");
    expect([refused.status, (await errorOf(refused)).code]).toEqual([503, "no_nodes"]);
  });

  const PAGES: [adapter: string, path: string, by: string, page: (id: string, next?: string) => object][] = [
    [
      "anthropic",
      "/v1/models?limit=1000",
      "after_id",
      (id, next) => ({ data: [{ id }], has_more: next !== undefined, first_id: id, last_id: next ?? id }),
    ],
    [
      "gemini",
      "/models?pageSize=1000",
      "pageToken",
      (id, next) => ({ models: [{ name: `models/${id}` }], nextPageToken: next }),
    ],
    [
      "cohere",
      "/v1/models?page_size=1000",
      "page_token",
      (id, next) => ({ models: [{ name: id, endpoints: ["chat"] }], next_page_token: next }),
    ],
  ];
  it.each(PAGES)("is asked for every page of its list: %s", async (adapter, path, by, page) => {
    const { url, asked } = await listing((at) => {
      if (at === null) return page("a", "2 &");
      return at === "2 &" ? page("b", "3") : page("c");
    }, by);
    const backends = { main: { adapter, baseURL: url, apiKey: "k", vendorPrefixes: [] } };
    expect(await idsOf(await startDiscovering({ backends }))).toEqual(["a", "b", "c"]);
    expect(asked).toEqual([path, `${path}&${by}=2+%26`, `${path}&${by}=3`]);
  });

  it("is given up whose list has no end, and one of whose pages fails: what was known stays", async () => {
    let pages = (at: string | null): object => PAGES[1]![3]("a", at === null ? undefined : "on");
    const { url, asked } = await listing((at) => pages(at), "pageToken");
    const main = { adapter: "gemini", baseURL: url, apiKey: "k", vendorPrefixes: [] };
    const gateway = await startDiscovering({ backends: { main } });
    expect(asked.splice(0)).toHaveLength(1);
    pages = () => PAGES[1]![3]("b", "on");
    await expect(gateway.catalog.refresh("main")).rejects.toThrow("too many pages");
    expect(asked.splice(0)).toHaveLength(20);
    pages = (at) => (at === null ? PAGES[1]![3]("b", "on") : { models: "none" });
    await expect(gateway.catalog.refresh("main")).rejects.toThrow("malformed");
    expect(asked).toHaveLength(2);
    expect(await idsOf(gateway)).toEqual(["a"]);
  });

  it("that told no list makes no entry of it", async () => {
    const backend = await simulated({ models: ["a"], faults: () => ({ kind: "status", status: 404 }) });
    const gateway = await startDiscovering({ backends: { main: discovered(backend) } });
    expect(await idsOf(gateway)).toEqual([]);
    await waitFor("the log to say why", () => gateway.lines.join("").includes("status 404"));
  });

  it("lists nothing that has no name", async () => {
    const { url } = await listing(() => ({ data: [{ id: "" }, { id: " " }, { id: "a" }] }), "page");
    const gateway = await startDiscovering({ backends: { main: discovered({ url }) } });
    expect(await idsOf(gateway)).toEqual(["a"]);
  });

  it("has its last list after a restart with file state, though it is dead then", async () => {
    const dir = await mkdtemp(join(tmpdir(), "gatewright-models-"));
    onTestFinished(() => rm(dir, { recursive: true, force: true }));
    const backend = await simulated({ models: ["a"] });
    const config = { backends: { main: discovered(backend) }, state: { driver: "file", dir } };
    const first = await startTestGateway(config);
    expect(await idsOf(first)).toEqual(["a"]);
    await first.close();
    await backend.close();
    const second = await startDiscovering(config);
    expect(await idsOf(second)).toEqual(["a"]);
    expect((await ask(second, "a")).status).toBe(502);
    // Another server under the same name is another backend.
    await second.close();
    const third = await startDiscovering({
      ...config,
      backends: { main: discovered({ url: "http://127.0.0.1:1" }) },
    });
    expect(await idsOf(third)).toEqual([]);
  });
});
