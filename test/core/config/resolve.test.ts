import { inspect } from "node:util";
import * as v from "valibot";
import { describe, expect, it, vi } from "vitest";
import {
  defineAdapter,
  defineGatewayPlugin,
  env,
  revealSecret,
  type Adapter,
  type ChainFact,
  type Plugin,
} from "../../../core/src/index.ts";
import { formatFaults, type ConfigFault } from "../../../core/src/config/fault.ts";
import { resolveConfig } from "../../../core/src/config/resolve.ts";
import type { ResolvedConfig } from "../../../core/src/config/resolved.ts";
import { when } from "../../../core/src/config/when.ts";

const plain = defineAdapter({
  name: "plain",
  provider: "plain",
  baseURL: "http://plain.test",
  auth: () => ({}),
  operations: {},
});
const regional = defineAdapter({
  name: "regional",
  provider: "regional",
  options: v.strictObject({
    region: v.picklist(["eu", "us"]),
    token: v.optional(v.pipe(v.string(), v.regex(/^t-/), v.metadata({ secret: true }))),
  }),
  auth: () => ({}),
  operations: {},
});
const adapters = new Map<string, Adapter>(
  [plain, regional].map((adapter) => [adapter.name, adapter as unknown as Adapter]),
);

const limit = defineGatewayPlugin({
  name: "limit",
  options: v.strictObject({
    capacity: v.optional(v.pipe(v.number(), v.minValue(0)), 100),
    algorithm: v.optional(v.picklist(["token-bucket", "sliding-window"]), "token-bucket"),
    store: v.optional(v.strictObject({ url: v.optional(v.string()), ttlMs: v.optional(v.number()) })),
  }),
  exact: ({ algorithm }) => algorithm === "token-bucket",
  setup: () => ({}),
});

const preferring = defineGatewayPlugin({
  name: "preferring",
  options: v.strictObject({ prefer: v.array(v.string()) }),
  check: ({ prefer }, { checkBackend }) =>
    prefer.flatMap((name, index) => checkBackend(name, ["prefer", index])),
  setup: () => ({}),
});

function link(name: string, facts: { needs?: ChainFact[]; gives?: ChainFact[] }): Plugin {
  return defineGatewayPlugin({ name, options: v.strictObject({}), ...facts, setup: () => ({}) })();
}

const local = { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m", "n"] };

async function resolve(config: Record<string, unknown>, env?: Record<string, string>) {
  return resolveConfig(
    { backends: { local }, ...config },
    { dir: "/project", adapters, ...(env && { env }) },
  );
}

async function faultsOf(config: Record<string, unknown>): Promise<readonly ConfigFault[]> {
  const result = await resolve(config);
  if (result.ok) throw new Error("the config was accepted");
  return result.faults;
}

async function accepted(config: Record<string, unknown>): Promise<ResolvedConfig> {
  const result = await resolve(config);
  if (!result.ok) throw new Error(formatFaults(result.faults));
  return result.config;
}

/** The one fault, as path, message and hint. */
async function only(
  config: Record<string, unknown>,
): Promise<Pick<ConfigFault, "path" | "message" | "hint">> {
  const faults = await faultsOf(config);
  expect(faults.map(({ message }) => message)).toHaveLength(1);
  const { path, message, hint } = faults[0]!;
  return { path, message, ...(hint !== undefined && { hint }) };
}

describe("resolveConfig", () => {
  it("resolves backends, models and plugins of a config built in code", async () => {
    const raw = {
      backends: {
        local,
        far: {
          adapter: "regional",
          baseURL: "https://far.test/v1",
          models: ["big"],
          weight: 3,
          region: "eu",
          apiKey: "k-1",
        },
      },
      models: {
        best: {
          aliases: ["finest"],
          targets: [
            { backend: "far", model: "big" },
            { backend: "local", model: "m", weight: 0 },
          ],
        },
      },
      defaultModels: { chat: "finest", embeddings: "n" },
      plugins: [limit(), when({ operations: ["chat"] }, when({ models: ["best"] }, limit({ capacity: 5 })))],
    };
    const config = await accepted(raw);
    expect(
      config.backends.map(({ name, options, baseURL, weight }) => [name, options, baseURL.href, weight]),
    ).toEqual([
      ["local", {}, "http://127.0.0.1:1/", 1],
      ["far", { region: "eu" }, "https://far.test/v1", 3],
    ]);
    expect(config.models).toEqual([
      {
        name: "best",
        aliases: ["finest"],
        targets: [
          { backend: "far", model: "big", weight: 3 },
          { backend: "local", model: "m", weight: 0 },
        ],
      },
    ]);
    expect(
      config.plugins.map(({ options, conditions }) => [
        (options as { capacity: number }).capacity,
        conditions,
      ]),
    ).toEqual([
      [100, []],
      [5, [{ operations: ["chat"] }, { models: ["best"] }]],
    ]);
    expect(Object.keys(raw.backends.far)).toContain("apiKey");
  });

  it("takes the adapter's URL where the backend has none", async () => {
    const config = await accepted({ backends: { local: { adapter: "plain", models: ["m"] } } });
    expect(config.backends[0]!.baseURL.href).toBe("http://plain.test/");
  });

  it("accepts a gateway without backends", async () => {
    expect((await accepted({ backends: {} })).backends).toEqual([]);
  });

  it("lets the environment set options of plugins and of adapters", async () => {
    const result = await resolve(
      {
        backends: { far: { adapter: "regional", baseURL: "http://far.test", models: ["m"], region: "eu" } },
        plugins: [limit({ capacity: 1 })],
      },
      {
        GATEWRIGHT_PLUGINS_LIMIT_CAPACITY: "7",
        GATEWRIGHT_BACKENDS_FAR_REGION: "us",
        GATEWRIGHT_BACKENDS_FAR_MODELS: "a, b",
      },
    );
    if (!result.ok) throw new Error(formatFaults(result.faults));
    expect(result.config.plugins[0]!.options).toMatchObject({ capacity: 7 });
    expect(result.config.backends[0]).toMatchObject({ options: { region: "us" }, models: ["a", "b"] });
    expect(result.warnings).toEqual([]);
  });

  it("applies the mode's layer of a config built in code", async () => {
    const config = await accepted({
      server: { port: 1 },
      $production: { server: { port: 2 } },
      $schema: "x",
    });
    expect(config.server.port).toBe(2);
  });

  it("lets the environment choose another state driver, and fill a secret that is missing", async () => {
    const result = await resolve(
      {
        state: { driver: "memory" },
        backends: { local: { ...local, apiKey: env("NO_SUCH_KEY") } },
      },
      {
        GATEWRIGHT_STATE_DRIVER: "redis",
        GATEWRIGHT_STATE_URL: "redis://127.0.0.1:1",
        GATEWRIGHT_BACKENDS_LOCAL_API_KEY: "k-1",
      },
    );
    if (!result.ok) throw new Error(formatFaults(result.faults));
    expect(result.config.state.driver).toBe("redis");
    expect(result.warnings).toEqual([]);
  });

  it("names the variable behind a plugin's wrong option, and sets nothing that is ambiguous", async () => {
    const result = await resolve(
      { backends: { "a-b": local, a_b: local }, plugins: [limit()] },
      { GATEWRIGHT_PLUGINS_LIMIT_CAPACITY: "-1", GATEWRIGHT_BACKENDS_A_B_WEIGHT: "7" },
    );
    expect(!result.ok && result.faults).toMatchObject([
      {
        path: "plugins[0].limit.capacity",
        hint: "It is set by the environment variable GATEWRIGHT_PLUGINS_LIMIT_CAPACITY.",
      },
    ]);
    expect(result.warnings).toEqual([
      "GATEWRIGHT_BACKENDS_A_B_WEIGHT could mean backends.a-b.weight or backends.a_b.weight, so it sets nothing",
    ]);
  });

  it("tells apart two plugins of one name by their place", async () => {
    const result = await resolve(
      { plugins: [limit(), limit()] },
      { GATEWRIGHT_PLUGINS_1_CAPACITY: "7", GATEWRIGHT_PLUGINS_LIMIT_CAPACITY: "8" },
    );
    if (!result.ok) throw new Error(formatFaults(result.faults));
    expect(result.config.plugins.map(({ options }) => (options as { capacity: number }).capacity)).toEqual([
      100, 7,
    ]);
    expect(result.warnings).toEqual([
      expect.stringMatching(/^GATEWRIGHT_PLUGINS_LIMIT_CAPACITY sets nothing/),
    ]);
  });
});

describe("faults", () => {
  const cases: Record<string, [Record<string, unknown>, { path: string; message: string; hint?: string }]> = {
    "an unknown section": [
      { sever: {} },
      { path: "sever", message: "sever is not a part of the config", hint: "Did you mean `server`?" },
    ],
    "a misspelt layer": [
      { $prodction: {} },
      {
        path: "$prodction",
        message: "$prodction is not a part of the config",
        hint: "Did you mean `$production`?",
      },
    ],
    "a layer that is no object": [
      { $production: [] },
      { path: "$production", message: "$production must be an object, got an empty list" },
    ],
    "`extends` in a config that is no file": [
      { extends: "./base.ts" },
      {
        path: "extends",
        message: "extends is not a part of the config",
        hint: "Only config files extend others.",
      },
    ],
    "an unknown key of a section": [
      { server: { prot: 1 } },
      { path: "server.prot", message: "server.prot is not an option", hint: "Did you mean `port`?" },
    ],
    "an unknown key two levels down": [
      { server: { limits: { jsonByte: 1 } } },
      {
        path: "server.limits.jsonByte",
        message: "server.limits.jsonByte is not an option",
        hint: "Did you mean `jsonBytes`?",
      },
    ],
    "a wrong type": [
      { server: { port: true } },
      { path: "server.port", message: "server.port must be a number, got true" },
    ],
    "a number out of range": [
      { server: { port: 70_000 } },
      { path: "server.port", message: "server.port must be at most 65535, got 70000" },
    ],
    "a wrong name of few": [
      { log: { level: "inof" } },
      {
        path: "log.level",
        message: 'log.level must be "debug" or "info" or "warn" or "error" or "silent", got "inof"',
        hint: "Did you mean `info`?",
      },
    ],
    "an unknown state driver": [
      { state: { driver: "reddis" } },
      {
        path: "state.driver",
        message: 'state.driver must be "memory" or "file" or "redis", got "reddis"',
        hint: "Did you mean `redis`?",
      },
    ],
    "a key of another driver": [
      { state: { driver: "memory", dir: "x" } },
      { path: "state.dir", message: "state.dir is not an option", hint: "Known here: `driver`, `maxKeys`." },
    ],
    "a state URL of another protocol": [
      { state: { driver: "redis", url: "http://:sk-canary@r" } },
      { path: "state.url", message: "state.url must be a redis:// or rediss:// URL, got another text" },
    ],
    "a time limit over the cap": [
      { timeouts: { totalMs: 600_001 } },
      { path: "timeouts.totalMs", message: "timeouts.totalMs must be at most 600000, got 600001" },
    ],
    "a backend's time limit over the cap": [
      { backends: { local: { ...local, timeouts: { idleMs: 700_000 } } } },
      {
        path: "backends.local.timeouts.idleMs",
        message: "backends.local.timeouts.idleMs must be at most 600000, got 700000",
      },
    ],
    "missing backends": [
      { backends: undefined },
      { path: "backends", message: "backends is required: an object of backends by name" },
    ],
    "an unknown adapter": [
      { backends: { local: { ...local, adapter: "plian" } } },
      {
        path: "backends.local.adapter",
        message: 'backends.local.adapter: there is no adapter "plian"',
        hint: "Did you mean `plain`?",
      },
    ],
    "a missing adapter": [
      { backends: { local: { ...local, adapter: undefined } } },
      {
        path: "backends.local.adapter",
        message: 'backends.local.adapter is required: the name of an adapter, such as "openai" or "ollama"',
      },
    ],
    "a backend without URL": [
      { backends: { far: { adapter: "regional", models: ["m"], region: "eu" } } },
      {
        path: "backends.far.baseURL",
        message:
          "backends.far.baseURL is required: an http:// or https:// URL, since the adapter `regional` has none of its own",
      },
    ],
    "a URL without scheme": [
      { backends: { local: { ...local, baseURL: "localhost:11434" } } },
      {
        path: "backends.local.baseURL",
        message: 'backends.local.baseURL must be an http:// or https:// URL, got "localhost:11434"',
        hint: "Put `http://` before it.",
      },
    ],
    "a URL with a password": [
      { backends: { local: { ...local, baseURL: "http://user:sk-canary@host" } } },
      {
        path: "backends.local.baseURL",
        message: "backends.local.baseURL must be a URL without user name and password, got one with them",
        hint: "Use `apiKey`.",
      },
    ],
    "a missing model list": [
      { backends: { local: { ...local, models: undefined } } },
      {
        path: "backends.local.models",
        message:
          "backends.local.models is required: a list of names, since the adapter `plain` cannot ask for models",
      },
    ],
    "a model listed twice": [
      { backends: { local: { ...local, models: ["m", "m"] } } },
      { path: "backends.local.models[1]", message: 'backends.local.models[1]: "m" is listed twice' },
    ],
    "a negative weight": [
      { backends: { local: { ...local, weight: -1 } } },
      { path: "backends.local.weight", message: "backends.local.weight must be at least 0, got -1" },
    ],
    "an infinite weight": [
      { backends: { local: { ...local, weight: Infinity } } },
      {
        path: "backends.local.weight",
        message: "backends.local.weight must be a finite number, got Infinity",
      },
    ],
    "a target without backend": [
      { models: { m: { targets: [{ model: "n" }] } } },
      {
        path: "models.m.targets[0].backend",
        message: "models.m.targets[0].backend is required: the name of a backend",
      },
    ],
    "a target whose backend is no name": [
      { models: { m: { targets: [{ backend: "" }] } } },
      {
        path: "models.m.targets[0].backend",
        message: "models.m.targets[0].backend must be the name of a backend, got an empty string",
      },
    ],
    "half a price": [
      { models: { m: { price: { prompt: 1 } } } },
      {
        path: "models.m.price.completion",
        message: "models.m.price.completion is required: a number of US dollars for one token",
      },
    ],
    "a store without its URL": [
      { state: { driver: "redis" } },
      {
        path: "state.url",
        message: "state.url is required: a redis:// or rediss:// URL, as text or from env()",
      },
    ],
    "a misspelt field of a backend": [
      { backends: { local: { ...local, wieght: 1 } } },
      {
        path: "backends.local.wieght",
        message: "backends.local.wieght is not an option",
        hint: "Did you mean `weight`?",
      },
    ],
    "an option of another adapter": [
      { backends: { local: { ...local, region: "eu" } } },
      {
        path: "backends.local.region",
        message: "backends.local.region is not an option",
        hint: "Known here: `adapter`, `baseURL`, `apiKey`, `weight`, `models`, `vendorPrefixes`, `enabled`, `price`, `capabilities`, `maxInputTokens`, `maxOutputTokens`, `timeouts`, `connections`.",
      },
    ],
    "a wrong option of the adapter": [
      { backends: { far: { ...local, adapter: "regional", region: "eux" } } },
      {
        path: "backends.far.region",
        message: 'backends.far.region must be "eu" or "us", got "eux"',
        hint: "Did you mean `eu`?",
      },
    ],
    "a missing option of the adapter": [
      { backends: { far: { ...local, adapter: "regional" } } },
      { path: "backends.far.region", message: 'backends.far.region is required: "eu" or "us"' },
    ],
    "a name that does not fit into ids": [
      { backends: { "a/b": local } },
      {
        path: 'backends["a/b"]',
        message: 'backends["a/b"] must be a name of letters, digits, `.`, `_` and `-`, got "a/b"',
      },
    ],
    "a dangling backend": [
      { models: { best: { targets: [{ backend: "locla" }] } } },
      {
        path: "models.best.targets[0].backend",
        message: 'models.best.targets[0].backend: there is no backend "locla"',
        hint: "Did you mean `local`?",
      },
    ],
    "a model without targets": [
      { models: { "qwen2.5:7b": { targets: [] } } },
      {
        path: 'models["qwen2.5:7b"].targets',
        message: 'models["qwen2.5:7b"].targets must be at least one target, got an empty list',
      },
    ],
    "an alias that is a model": [
      {
        models: {
          a: { targets: [{ backend: "local", model: "m" }], aliases: ["b"] },
          b: { targets: [{ backend: "local", model: "m" }] },
        },
      },
      { path: "models.a.aliases[0]", message: 'models.a.aliases[0]: "b" is taken by models.b' },
    ],
    "an alias given twice": [
      {
        models: {
          a: { targets: [{ backend: "local", model: "m" }], aliases: ["x"] },
          b: { targets: [{ backend: "local", model: "m" }], aliases: ["x"] },
        },
      },
      { path: "models.b.aliases[0]", message: 'models.b.aliases[0]: "x" is taken by models.a.aliases[0]' },
    ],
    "further names of a name that is a pattern": [
      { models: { "a-*": { targets: [{ backend: "local", model: "m" }], aliases: ["b"] } } },
      {
        path: 'models["a-*"].aliases',
        message: 'models["a-*"].aliases: a name with `*` has no further names',
      },
    ],
    "a canonical name that is a model": [
      { models: { a: { canonicalName: "b" }, b: { targets: [{ backend: "local", model: "m" }] } } },
      { path: "models.a.canonicalName", message: 'models.a.canonicalName: "b" is taken by models.b' },
    ],
    "a negative price": [
      { models: { m: { price: { prompt: -1, completion: 0 } } } },
      { path: "models.m.price.prompt", message: "models.m.price.prompt must be at least 0, got -1" },
    ],
    "a list of models that is neither": [
      { backends: { local: { ...local, models: "m" } } },
      {
        path: "backends.local.models",
        message: 'backends.local.models must be a list of names, or "discover", got a string of 1 character',
      },
    ],
    "a model that is no name": [
      { backends: { local: { ...local, models: ["m", 5] } } },
      { path: "backends.local.models[1]", message: "backends.local.models[1] must be a string, got 5" },
    ],
    "a vendor prefix with a colon": [
      { backends: { local: { ...local, vendorPrefixes: ["a:"] } } },
      {
        path: "backends.local.vendorPrefixes[0]",
        message:
          "backends.local.vendorPrefixes[0] must be text without a colon, got a string of 2 characters",
      },
    ],
    "a default model that is none": [
      { backends: { local: { ...local, models: ["gpt-4o"] } }, defaultModels: { chat: "gpt-4p" } },
      {
        path: "defaultModels.chat",
        message: 'defaultModels.chat: there is no model "gpt-4p"',
        hint: "Did you mean `gpt-4o`?",
      },
    ],
    "file state for several processes": [
      { server: { workers: 2 }, state: { driver: "file" } },
      {
        path: "state.driver",
        message: 'state.driver must be one that 2 workers can share, got "file", which takes one process',
        hint: 'Set `state: { driver: "redis", url }`, or `server.workers: 1`.',
      },
    ],
    "a key with a line break in it": [
      { backends: { local: { ...local, apiKey: "sk-canary\nsecond" } } },
      {
        path: "backends.local.apiKey",
        message: "backends.local.apiKey must be a key that a header can carry, got one with a line break",
      },
    ],
    "a key that ends with two lines": [
      { backends: { local: { ...local, apiKey: "sk-canary\n\n" } } },
      {
        path: "backends.local.apiKey",
        message: "backends.local.apiKey must be a key that a header can carry, got one with a line break",
      },
    ],
    "a key in typographic quotes": [
      { backends: { local: { ...local, apiKey: "\u201csk-canary\u201d" } } },
      {
        path: "backends.local.apiKey",
        message:
          "backends.local.apiKey must be a key that a header can carry, got one with a character that none can",
      },
    ],
    "a base URL with a fragment": [
      { backends: { local: { ...local, baseURL: "http://127.0.0.1:1/v1#top" } } },
      {
        path: "backends.local.baseURL",
        message: "backends.local.baseURL must be a URL without `#`, got one with it",
      },
    ],
    "a default for an operation that is none": [
      { defaultModels: { chta: "m" } },
      {
        path: "defaultModels.chta",
        message: 'defaultModels.chta: there is no operation "chta"',
        hint: "Did you mean `chat`?",
      },
    ],
    "a condition on an operation that is none": [
      {
        plugins: [
          limit(),
          when({ models: ["m"] }, when({ operations: ["chat", "chta" as "chat"] }, limit())),
        ],
      },
      {
        path: "plugins[1].when[0].when.operations[1]",
        message: 'plugins[1].when[0].when.operations[1]: there is no operation "chta"',
        hint: "Did you mean `chat`?",
      },
    ],
    "a condition on a model that is none": [
      {
        backends: { local: { ...local, models: ["qwen2.5:7b", "llama*"] } },
        plugins: [when({ models: ["llama3", "qwne2.5:7b"] }, limit())],
      },
      {
        path: "plugins[0].when.models[1]",
        message: 'plugins[0].when.models[1]: there is no model "qwne2.5:7b"',
        hint: "Did you mean `qwen2.5:7b`?",
      },
    ],
    "a proxy that is no address": [
      { server: { trustedProxies: ["127.0.0.1", "::1/128", "localhost"] } },
      {
        path: "server.trustedProxies[2]",
        message:
          "server.trustedProxies[2] must be an IP address, or a range such as 10.0.0.0/8, got a string of 9 characters",
      },
    ],
    "a range of proxies that is none": [
      { server: { trustedProxies: ["10.0.0.0/8x"] } },
      {
        path: "server.trustedProxies[0]",
        message:
          "server.trustedProxies[0] must be an IP address, or a range such as 10.0.0.0/8, got a string of 11 characters",
      },
    ],
    "a range of proxies that is longer than an address": [
      { server: { trustedProxies: ["10.0.0.0/33"] } },
      {
        path: "server.trustedProxies[0]",
        message:
          "server.trustedProxies[0] must be an IP address, or a range such as 10.0.0.0/8, got a string of 11 characters",
      },
    ],
    "a name among options that the config does not have": [
      { plugins: [when({ models: ["m"] }, preferring({ prefer: ["local", "locla"] }))] },
      {
        path: "plugins[0].when[0].preferring.prefer[1]",
        message: 'plugins[0].when[0].preferring.prefer[1] must be the name of a backend, got "locla"',
        hint: "Did you mean `local`?",
      },
    ],
    "a factory that nobody called": [
      { plugins: [limit] },
      {
        path: "plugins[0]",
        message: "plugins[0] must be a plugin, got a function",
        hint: "This is the factory of `limit`: call it, with its options or with none.",
      },
    ],
    "a list in the list": [
      { plugins: [[limit()]] },
      {
        path: "plugins[0]",
        message: "plugins[0] must be a plugin, got a list of 1",
        hint: "Spread a list into its place: `...list`.",
      },
    ],
    "a plugin that is switched off by `&&`": [
      { plugins: [false] },
      {
        path: "plugins[0]",
        message: "plugins[0] must be a plugin, got false",
        hint: "To leave a plugin out, spread a list: `...(on ? [plugin()] : [])`.",
      },
    ],
    "an object that is no plugin": [
      { plugins: [limit(), { name: "limit" }] },
      {
        path: "plugins[1]",
        message: "plugins[1] must be a plugin, got an object",
        hint: 'Write a plugin by its name, { "name": "limit", "options": { … } }, or call its factory.',
      },
    ],
    "plugins that are no list": [
      { plugins: limit() },
      { path: "plugins", message: "plugins must be a list, got a plugin" },
    ],
    "a wrong option of a plugin": [
      { plugins: [link("x", {}), limit({ capacity: -1 })] },
      { path: "plugins[1].limit.capacity", message: "plugins[1].limit.capacity must be at least 0, got -1" },
    ],
    "a misspelt option of a plugin": [
      { plugins: [limit({ capcity: 1 } as never)] },
      {
        path: "plugins[0].limit.capcity",
        message: "plugins[0].limit.capcity is not an option",
        hint: "Did you mean `capacity`?",
      },
    ],
    "an option of a plugin within when()": [
      { plugins: [when({ models: ["m"] }, limit({ algorithm: "tokenbucket" } as never))] },
      {
        path: "plugins[0].when[0].limit.algorithm",
        message:
          'plugins[0].when[0].limit.algorithm must be "token-bucket" or "sliding-window", got "tokenbucket"',
        hint: "Did you mean `token-bucket`?",
      },
    ],
    "a condition that is none": [
      { plugins: [when({ model: ["m"] } as never, limit())] },
      {
        path: "plugins[0].when.model",
        message: "plugins[0].when.model is no condition",
        hint: "Did you mean `models`?",
      },
    ],
    "an empty condition": [
      { plugins: [when({ models: [] }, limit())] },
      {
        path: "plugins[0].when.models",
        message: "plugins[0].when.models must be a list of names, not empty, got an empty list",
      },
    ],
    "a need that comes before what gives it": [
      {
        plugins: [
          link("breaks", { needs: ["target"] }),
          link("other", {}),
          link("chooses", { gives: ["target"] }),
        ],
      },
      {
        path: "plugins[0].breaks",
        message: "`breaks` (plugins[0]) needs `target`, which nothing before it gives",
        hint: "Move `chooses` (plugins[2]) before plugins[0].",
      },
    ],
    "a need that nothing gives": [
      { plugins: [link("breaks", { needs: ["principal", "model"] })] },
      {
        path: "plugins[0].breaks",
        message: "`breaks` (plugins[0]) needs `principal`, which nothing before it gives",
        hint: "List a plugin that gives `principal` before it.",
      },
    ],
    "a need that is met only under a condition": [
      {
        plugins: [
          when({ models: ["m"] }, link("chooses", { gives: ["target"] })),
          link("breaks", { needs: ["target"] }),
        ],
      },
      {
        path: "plugins[1].breaks",
        message: "`breaks` (plugins[1]) needs `target`, which nothing before it gives",
        hint: expect.stringContaining("only under a condition"),
      },
    ],
    "exact counts of several workers in memory": [
      { server: { workers: 2 }, plugins: [limit()] },
      {
        path: "plugins[0].limit",
        message: "`limit` promises exact counts, which 2 workers cannot keep in memory state",
        hint: 'Set `state: { driver: "redis", url }`, or `server.workers: 1`.',
      },
    ],
  };
  for (const [what, [config, expected]] of Object.entries(cases)) {
    it(`G2: refuses ${what}`, async () => expect(await only(config)).toEqual(expected));
  }

  it("meets a need within one when(), and in a nested one", async () => {
    const chooses = link("chooses", { gives: ["target"] });
    const breaks = link("breaks", { needs: ["target"] });
    await accepted({ plugins: [when({ models: ["m"] }, chooses, breaks)] });
    await accepted({ plugins: [when({ models: ["m"] }, chooses, when({ operations: ["chat"] }, breaks))] });
  });

  it("accepts several workers with Redis, and plugins that promise nothing exact", async () => {
    const server = { workers: 2 };
    await accepted({ server, plugins: [limit()], state: { driver: "redis", url: "redis://127.0.0.1:1" } });
    await accepted({ server, plugins: [limit({ algorithm: "sliding-window" })] });
  });

  it("G2: tells all faults at once, every unknown key of an object included", async () => {
    const faults = await faultsOf({
      backends: {
        local: { adapter: "plian", baseURL: "ftp://x", weight: -1, models: "m" },
        far: { adapter: "regional", regoin: "eu", one: 1, models: ["m"] },
      },
      server: { prot: 1, hots: "a", port: "x" },
      models: { best: { targets: [{ backend: "fra", wieght: 1 }] } },
      plugins: [limit, limit({ a: 1, b: 2, store: { c: 3 } } as never)],
    });
    expect(faults.map(({ path }) => path).sort()).toEqual(
      [
        "backends.local.adapter",
        "backends.local.baseURL",
        "backends.local.weight",
        "backends.local.models",
        "backends.far.baseURL",
        "backends.far.region",
        "backends.far.regoin",
        "backends.far.one",
        "server.prot",
        "server.hots",
        "server.port",
        "models.best.targets[0].backend",
        "models.best.targets[0].wieght",
        "plugins[0]",
        "plugins[1].limit.a",
        "plugins[1].limit.b",
        "plugins[1].limit.store.c",
      ].sort(),
    );
    expect(faults.find(({ path }) => path === "models.best.targets[0].backend")!.hint).toBe(
      "Did you mean `far`?",
    );
  });

  it("warns about an alias that a backend lists, since the whole name comes first", async () => {
    const result = await resolve({
      models: { a: { targets: [{ backend: "local", model: "m" }], aliases: ["n"] } },
    });
    expect(result.warnings).toEqual([
      'models["a"]: the alias `n` is the name of a model of backend `local`, which is taken first',
    ]);
  });

  it("takes a default model that some pattern, prefix or list may turn out to have", async () => {
    const defaultModels = { chat: "house:any", embeddings: "gpt-9" };
    const open = { ...local, models: ["gpt-*"], vendorPrefixes: ["house"] };
    expect((await accepted({ backends: { open }, defaultModels })).defaultModels).toEqual(defaultModels);
  });

  it("takes a condition on a model that some backend may turn out to have, and on what a plugin adds", async () => {
    const listing = { ...local, adapter: "lister", models: "discover" };
    const lister = defineAdapter({ ...plain, name: "lister", models: { path: "/models", read: () => [] } });
    const doors = defineGatewayPlugin({
      name: "doors",
      options: v.strictObject({}),
      operations: ["rooms"],
      setup: () => ({}),
    });
    const result = await resolveConfig(
      {
        backends: { local, listing },
        plugins: [doors(), when({ operations: ["rooms"], models: ["perhaps"] }, limit())],
      },
      { dir: "/project", adapters: new Map([...adapters, ["lister", lister as unknown as Adapter]]) },
    );
    expect(result).toMatchObject({ ok: true });
  });

  it("takes a condition on each name of a model", async () => {
    const models = {
      best: { targets: [{ backend: "local", model: "m" }], aliases: ["finest"], canonicalName: "top" },
    };
    await accepted({ models, plugins: [when({ models: ["best", "finest", "top", "m"] }, limit())] });
  });

  it("tells names that options may not have beside the faults of backends, which have theirs all the same", async () => {
    const faults = await faultsOf({
      backends: { local: { ...local, weight: -1 } },
      plugins: [preferring({ prefer: ["local", "locla"] })],
    });
    expect(faults.map(({ path }) => path)).toEqual([
      "backends.local.weight",
      "plugins[0].preferring.prefer[1]",
    ]);
  });

  it("does not miss the backends that a plugin with faults would have added", async () => {
    const adding = defineGatewayPlugin({
      name: "adding",
      options: v.strictObject({ backend: v.string() }),
      contribute: ({ backend }) => ({ backends: { [backend]: local } }),
      setup: () => ({}),
    });
    const faults = await faultsOf({
      plugins: [adding({ backend: 1 } as never), preferring({ prefer: ["added"] })],
    });
    expect(faults.map(({ path }) => path)).toEqual(["plugins[0].adding.backend"]);
  });

  it.each(["\n", "\r\n"])("takes a key without the %j that a mounted file ends with", async (end) => {
    vi.stubEnv("MOUNTED_KEY", `sk-canary${end}`);
    const { backends } = await accepted({
      backends: {
        plain: { ...local, apiKey: `sk-canary${end}` },
        mounted: { ...local, apiKey: env("MOUNTED_KEY") },
      },
    });
    expect(backends.map(({ apiKey }) => revealSecret(apiKey!))).toEqual(["sk-canary", "sk-canary"]);
    expect(backends[1]!.apiKey!.source).toBe("MOUNTED_KEY");
    vi.unstubAllEnvs();
  });

  it("has no delay before the stop in development", async () => {
    const raw = { backends: { local }, server: { preStopDelayMs: 7_000 } };
    for (const [mode, delayMs] of [
      ["development", 0],
      ["production", 7_000],
    ] as const) {
      const result = await resolveConfig(raw, { dir: "/project", adapters, mode });
      expect(result.ok && result.config.server.preStopDelayMs).toBe(delayMs);
    }
  });

  it("warns about a target whose backend does not list the model", async () => {
    const result = await resolve({ models: { best: { targets: [{ backend: "local", model: "mm" }] } } });
    expect(result.warnings).toEqual(['models["best"]: backend `local` does not list the model `mm`']);
  });

  it("G8: a key in any wrong place is never shown", async () => {
    const canary = "sk-canary-0123456789abcdef";
    const places: Record<string, unknown>[] = [
      { backends: { local: { ...local, adapter: canary } } },
      { backends: { local: { ...local, baseURL: canary } } },
      { backends: { local: { ...local, weight: canary } } },
      { backends: { local: { ...local, models: canary } } },
      { backends: { local: { ...local, apiKey: [canary] } } },
      { backends: { local: { ...local, apiKey: `\${X}${canary}` } } },
      { backends: { local: canary } },
      { backends: { far: { ...local, adapter: "regional", region: canary, token: canary } } },
      { backends: canary },
      { state: { driver: "redis", url: `redis://:${canary}@`, prefix: 1 } },
      { state: { driver: canary } },
      { state: { driver: "redis", url: canary } },
      { server: { port: canary, host: [canary] } },
      { log: { level: canary } },
      { models: { m: { targets: [{ backend: canary }] } } },
      { defaultModels: { chat: canary } },
      { plugins: [canary] },
      { plugins: [limit({ capacity: canary, algorithm: canary } as never)] },
      { plugins: [limit({ capacity: env("NO_SUCH", canary) } as never)] },
      { unknown: canary },
    ];
    const checked = v.pipe(
      v.string(),
      v.check(
        () => false,
        ({ input }) => `${input} is no good`,
      ),
    );
    const own = defineGatewayPlugin({
      name: "own",
      options: v.strictObject({ key: checked }),
      setup: () => ({}),
    });
    places.push({ plugins: [own({ key: canary })] });
    for (const place of places) {
      const faults = await faultsOf(place);
      expect(faults.length).toBeGreaterThan(0);
      const printed = formatFaults(faults) + JSON.stringify(faults) + inspect(faults, { depth: 9 });
      expect(printed).not.toContain(canary);
    }
  });

  it("prints faults for a terminal, by file, with what to do", async () => {
    const result = await resolveConfig(
      { backends: {}, server: { prot: 1 }, log: { level: 5 } },
      { dir: "/project", file: "/project/gateway.config.ts", adapters },
    );
    expect(formatFaults(result.ok ? [] : result.faults, "/project")).toBe(
      [
        "gateway.config.ts: 2 faults",
        "  ✗ server.prot is not an option",
        "    Did you mean `port`?",
        '  ✗ log.level must be "debug" or "info" or "warn" or "error" or "silent", got 5',
      ].join("\n"),
    );
  });
});
