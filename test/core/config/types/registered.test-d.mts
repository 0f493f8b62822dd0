import { defineGatewayConfig } from "../../../../core/src/config/define.ts";
import { env } from "../../../../core/src/config/secret.ts";
import { when } from "../../../../core/src/config/when.ts";
import { keyed, limit, locked } from "./_adapters.mts";

const local = { adapter: "plain" as const, models: ["m"] };

// What must compile.

export default defineGatewayConfig({
  server: { port: 8080, limits: { jsonBytes: 1 } },
  state: { driver: "redis", url: env("REDIS_URL") },
  log: { level: "debug" },
  timeouts: { connectMs: 5_000 },
  backends: {
    local: {
      adapter: "plain",
      baseURL: "http://127.0.0.1:1",
      models: ["m"],
      weight: 2,
      timeouts: { idleMs: 1 },
    },
    far: { adapter: "regional", region: "eu", apiKey: env("FAR_KEY"), models: ["m"] },
    text: { adapter: "regional", region: "us", project: "p", apiKey: "k", models: ["m"] },
  },
  models: {
    best: {
      targets: [
        { backend: "local", model: "m" },
        { backend: "far", weight: 0 },
      ],
      aliases: ["finest"],
    },
  },
  defaultModels: { chat: "best" },
  plugins: [
    limit(),
    limit({ capacity: 1 }),
    locked({ ttlMs: 1 }),
    when({ operations: ["chat"] }, limit()),
    when(
      { models: ["best"], operations: ["chat", "embeddings"] },
      limit(),
      when({ models: ["m"] }, locked({ ttlMs: 1 })),
    ),
    when({}),
  ],
  $production: { server: { workers: 4 }, backends: { local: { weight: 3 } } },
  $development: { log: { format: "pretty" } },
  $test: { plugins: [] },
  $env: { test: { state: { driver: "memory" } } },
});

defineGatewayConfig({ backends: {} });
defineGatewayConfig({
  extends: "./base.ts",
  backends: {},
  models: { a: { targets: [{ backend: "of-the-base" }] } },
});
defineGatewayConfig({ extends: ["./a.ts", "./b.ts"], backends: { local } });

defineGatewayConfig({
  backends: {
    asked: { adapter: "plain" },
    open: {
      adapter: "plain",
      models: ["gpt-*"],
      vendorPrefixes: ["house"],
      price: { prompt: 0, completion: 0 },
    },
    bare: { adapter: "auto", baseURL: "http://127.0.0.1:1", models: "discover" },
  },
  models: {
    "claude-*": { targets: [{ backend: "open", model: "*", price: { prompt: 3e-6, completion: 15e-6 } }] },
    "gpt-4.1": { aliases: ["smart"], canonicalName: "openai/gpt-4.1", maxInputTokens: 1_000_000 },
  },
  discovery: { intervalMs: 60_000 },
});

defineGatewayConfig({
  backends: {
    byAccount: { adapter: "placed", account: "a", models: [] },
    byAddress: { adapter: "placed", baseURL: "http://127.0.0.1:1", models: [], weight: 2 },
    byBoth: { adapter: "placed", account: "a", baseURL: "http://127.0.0.1:1" },
  },
});

// Lists that cannot be changed: `as const`, or names of another file.
const names: readonly string[] = ["m"];
const targets = [{ backend: "near", model: "m" }, { backend: "far" }] as const;
const backends = {
  near: { adapter: "plain", models: ["m"], vendorPrefixes: ["house"], capabilities: ["vision"] },
  far: { adapter: "regional", region: "eu", zones: ["a"], models: names },
} as const;
const keys = [{ id: "a", key: "k", scopes: ["read"] }] as const;
const chain = [
  limit(),
  keyed({ keys, groups: { a: [names], b: [["x"]] } as const, pair: ["x", 1] as const }),
] as const;
defineGatewayConfig({
  server: { trustedProxies: names },
  backends,
  models: { best: { targets, aliases: names, capabilities: names } },
  plugins: [...chain, when({ operations: ["chat"] as const, models: names }, limit())],
  $test: { backends: { near: { models: names } }, models: { best: { targets } }, plugins: chain },
});
defineGatewayConfig({
  backends: { ...backends, local },
  models: { best: { targets: names.map((model) => ({ backend: "local" as const, model })) } },
});
keyed({ keys: [{ id: "a", key: env("KEY") }], onUse: (ids) => ids.push("b"), rest: new Map() });

// What must not.

// @ts-expect-error -- an unknown adapter
defineGatewayConfig({ backends: { local: { adapter: "plian", models: [] } } });
// @ts-expect-error -- an option of another adapter
defineGatewayConfig({ backends: { local: { adapter: "plain", models: [], region: "eu" } } });
// @ts-expect-error -- an option that no adapter has
defineGatewayConfig({ backends: { far: { adapter: "regional", models: [], region: "eu", wieght: 1 } } });
// @ts-expect-error -- a required option of the adapter is missing
defineGatewayConfig({ backends: { far: { adapter: "regional", models: [] } } });
// @ts-expect-error -- a wrong value of the adapter's option
defineGatewayConfig({ backends: { far: { adapter: "regional", region: "mars", models: [] } } });
// @ts-expect-error -- neither of two fields of which an adapter needs one
defineGatewayConfig({ backends: { far: { adapter: "placed", models: [] } } });
// @ts-expect-error -- a field that is needed and is none
defineGatewayConfig({ backends: { far: { adapter: "placed", account: undefined, models: [] } } });
// @ts-expect-error -- an option that no adapter has, beside an address
defineGatewayConfig({ backends: { far: { adapter: "placed", account: "a", models: [], wieght: 1 } } });
// @ts-expect-error -- a list of models that is none
defineGatewayConfig({ backends: { local: { adapter: "plain", models: "all" } } });
// @ts-expect-error -- an apiKey that is neither text nor env()
defineGatewayConfig({ backends: { local: { ...local, models: [], apiKey: 5 } } });
defineGatewayConfig({
  backends: { local: { adapter: "plain", models: [] } },
  // @ts-expect-error -- a dangling backend
  models: { a: { targets: [{ backend: "locla" }] } },
});
defineGatewayConfig({
  backends: { a: { adapter: "plain", models: [] } },
  // @ts-expect-error -- a misspelt field of a target
  models: { a: { targets: [{ backend: "a", wieght: 1 }] } },
});
// @ts-expect-error -- an unknown section
defineGatewayConfig({ backends: {}, sever: {} });
// @ts-expect-error -- an unknown key
defineGatewayConfig({ backends: {}, server: { prot: 1 } });
// @ts-expect-error -- a key of another state driver
defineGatewayConfig({ backends: {}, state: { driver: "memory", dir: "x" } });
// @ts-expect-error -- an unknown operation
defineGatewayConfig({ backends: {}, defaultModels: { chta: "a" } });
// @ts-expect-error -- an unknown key in a layer
defineGatewayConfig({ backends: {}, $production: { server: { prot: 1 } } });
// @ts-expect-error -- a factory that nobody called
defineGatewayConfig({ backends: {}, plugins: [limit] });
// @ts-expect-error -- a list in the list
defineGatewayConfig({ backends: {}, plugins: [[limit()]] });

// @ts-expect-error -- a wrong option of a plugin
limit({ capacity: "many" });
// @ts-expect-error -- a wrong name among few
limit({ algorithm: "c" });
// @ts-expect-error -- a misspelt option of a plugin
limit({ capcity: 1 });
// @ts-expect-error -- a required argument is missing
locked();
// @ts-expect-error -- a required option is missing
locked({});
// @ts-expect-error -- a wrong name in a list within a list
keyed({ keys: [{ id: "a", key: "k", scopes: ["raed"] }] });
// @ts-expect-error -- a misspelt member within a list
keyed({ keys: [{ id: "a", key: "k", scope: [] }] });
// @ts-expect-error -- a list that cannot be changed, of what it may not hold
keyed({ keys: [{ id: "a", key: "k", scopes: ["raed"] }] as const });
defineGatewayConfig({
  backends: { near: backends.near },
  // @ts-expect-error -- a dangling backend in a list that cannot be changed
  models: { best: { targets } },
});
// @ts-expect-error -- an unknown operation in a condition
when({ operations: ["chta"] }, limit());
// @ts-expect-error -- an unknown condition
when({ model: ["m"] }, limit());
// @ts-expect-error -- a condition without its list
when({ models: "m" }, limit());
