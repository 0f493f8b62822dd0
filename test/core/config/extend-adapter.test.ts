import { createServer } from "node:http";
import type { IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { extendAdapter, serve } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import { discoverAdapters } from "../../../core/src/config/discover-adapters.ts";
import { loadGatewayConfig } from "../../../core/src/config/load.ts";
import { createProject } from "./_project.ts";

const discover = (dir: string, ...used: string[]) => discoverAdapters(dir, new Set(used));

describe("an adapter that extends another", () => {
  it("takes over what it does not say, and none of what tells who the other one is", async () => {
    const project = await createProject({
      "adapters/acme.ts": `export default { extends: "openai", auth: { header: "X-Acme-Key" } };`,
    });
    const { adapters, names, faults } = await discover(project.dir, "acme", "openai");
    expect(faults).toEqual([]);
    expect(names).toContain("acme");
    const acme = adapters.get("acme")!;
    const openai = adapters.get("openai")!;
    expect(acme).toMatchObject({ name: "acme", provider: "acme", vendorPrefixes: ["acme"] });
    expect(acme.operations).toEqual(openai.operations);
    expect([acme.models, acme.health]).toEqual([openai.models, openai.health]);
    expect([acme.baseURL, acme.modelPatterns]).toEqual([undefined, undefined]);
    expect(acme.auth("k-1", {})).toEqual({ "x-acme-key": "k-1" });
    expect(acme.auth(undefined, {})).toEqual({});
  });

  it("says where operations, models and health are, and which of them the server lacks", async () => {
    const project = await createProject({
      "adapters/acme.mjs": `export default {
        extends: "openai", name: "acme-eu", provider: "acme", baseURL: "https://llm.acme.test",
        paths: { chat: "/v2/chat", embeddings: "/v2/{model}/embed", speech: false },
        models: "/v2/models", health: false, forwardHeaders: ["X-Trace"],
        vendorPrefixes: ["acme", "ac"], modelPatterns: ["acme-*"],
      };`,
    });
    const { adapters, faults } = await discover(project.dir, "acme-eu");
    expect(faults).toEqual([]);
    const { operations, models, health, ...acme } = adapters.get("acme-eu")!;
    expect(operations.chat).toMatchObject({ path: "/v2/chat", streamUsage: true });
    expect(operations.embeddings?.path).toBe("/v2/{model}/embed");
    expect(Object.keys(operations)).not.toContain("speech");
    expect(models?.path).toBe("/v2/models");
    expect(health).toBeUndefined();
    expect(acme).toMatchObject({
      provider: "acme",
      baseURL: "https://llm.acme.test",
      vendorPrefixes: ["acme", "ac"],
      modelPatterns: ["acme-*"],
    });
    expect(acme.forwardHeaders).toEqual(["openai-beta", "x-trace"]);
  });

  it("adds operations that the other adapter lacks, and has for all models what it has for some", async () => {
    const project = await createProject({
      "adapters/acme.json": JSON.stringify({
        extends: "openai-compatible",
        paths: {
          files: "/v2/files",
          batches: "/batches",
          realtime: "/realtime?model={model}",
          responses: "/answers",
        },
      }),
      "adapters/clawed.json": `{ "extends": "moonshot", "paths": { "messages": "/anthropic/messages" } }`,
    });
    const { adapters, faults } = await discover(project.dir, "acme", "clawed");
    expect(faults).toEqual([]);
    const { operations } = adapters.get("acme")!;
    expect(operations.files).toEqual({ path: "/v2/files" });
    expect(operations.batches).toEqual({ path: "/batches" });
    expect(operations.realtime).toEqual({ path: "/realtime?model={model}" });
    expect(operations.responses).toMatchObject({ path: "/answers" });
    expect(adapters.get("clawed")!.operations.messages).toEqual({ path: "/anthropic/messages" });
  });

  it("may be JSON, with values out of the environment", async () => {
    const project = await createProject({
      "adapters/acme.json": JSON.stringify({
        extends: "openai",
        headers: { "X-Region": "${ACME_TEST_REGION:-eu}" },
        auth: { header: "authorization", prefix: "Key " },
      }),
    });
    const { adapters, faults } = await discover(project.dir, "acme");
    expect(faults).toEqual([]);
    const acme = adapters.get("acme")!;
    expect(acme.headers?.({ headers: {} })).toEqual({ "x-region": "eu" });
    expect(acme.auth("k-1", {})).toEqual({ authorization: "Key k-1" });
  });

  it("lets a backend's own headers win over its own", async () => {
    const project = await createProject({
      "adapters/acme.json": `{ "extends": "openai", "headers": { "x-a": "1", "x-b": "1" } }`,
    });
    const { adapters } = await discover(project.dir, "acme");
    expect(adapters.get("acme")?.headers?.({ headers: { "x-b": "2" } })).toEqual({ "x-a": "1", "x-b": "2" });
  });

  it("may extend an adapter of the folder, another extension, and the built-in one of its own name", async () => {
    const project = await createProject({
      "adapters/a-child.json": `{ "extends": "parent", "health": "/up" }`,
      "adapters/parent.json": `{ "extends": "plain", "headers": { "x-p": "1" } }`,
      "adapters/openai.json": `{ "extends": "openai", "provider": "proxy", "models": false }`,
    });
    const { adapters, faults } = await discover(project.dir, "a-child", "openai");
    expect(faults).toEqual([]);
    expect(adapters.get("a-child")).toMatchObject({ provider: "a-child", health: { path: "/up" } });
    expect(adapters.get("a-child")?.headers?.({})).toEqual({ "x-p": "1" });
    expect(adapters.get("openai")).toMatchObject({ name: "openai", provider: "proxy" });
    expect(adapters.get("openai")?.models).toBeUndefined();
  });

  it("tells every fault with its file, path and the nearest right spelling", async () => {
    const project = await createProject({
      "adapters/base.json": `{ "extends": "opnai" }`,
      "adapters/broken.json": `{ "extends": "openai", }`,
      "adapters/circle-a.json": `{ "extends": "circle-b" }`,
      "adapters/circle-b.json": `{ "extends": "circle-a" }`,
      "adapters/fields.json": JSON.stringify({
        extends: "openai",
        baseUrl: "http://a.test",
        auth: { header: "x key" },
        headers: { "x-a": "b\r\nx-c: d" },
        paths: { chat: "v2/chat" },
      }),
      "adapters/list.json": `[]`,
      "adapters/lists-none.json": `{ "extends": "plain", "models": "/models" }`,
      "adapters/lacks.json": `{ "extends": "perplexity", "paths": { "files": false, "btaches": "/batches" } }`,
      "adapters/paths.ts": `export default { extends: "openai", paths: { chta: "/chat" } };`,
    });
    const { faults } = await discover(project.dir);
    expect(
      faults.map(({ file, message, hint }) => [file.slice(project.dir.length + 10), message, hint]),
    ).toEqual(
      expect.arrayContaining([
        ["base.json", 'extends: there is no adapter "opnai"', "Did you mean `openai`?"],
        ["broken.json", "invalid JSON", undefined],
        ["circle-a.json", expect.stringContaining("got `circle-a` → `circle-b` → `circle-a`"), undefined],
        ["circle-b.json", expect.stringContaining("got `circle-b` → `circle-a` → `circle-b`"), undefined],
        ["fields.json", "baseUrl is not an option", "Did you mean `baseURL`?"],
        ["fields.json", expect.stringMatching(/^auth\.header must be the name of a header/), undefined],
        ["fields.json", expect.stringMatching(/^headers\.x-a must be a text without control/), undefined],
        ["fields.json", expect.stringMatching(/^paths\.chat must be a path that begins with \//), undefined],
        ["list.json", "the file must be an object that `extends` an adapter, got an empty list", undefined],
        [
          "lists-none.json",
          "models: the adapter `plain` does not know how a list of models is read",
          undefined,
        ],
        ["lacks.json", "paths.files is not an option", "Known here: `chat`."],
        ["lacks.json", "paths.btaches is not an option", "Did you mean `batches`?"],
        ["paths.ts", "paths.chta is not an option", "Did you mean `chat`?"],
      ]),
    );
    expect(faults.map(({ message }) => message).join("\n")).not.toContain("x-c: d");
  });

  it("asks for an address, since the other adapter's would get this one's key", async () => {
    const project = await createProject({
      "adapters/acme.json": `{ "extends": "openai" }`,
      "gateway.config.json": `{ "backends": { "a": { "adapter": "acme", "apiKey": "k", "models": ["m"] } } }`,
    });
    const result = await loadGatewayConfig({ cwd: project.dir });
    expect(!result.ok && result.faults.map(({ message }) => message)).toEqual([
      "backends.a.baseURL is required: an http:// or https:// URL, since the adapter `acme` has none of its own",
    ]);
  });

  it("serves requests: the key, the headers and the paths are its own", async () => {
    const seen: IncomingMessage[] = [];
    const upstream = createServer((request, response) => {
      seen.push(request);
      request.resume().on("end", () => {
        response.setHeader("content-type", "application/json");
        response.end(`{"id":"1","model":"m","choices":[{}]}`);
      });
    });
    await new Promise<void>((resolve) => upstream.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void upstream.close());
    const { port } = upstream.address() as AddressInfo;
    const project = await createProject({
      "adapters/acme.ts": `
        import { env, extendAdapter } from "gatewright";
        export default extendAdapter({
          extends: "openai",
          auth: { header: "x-acme-key" },
          headers: { "x-tenant": env("ACME_TEST_UNSET", "t-1") },
          paths: { chat: "/v2/chat" },
        });`,
      "gateway.config.json": JSON.stringify({
        server: { host: "127.0.0.1", port: 0 },
        log: { level: "silent" },
        backends: {
          a: { adapter: "acme", baseURL: `http://127.0.0.1:${port}/llm`, apiKey: "k-1", models: ["m"] },
        },
      }),
    });
    const result = await loadGatewayConfig({ cwd: project.dir });
    if (!result.ok) throw new Error(result.faults.map(({ message }) => message).join("\n"));
    const gateway = await serve(result.config);
    onTestFinished(async () => void (await gateway.stop(1_000)));
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
    });
    expect(response.status).toBe(200);
    expect(seen.map(({ url }) => url)).toEqual(["/llm/v2/chat"]);
    expect(seen[0]?.headers).toMatchObject({ "x-acme-key": "k-1", "x-tenant": "t-1" });
    expect(seen[0]?.headers.authorization).toBeUndefined();
  });

  it("is told to types: names of operations and of its own settings", () => {
    const extension = extendAdapter({
      extends: "openai",
      paths: { chat: "/chat", speech: false, files: "/files" },
    });
    expect(extension.paths).toEqual({ chat: "/chat", speech: false, files: "/files" });
    // @ts-expect-error -- a misspelt operation
    extendAdapter({ extends: "openai", paths: { chta: "/chat" } });
    // @ts-expect-error -- a misspelt setting
    extendAdapter({ extends: "openai", baseUrl: "https://a.test" });
    // @ts-expect-error -- what it extends is missing
    extendAdapter({ name: "acme" });
  });
});
