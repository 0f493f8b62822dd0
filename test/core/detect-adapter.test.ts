import { createServer, type RequestListener } from "node:http";
import { adapters as builtIn } from "@gatewright/adapters";
import type { AddressInfo } from "node:net";
import { defineAdapter, detectAdapter, formatFaults, resolveConfig } from "gatewright";
import type { Adapter, Recognition } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";

function adapter(name: string, ...recognition: Recognition[]): Adapter {
  return defineAdapter({
    name,
    provider: name,
    auth: (apiKey): Record<string, string> =>
      apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` },
    operations: {},
    models: { path: "/models", read: () => [] },
    recognition,
  });
}

const hasMember = (name: string) => (body: unknown) =>
  typeof body === "object" && body !== null && name in body;
const sure = adapter("sure", { rank: 1, path: "/whoami", fits: hasMember("sure") });
const vague = adapter("vague", { rank: 9, path: "/v1/models", fits: hasMember("data"), basePath: "/v1" });
const spoken = adapter("spoken", { rank: 5, path: "/", fits: (body) => body === "I am spoken" });
const all = [vague, spoken, sure];

async function startServer(answer: RequestListener): Promise<{ url: URL; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers.authorization ?? "-"}`);
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), asked };
}

/** A server with these pages; everything else is 404. */
const pages =
  (bodies: Record<string, unknown>): RequestListener =>
  ({ url }, response) => {
    const body = bodies[url!];
    response.statusCode = body === undefined ? 404 : 200;
    response.end(typeof body === "string" ? body : JSON.stringify(body ?? {}));
  };

describe("re-8: what a server is", () => {
  it("is told by the sign of the lowest rank, with what the adapter has after the root", async () => {
    const { url } = await startServer(pages({ "/whoami": { sure: 1 }, "/v1/models": { data: [] } }));
    expect(await detectAdapter(url, all)).toEqual({ adapter: sure, baseURL: new URL("/", url) });
    const only = await startServer(pages({ "/v1/models": { data: [] } }));
    expect(await detectAdapter(only.url, all)).toEqual({ adapter: vague, baseURL: new URL("/v1", only.url) });
  });

  it("may be told by plain text, below a path, and with the /v1 that people write", async () => {
    const { url } = await startServer(pages({ "/": "I am spoken" }));
    expect(await detectAdapter(url, all)).toMatchObject({ adapter: { name: "spoken" } });
    const below = await startServer(pages({ "/deep/v1/models": { data: [] } }));
    for (const path of ["/deep", "/deep/", "/deep/v1", "/deep/v1/"]) {
      const found = await detectAdapter(new URL(path, below.url), all);
      expect(found).toMatchObject({ adapter: { name: "vague" }, baseURL: new URL("/deep/v1", below.url) });
    }
  });

  it("is asked with the backend's key, each page once; redirects are not followed", async () => {
    const { url, asked } = await startServer((_request, response) => {
      response.writeHead(302, { location: "/elsewhere" }).end();
    });
    const twin = adapter("twin", { rank: 2, path: "/whoami", fits: () => true });
    expect(await detectAdapter(url, [...all, twin], "sk-1")).toEqual({ reason: "unknown" });
    expect(asked.toSorted()).toEqual([
      "GET / Bearer sk-1",
      "GET /v1/models Bearer sk-1",
      "GET /whoami Bearer sk-1",
    ]);
  });

  it("stays open when it refuses the key, does not answer, or is none that is known", async () => {
    const closed = await startServer((_request, response) => {
      response.writeHead(401).end();
    });
    expect(await detectAdapter(closed.url, all)).toEqual({ reason: "refused" });
    expect(await detectAdapter(new URL("http://127.0.0.1:1"), all)).toEqual({ reason: "unreachable" });
    const other = await startServer(pages({ "/": "<html>" }));
    expect(await detectAdapter(other.url, all)).toEqual({ reason: "unknown" });
  });
});

describe('adapter: "auto"', () => {
  const adapters = new Map(all.map((one) => [one.name, one]));
  const resolve = (backend: Record<string, unknown>) =>
    resolveConfig({ backends: { bare: { adapter: "auto", ...backend } } }, { dir: "/project", adapters });

  it("takes what the server is, at the address that its dialect has", async () => {
    const { url, asked } = await startServer(pages({ "/v1/models": { data: [] } }));
    const result = await resolve({ baseURL: url.href, apiKey: "sk-2" });
    if (!result.ok) throw new Error(formatFaults(result.faults));
    const [backend] = result.config.backends;
    expect([backend!.adapter.name, backend!.baseURL.href]).toEqual(["vague", new URL("/v1", url).href]);
    expect(asked).toContain("GET /v1/models Bearer sk-2");
  });

  it.each([
    ["http://127.0.0.1:1", "backends.bare.adapter: the server cannot be recognised: it does not answer"],
    [
      undefined,
      "backends.bare.adapter: the server cannot be recognised: `baseURL` must be an http:// or https:// URL",
    ],
  ])("is a fault for %s", async (baseURL, message) => {
    const result = await resolve({ baseURL, models: ["m"] });
    expect(!result.ok && result.faults.map((fault) => fault.message)).toEqual([message]);
  });
});

describe("the built-in adapters", () => {
  const list = (owner: string) => ({ object: "list", data: [{ id: "m", object: "model", owned_by: owner }] });
  const tags = { models: [{ name: "m" }] };

  it.each<[string, string, Record<string, unknown>]>([
    ["xllm", "/v1", { "/api/system": { xllm_version: "1" }, "/v1/models": list("x") }],
    [
      "lmstudio",
      "/v1",
      { "/api/v1/models": { models: [{ type: "llm", key: "m" }] }, "/v1/models": list("o") },
    ],
    [
      "sglang",
      "/v1",
      { "/get_model_info": { model_path: "/m" }, "/api/version": { version: "1" }, "/api/tags": tags },
    ],
    ["sglang", "/v1", { "/v1/models": list("sglang"), "/api/tags": tags }],
    [
      "ollama",
      "",
      { "/api/version": { version: "0.9.0" }, "/v1/models": list("library"), "/api/tags": tags },
    ],
    ["ollama", "", { "/": "Ollama is running" }],
    ["llamacpp", "/v1", { "/props": { build_info: "b8681" }, "/v1/models": list("llamacpp") }],
    ["gpustack", "/v1", { "/version": { version: "2", git_commit: "abc" }, "/v1/models": list("gpustack") }],
    ["vllm", "/v1", { "/version": { version: "0.11" }, "/v1/models": list("vllm") }],
    ["xinference", "/v1", { "/v1/cluster/auth": { auth: false }, "/v1/models": list("xinference") }],
    ["openai-compatible", "/v1", { "/v1/models": list("somebody") }],
  ])("recognise %s", async (name, path, bodies) => {
    const every = await Promise.all(Object.values(builtIn).map(async (load) => (await load()).default));
    const { url } = await startServer(pages(bodies));
    const found = await detectAdapter(url, every);
    expect(found.adapter?.name).toBe(name);
    expect(found.adapter && found.baseURL.href.replace(/\/$/, "")).toBe(url.origin + path);
  });
});
