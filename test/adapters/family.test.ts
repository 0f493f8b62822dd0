/** The adapters that are a name, a URL and what they share: the whole suite runs for each of them. */
import { EXCHANGE_KINDS, testAdapter } from "@gatewright/adapter-tests";
import type { ValueTests } from "@gatewright/adapter-tests";
import { adapters } from "@gatewright/adapters";
import { defineGatewayConfig } from "gatewright";
import { describe, expect, it } from "vitest";
import type { FamilyAdapter } from "../../adapters/src/_openai/family.ts";
import { FAMILY, WAIVED } from "./_family.ts";
import { exchangesOf, ownExchangesOf } from "./_exchanges.ts";
import { FAMILY_FIELD_TESTS } from "./_family-fields.ts";

const MODELS = {
  body: {
    object: "list",
    data: [
      { id: "vendor/model-1", object: "model", created: 1_744_316_542, owned_by: "vendor" },
      { id: "model-2", max_model_len: 32_768 },
      { object: "model" },
    ],
  },
  listed: [
    { id: "vendor/model-1", created: 1_744_316_542, ownedBy: "vendor" },
    { id: "model-2", maxInputTokens: 32_768 },
  ],
};
/** Fields without effect, and exchanges in which something is left out on purpose. */
const VALUE_TESTS: Readonly<Record<string, ValueTests>> = {
  // The server hears itself what it is.
  mistral: { withoutEffect: ["messages[].content[].input_audio.format"], leftOut: ["allowed-tools"] },
};
/** They have no model list. */
const UNLISTED = new Set(["baichuan", "perplexity"]);

const templates = Object.keys(FAMILY);

for (const name of templates) {
  const adapter = (await adapters[name]!()).default as unknown as FamilyAdapter;
  testAdapter(adapter, {
    ...VALUE_TESTS[name],
    exchanges: exchangesOf(name),
    sameDialect: true,
    ...(!UNLISTED.has(name) && { models: MODELS }),
    fields: adapter.fields,
    fieldTests: FAMILY_FIELD_TESTS,
  });

  describe(`adapter ${name}, one of the family`, () => {
    it("has exchanges of its own of every kind that is not waived with a reason", () => {
      const chats = ownExchangesOf(name).filter(({ operation }) => operation === "chat");
      const missing = Object.entries(EXCHANGE_KINDS).filter(([, { isShown }]) => !isShown(chats));
      expect(missing.map(([kind]) => kind)).toEqual(Object.keys(WAIVED[name] ?? {}));
    });

    it("takes no key for servers that have none, and headers of the config's own", () => {
      expect(adapter.auth(undefined, { headers: {} })).toEqual({});
      expect(adapter.headers?.({ headers: { appid: "a-1" } })).toEqual({ appid: "a-1" });
    });

    it("mo-8: is asked for by its own name before a colon", () => {
      expect(adapter.vendorPrefixes).toContain(name);
    });
  });
}

it("reads a list of models that is a bare list", async () => {
  const { default: together } = await adapters["together"]!();
  expect(together.models?.read([{ id: "meta/llama", context_length: 8192 }])).toEqual([
    { id: "meta/llama", maxInputTokens: 8192 },
  ]);
});

it("F: a backend of an adapter that has no address of its own does not compile without one", () => {
  const models = ["m"];
  defineGatewayConfig({ backends: { a: { adapter: "vllm", baseURL: "http://127.0.0.1:1/v1", models } } });
  defineGatewayConfig({ backends: { a: { adapter: "llamacpp", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "gpustack", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "localai", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "openai-compatible", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "sglang", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "vllm", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "xinference", models } } });
  // @ts-expect-error no `baseURL`.
  defineGatewayConfig({ backends: { a: { adapter: "xllm", models } } });
});
