import { resolveConfig, serve, type ResolvedConfig } from "gatewright";
import { describe, expect, it, onTestFinished } from "vitest";
import { vendorAccounts } from "@gatewright/vendor-accounts";
import { errorOf, post, simulated } from "../e2e/_stage.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "vendor-accounts", factory: "vendorAccounts", create: () => vendorAccounts() });

const ROOT = new URL("../..", import.meta.url).pathname;

async function resolved(
  env: Record<string, string>,
  backends: Record<string, unknown> = {},
  plugin = vendorAccounts(),
): Promise<ResolvedConfig> {
  const server = { port: 0, host: "127.0.0.1" };
  const log = { level: "silent" };
  const result = await resolveConfig({ backends, server, log, plugins: [plugin] }, { dir: ROOT, env });
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
}

async function start(...args: Parameters<typeof resolved>): Promise<{ url: string }> {
  const server = await serve(await resolved(...args));
  onTestFinished(async () => {
    await server.stop(0);
  });
  return server;
}

const ask = ({ url }: { url: string }, model: string): Promise<Response> =>
  post(`${url}/v1/chat/completions`, { model, messages: [{ role: "user", content: "hi" }] });

describe("mo-8: accounts of the environment", () => {
  it("openai:gpt-4.1 arrives as gpt-4.1 with the key, and the reply says openai:gpt-4.1", async () => {
    const vendor = await simulated({ models: ["gpt-4.1"] });
    const gateway = await start({ OPENAI_API_KEY: "sk-canary-1", OPENAI_BASE_URL: vendor.url });
    const reply = await ask(gateway, "openai:gpt-4.1");
    expect([reply.status, await reply.json()]).toMatchObject([200, { model: "openai:gpt-4.1" }]);
    const sent = vendor.requestsTo("/v1/chat/completions")[0]!;
    expect([sent.json, sent.headers["authorization"]]).toMatchObject([
      { model: "gpt-4.1" },
      "Bearer sk-canary-1",
    ]);
    const unknown = await ask(gateway, "foo:gpt-4.1");
    expect([unknown.status, (await errorOf(unknown)).code]).toEqual([400, "unknown_provider"]);
    const nowhere = await ask(gateway, "nosuch:7b");
    expect([nowhere.status, (await errorOf(nowhere)).code]).toEqual([404, "model_not_found"]);
  });

  it.each(["google:gemini-2.5-pro", "anthropic:claude-4", "ahtnorpic:claude-4", "openai:gpt-4.1"])(
    "%s without a key is 401",
    async (model) => {
      const refused = await ask(await start({}), model);
      expect([refused.status, await errorOf(refused)]).toMatchObject([
        401,
        { code: "provider_key_missing", type: "authentication_error" },
      ]);
    },
  );

  it("each vendor has its own address, key and prefixes", async () => {
    const { backends } = await resolved({
      OPENAI_API_KEY: "k1",
      GOOGLE_API_KEY: "k2",
      GOOGLE_API_BASE_URL: "http://127.0.0.1:1",
      ANTHROPIC_API_KEY: "k3",
      ANTHROPIC_API_BASE_URL: "http://127.0.0.1:2/deep/",
    });
    expect(
      backends.map(({ name, baseURL, vendorPrefixes, discovers }) => [
        name,
        baseURL.href,
        vendorPrefixes,
        discovers,
      ]),
    ).toEqual([
      ["openai", "https://api.openai.com/v1", ["openai"], true],
      ["google", "http://127.0.0.1:1/v1beta", ["google"], true],
      ["anthropic", "http://127.0.0.1:2/deep/", ["anthropic", "ahtnorpic"], true],
    ]);
    expect(JSON.stringify(backends)).not.toContain("k1");
  });

  it("a backend of that name in the config stays as it is", async () => {
    const own = { openai: { adapter: "openai", baseURL: "http://127.0.0.1:9/v1", models: ["m"] } };
    const { backends } = await resolved({ OPENAI_API_KEY: "k1" }, own);
    expect(backends.map(({ name, baseURL, models }) => [name, baseURL.href, models])).toEqual([
      ["openai", "http://127.0.0.1:9/v1", ["m"]],
    ]);
  });

  it("knows further vendors by its options; an empty variable is none", async () => {
    const plugin = vendorAccounts({
      vendors: { acme: { adapter: "openai", keyVariable: "ACME_KEY", addressVariables: ["ACME_URL"] } },
    });
    const env = { ACME_KEY: "k", ACME_URL: "http://127.0.0.1:1/v9", OPENAI_API_KEY: "" };
    const { backends, knownVendors } = await resolved(env, {}, plugin);
    expect(backends.map(({ name, baseURL }) => [name, baseURL.href])).toEqual([
      ["acme", "http://127.0.0.1:1/v9"],
    ]);
    expect(knownVendors).toEqual(["openai", "google", "anthropic", "ahtnorpic", "acme"]);
  });
});
