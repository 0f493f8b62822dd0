/** Names among the options of plugins that the rest of the config does not have. */
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { resolveConfig } from "gatewright";
import type { Plugin } from "gatewright";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { fallback } from "@gatewright/fallback";
import { healthCheck } from "@gatewright/health-check";
import { mirror } from "@gatewright/mirror";
import { modelMappings } from "@gatewright/model-mappings";
import { modelRouting } from "@gatewright/model-routing";
import { responsesStore } from "@gatewright/responses-store";
import { streamRecovery } from "@gatewright/stream-recovery";
import { timeout } from "@gatewright/timeout";
import { vendorAccounts } from "@gatewright/vendor-accounts";

const dir = fileURLToPath(new URL("../..", import.meta.url));

const BACKENDS = {
  server: { adapter: "ollama", baseURL: "http://127.0.0.1:1", models: ["qwen", "llama*"] },
  cloud: { adapter: "openai", apiKey: "k", models: ["gpt"] },
};
const MODELS = { best: { targets: [{ backend: "cloud", model: "gpt" }], aliases: ["finest"] } };

/** Path below the plugin, what was expected, what came, and the hint. */
async function faultsOf(
  plugins: readonly Plugin[],
  backends: Record<string, unknown> = BACKENDS,
): Promise<[string, string, string, string?][]> {
  const resolved = await resolveConfig({ backends, models: MODELS, plugins }, { dir });
  if (resolved.ok) return [];
  return resolved.faults.map(({ path, expected, received, hint }) => [path, expected, received, hint]);
}

const BACKEND = "the name of a backend";
const PROVIDER = "the name of a backend, an adapter or a provider";
const TARGET = "the name of a target, `backend/model`";
const MODEL = "the name of a model";
const OPERATION = "the name of an operation";

const key = { id: "ci", key: "0123456789abcdef0123456789" };

describe("a name that the config does not have", () => {
  it.each<[Plugin, ...[string, string, string, string][]]>([
    [
      circuitBreaker({ backends: { server: {}, sever: { enabled: false } } }),
      ["circuit-breaker.backends.sever", BACKEND, '"sever"', "Did you mean `server`?"],
    ],
    [
      healthCheck({ backends: { cluod: { check: "off" }, cloud: { check: "off" } } }),
      ["health-check.backends.cluod", BACKEND, '"cluod"', "Did you mean `cloud`?"],
    ],
    [
      responsesStore({ stateless: ["server", "servr"] }),
      ["responses-store.stateless[1]", BACKEND, '"servr"', "Did you mean `server`?"],
    ],
    [
      fallback({
        models: { qwen: ["gpt", { backend: "clod" }], qwne: ["llama3"], "*": ["finset"] },
        on: {
          contextWindow: { best: [{ backend: "cloud", model: "gtp" }] },
          contentPolicy: { gpt: ["qwem"] },
        },
      }),
      ["fallback.models.qwen[1].backend", BACKEND, '"clod"', "Did you mean `cloud`?"],
      ["fallback.models.qwne", MODEL, '"qwne"', "Did you mean `qwen`?"],
      ['fallback.models["*"][0]', MODEL, '"finset"', "Did you mean `finest`?"],
      ["fallback.on.contextWindow.best[0].model", MODEL, '"gtp"', "Did you mean `gpt`?"],
      ["fallback.on.contentPolicy.gpt[0]", MODEL, '"qwem"', "Did you mean `qwen`?"],
    ],
    [
      modelMappings({
        mappings: [
          { model: "gpt", provider: "ollama", targetModel: "whatever" },
          { model: "gtp", provider: "olama", targetModel: "whatever" },
        ],
      }),
      ["model-mappings.mappings[1].model", MODEL, '"gtp"', "Did you mean `gpt`?"],
      ["model-mappings.mappings[1].provider", PROVIDER, '"olama"', "Did you mean `ollama`?"],
    ],
    [
      modelRouting({ synonyms: { claude: "anthropic", mine: "sever", open: "openai" } }),
      ["model-routing.synonyms.mine", PROVIDER, '"sever"', "Did you mean `server`?"],
    ],
    [
      balancer({ strategy: "least-cost", prices: { "cloud/gtp": { prompt: 1, completion: 1 } } }),
      ['balancer.prices["cloud/gtp"]', TARGET, '"cloud/gtp"', "Did you mean `cloud/gpt`?"],
    ],
    [
      balancer({ strategy: "geo", regions: { eu: { backends: ["sever", "cloud/gtp", "cloud/gpt"] } } }),
      ["balancer.regions.eu.backends[0]", BACKEND, '"sever"', "Did you mean `server`?"],
      ["balancer.regions.eu.backends[1]", TARGET, '"cloud/gtp"', "Did you mean `cloud/gpt`?"],
    ],
    [
      timeout({ operations: { chta: { totalMs: 1 } } as object, models: { llama3: {}, qwne: {} } }),
      ["timeout.operations.chta", OPERATION, '"chta"', "Did you mean `chat`?"],
      ["timeout.models.qwne", MODEL, '"qwne"', "Did you mean `qwen`?"],
    ],
    [
      mirror({ to: { model: "bset" }, share: 1, operations: ["chta"] }),
      ["mirror.to.model", MODEL, '"bset"', "Did you mean `best`?"],
      ["mirror.operations[0]", OPERATION, '"chta"', "Did you mean `chat`?"],
    ],
    [
      mirror({ to: { backend: "cloud", model: "gtp" }, share: 1 }),
      ["mirror.to", TARGET, '"cloud/gtp"', "Did you mean `cloud/gpt`?"],
    ],
    [
      mirror({ to: { backend: "clod", model: "gtp" }, share: 1 }),
      ["mirror.to.backend", BACKEND, '"clod"', "Did you mean `cloud`?"],
    ],
    [cache({ semantic: { model: "gtp" } }), ["cache.semantic.model", MODEL, '"gtp"', "Did you mean `gpt`?"]],
    [
      streamRecovery({ strategy: "continue", prefill: ["ollama", "clod"] }),
      ["stream-recovery.prefill[1]", PROVIDER, '"clod"', "Did you mean `cloud`?"],
    ],
    [
      apiKeys({ keys: [{ ...key, models: ["best", "bset"] }], operationScopes: { chta: "chat" } }),
      ["api-keys.keys[0].models[1]", MODEL, '"bset"', "Did you mean `best`?"],
      ["api-keys.operationScopes.chta", OPERATION, '"chta"', "Did you mean `chat`?"],
    ],
  ])("is a fault of the config: $name", async (plugin, ...faults) => {
    expect(await faultsOf([plugin])).toEqual(
      faults.map(([path, ...rest]) => [`plugins[0].${path}`, ...rest]),
    );
  });

  it("is told for all plugins at once", async () => {
    const faults = await faultsOf([
      circuitBreaker({ backends: { sever: {} } }),
      healthCheck({ backends: { clod: {} } }),
      balancer({ priorities: { servr: 1 } }),
    ]);
    expect(faults.map(([path]) => path)).toEqual([
      "plugins[0].circuit-breaker.backends.sever",
      "plugins[1].health-check.backends.clod",
      "plugins[2].balancer.priorities.servr",
    ]);
  });
});

describe("a name that there may come to be", () => {
  const DISCOVERING = { ...BACKENDS, server: { ...BACKENDS.server, models: "discover" } };

  it("of a model is taken where a backend tells its models itself", async () => {
    const plugins = [
      apiKeys({ keys: [{ ...key, models: ["anything"] }] }),
      fallback({ models: { some: ["other"] } }),
      mirror({ to: { backend: "server", model: "anything" }, share: 1 }),
    ];
    expect(await faultsOf(plugins, DISCOVERING)).toEqual([]);
  });

  it("of a target is taken at that backend alone", async () => {
    const price = { prompt: 1, completion: 1 };
    const prices = { "server/any": price, "cloud/any": price };
    expect(
      (await faultsOf([balancer({ strategy: "least-cost", prices })], DISCOVERING)).map(([path]) => path),
    ).toEqual(['plugins[0].balancer.prices["cloud/any"]']);
  });

  it("is taken where a server cannot be asked yet what it is and has", async () => {
    const price = { prompt: 1, completion: 1 };
    const plugins = [
      balancer({ strategy: "least-cost", priorities: { later: 1 }, prices: { "later/any": price } }),
      modelRouting({ synonyms: { mine: "vllm" } }),
      fallback({ models: { best: ["any"] } }),
    ];
    const later = { adapter: "auto", baseURL: "http://127.0.0.1:1" };
    expect(await faultsOf(plugins, { ...BACKENDS, later })).toEqual([]);
  });

  it("of a vendor is taken although its account is not there", async () => {
    const plugins = [
      vendorAccounts({ vendors: { moon: { adapter: "openai", keyVariable: "MOON_KEY" } } }),
      modelRouting({ synonyms: { kimi: "moon" } }),
      fallback({ models: { best: ["moon:kimi"] } }),
    ];
    expect(await faultsOf(plugins)).toEqual([]);
  });
});
