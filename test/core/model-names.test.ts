import type { Adapter, Backend, ListedModel } from "gatewright";
import { describe, expect, it } from "vitest";
import { createPattern } from "../../core/src/models/name-pattern.ts";
import { coreOperations } from "../../core/src/operations/index.ts";
import { createRouter } from "../../core/src/router.ts";

type RouterConfig = Parameters<typeof createRouter>[0];
type Source = RouterConfig["backends"][number];

interface Spec extends Partial<Source> {
  name: string;
  adapter?: Partial<Adapter>;
}

const operationOf = (name: string) => coreOperations.find((operation) => operation.name === name)!;
const chat = operationOf("chat");

function routerOf(specs: Spec[], rest: Partial<RouterConfig> = {}) {
  const backends = new Map<string, Backend>();
  const sources: Source[] = [];
  for (const { name, adapter, ...source } of specs) {
    const operations = { chat: { path: "/" }, embeddings: { path: "/" } };
    backends.set(name, {
      name,
      adapter: { name: "plain", provider: "plain", operations, ...adapter },
      baseURL: new URL("http://backend.test"),
    } as unknown as Backend);
    sources.push({ name, models: [], weight: 1, ...source });
  }
  return createRouter({ models: [], ...rest, backends: sources }, backends);
}

const listing = (...ids: string[]): ListedModel[] => ids.map((id) => ({ id }));
const targetsOf = (router: ReturnType<typeof routerOf>, name: string): string[] =>
  router.resolve(name, chat).map(({ id, model }) => (id.endsWith(`/${model}`) ? id : `${id} as ${model}`));
const refusal = (status: number, code: string): unknown => expect.objectContaining({ status, code });

describe("patterns", () => {
  it.each([
    ["gpt-*", "gpt-4o", true],
    ["gpt-*", "gpt-", true],
    ["gpt-*", "gpt", false],
    ["gpt-*", "GPT-4", false],
    ["*", "anything/at:all", true],
    ["*-embed-*", "nomic-embed-text", true],
    ["*-embed-*", "-embed", false],
    ["a*a", "a", false],
    ["a*a", "aa", true],
    ["a*b*c", "a-b-c-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["a.c*", "abc", false],
    ["plain", "plain", true],
    ["plain", "plainplain", false],
  ])("%s on %s: %s", (pattern, name, matches) => {
    expect(createPattern(pattern).matches(name)).toBe(matches);
  });

  it("take no longer for a hostile pattern", () => {
    const pattern = createPattern("*a".repeat(2_000));
    expect(pattern.matches("a".repeat(1_999) + "b".repeat(100_000))).toBe(false);
    expect(pattern.matches("a".repeat(2_000))).toBe(true);
  });
});

describe("mo-1: the order in which a name is understood", () => {
  it("takes a model of the config before a listed one, that before an alias, a prefix, a pattern", () => {
    const router = routerOf(
      [
        { name: "s1", models: ["own", "both", "openai:x"] },
        { name: "s2", models: ["openai:*", "b*"], vendorPrefixes: ["openai"] },
        { name: "s3", models: ["x", "y"], vendorPrefixes: ["openai"] },
      ],
      {
        models: [
          { name: "own", aliases: ["both", "openai:y"], targets: [{ backend: "s3", model: "x", weight: 1 }] },
        ],
      },
    );
    expect(targetsOf(router, "own")).toEqual(["s3/x"]);
    expect(router.find("own")!.via).toBe("configured");
    // Listed by s1, an alias of `own`, and within the pattern of s2.
    expect(targetsOf(router, "both")).toEqual(["s1/both"]);
    expect(router.find("both")!.via).toBe("listed");
    expect(targetsOf(router, "openai:x")).toEqual(["s1/openai:x"]);
    expect(router.find("openai:y")).toMatchObject({ via: "alias", of: "own" });
    expect(targetsOf(router, "bee")).toEqual(["s2/b* as bee"]);
    expect(router.find("bee")).toMatchObject({ via: "pattern", of: "b*" });
  });

  it("narrows what stands behind a vendor prefix to the vendor's backends", () => {
    const router = routerOf([
      { name: "s1", models: ["gpt-4.1"] },
      { name: "s2", models: ["gpt-4.1"], adapter: { vendorPrefixes: ["openai"] } },
    ]);
    expect(targetsOf(router, "gpt-4.1")).toEqual(["s1/gpt-4.1", "s2/gpt-4.1"]);
    expect(targetsOf(router, "openai:gpt-4.1")).toEqual(["s2/gpt-4.1"]);
    expect(router.find("openai:gpt-4.1")).toMatchObject({ via: "vendor", of: "gpt-4.1" });
  });
});

describe("mo-2: colons", () => {
  const router = routerOf([
    { name: "s1", models: ["qwen2.5:7b", "x:y:z"] },
    { name: "s2", discovers: true, vendorPrefixes: ["openai"] },
  ]);

  it.each([":a", "a:", "a:b:c", ":", "qwen2.5:7b:", ":qwen2.5:7b", "openai:"])(
    "refuses %j with 400",
    (name) => {
      expect(() => router.resolve(name, chat)).toThrow(refusal(400, "invalid_request"));
    },
  );

  it("takes a whole name that is listed, whatever colons it has", () => {
    expect(targetsOf(router, "qwen2.5:7b")).toEqual(["s1/qwen2.5:7b"]);
    expect(targetsOf(router, "x:y:z")).toEqual(["s1/x:y:z"]);
  });

  it("takes the rest whole after a vendor prefix", () => {
    expect(router.resolve("openai:ft:gpt-4.1:org::id", chat)[0]!.model).toBe("ft:gpt-4.1:org::id");
  });
});

describe("mo-7: aliases and canonical names", () => {
  it("reaches one backend by each name of a model, under its own name there", () => {
    const router = routerOf(
      [
        { name: "local", models: ["gpt-oss:20b"] },
        { name: "far", models: ["llama-3"] },
      ],
      { sameModels: [["openai/gpt-oss-20b", "gpt-oss:20b"]] },
    );
    for (const name of ["openai/gpt-oss-20b", "gpt-oss:20b"]) {
      expect(targetsOf(router, name)).toEqual(["local/gpt-oss:20b"]);
      expect(router.find(name)!.canonicalName).toBe("openai/gpt-oss-20b");
    }
    expect([...router.models.keys()]).toEqual(["gpt-oss:20b", "llama-3", "openai/gpt-oss-20b"]);
  });

  it("lets what the config says of a name win over what plugins know", () => {
    const router = routerOf([{ name: "s1", models: ["a", "b"] }], {
      models: [{ name: "a", aliases: ["public"], canonicalName: "vendor/a" }],
      sameModels: [["public", "b"]],
    });
    expect(targetsOf(router, "public")).toEqual(["s1/a"]);
    expect(targetsOf(router, "vendor/a")).toEqual(["s1/a"]);
    expect(router.find("a")).toMatchObject({ canonicalName: "vendor/a", aliases: ["public"] });
  });
});

describe("mo-8: vendor prefixes", () => {
  const router = routerOf(
    [
      { name: "account", models: ["gpt-4.1"], adapter: { vendorPrefixes: ["openai", "oai"] } },
      { name: "house", models: ["m"], vendorPrefixes: ["house"], adapter: { vendorPrefixes: ["openai"] } },
      { name: "out", enabled: false, models: ["k"], vendorPrefixes: ["out"] },
    ],
    { knownVendors: ["openai", "google"] },
  );

  it("removes the prefix upstream; a backend may claim others than its adapter", () => {
    expect(targetsOf(router, "openai:gpt-4.1")).toEqual(["account/gpt-4.1"]);
    expect(targetsOf(router, "oai:gpt-4.1")).toEqual(["account/gpt-4.1"]);
    expect(targetsOf(router, "house:m")).toEqual(["house/m"]);
    expect(() => router.resolve("openai:m", chat)).toThrow(refusal(404, "model_not_found"));
  });

  it("refuses an unknown prefix before a known model with 400, any other unknown name with 404", () => {
    expect(() => router.resolve("foo:gpt-4.1", chat)).toThrow(refusal(400, "unknown_provider"));
    expect(() => router.resolve("nosuch:7b", chat)).toThrow(refusal(404, "model_not_found"));
  });

  it("refuses a vendor without an account with 401, one whose account is out with 503", () => {
    expect(() => router.resolve("google:gemini-2.5-pro", chat)).toThrow(refusal(401, "provider_key_missing"));
    expect(() => router.resolve("out:k", chat)).toThrow(refusal(503, "no_nodes"));
  });

  it("lists names under the first prefix too, once each", () => {
    expect([...router.models.keys()]).toEqual(["gpt-4.1", "m", "openai:gpt-4.1", "house:m"]);
  });
});

describe("wildcards", () => {
  it("serves any name that fits, under one id for each pattern", () => {
    const router = routerOf([{ name: "s1", models: ["gpt-*"], weight: 3 }]);
    const [four, five] = ["gpt-4", "gpt-5"].map((name) => router.resolve(name, chat)[0]!);
    expect([four!.id, four!.model, five!.id, five!.model]).toEqual([
      "s1/gpt-*",
      "gpt-4",
      "s1/gpt-*",
      "gpt-5",
    ]);
    expect(four!.weight).toBe(3);
    four!.inFlight++;
    expect(five!.inFlight).toBe(1);
    expect(router.targets.get("s1/gpt-*")).toMatchObject({ model: "gpt-*", inFlight: 1 });
    expect([...router.models.keys()]).toEqual([]);
  });

  it("takes the closest description, and every backend whose pattern fits when backends describe it", () => {
    const router = routerOf(
      [
        { name: "s1", models: ["gpt-*"] },
        { name: "s2", models: ["gpt-4*", "claude-3"] },
      ],
      {
        models: [
          { name: "*", aliases: [], targets: [{ backend: "s1", model: "fallback", weight: 1 }] },
          { name: "claude-*", aliases: [], targets: [{ backend: "s2", model: "*", weight: 1 }] },
          { name: "fast-*", aliases: [], targets: [{ backend: "s1", model: "vendor/*", weight: 1 }] },
        ],
      },
    );
    expect(targetsOf(router, "gpt-4o")).toEqual(["s1/gpt-* as gpt-4o", "s2/gpt-4* as gpt-4o"]);
    expect(targetsOf(router, "gpt-5")).toEqual(["s1/gpt-* as gpt-5"]);
    expect(targetsOf(router, "claude-4")).toEqual(["s2/claude-* as claude-4"]);
    expect(targetsOf(router, "fast-one")).toEqual(["s1/vendor/fast-* as vendor/fast-one"]);
    expect(targetsOf(router, "what")).toEqual(["s1/fallback"]);
    // A whole name comes before every pattern.
    expect(targetsOf(router, "claude-3")).toEqual(["s2/claude-3"]);
  });

  it("remembers names that clients invent only so far, and the targets of others stay the same objects", () => {
    const router = routerOf([{ name: "s1", models: ["m", "gpt-*"] }]);
    const [plain, invented] = [router.resolve("m", chat), router.resolve("gpt-1", chat)];
    expect(router.resolve("gpt-1", chat)).toBe(invented);
    for (let count = 0; count < 10_000; count++) router.resolve(`gpt-x${count}`, chat);
    expect(router.resolve("m", chat)).toBe(plain);
    expect(router.resolve("gpt-1", chat)).not.toBe(invented);
    expect(router.targets.size).toBe(2);
  });
});

describe("mo-12: accounts without a list", () => {
  it("serve the adapter's patterns until their list is read, then what it holds", () => {
    const account = { name: "account", discovers: true, adapter: { modelPatterns: ["claude-*"] } };
    const router = routerOf([account]);
    expect(targetsOf(router, "claude-3-opus-20240229")).toEqual([
      "account/claude-* as claude-3-opus-20240229",
    ]);
    router.setListing("account", listing("claude-4"));
    expect(targetsOf(router, "claude-4")).toEqual(["account/claude-4"]);
    expect(() => router.resolve("claude-3-opus-20240229", chat)).toThrow(refusal(404, "model_not_found"));
  });

  it("are no reason for a 404 before anything is known of them", () => {
    const router = routerOf([{ name: "silent", discovers: true }]);
    expect(() => router.resolve("m", chat)).toThrow(refusal(503, "no_nodes"));
    router.setListing("silent", []);
    expect(() => router.resolve("m", chat)).toThrow(refusal(404, "model_not_found"));
  });
});

describe("mo-15: lists that change", () => {
  it("counts what was added, removed and updated; what did not change stays the same object", () => {
    const router = routerOf([
      { name: "s1", discovers: true },
      { name: "s2", models: ["a"] },
    ]);
    expect(router.setListing("s1", listing("a", "b"))).toEqual({
      total: 2,
      added: 2,
      removed: 0,
      updated: 0,
    });
    const before = router.resolve("a", chat);
    const version = router.version;
    expect(router.setListing("s1", listing("a", "b"))).toEqual({
      total: 2,
      added: 0,
      removed: 0,
      updated: 0,
    });
    expect(router.version).toBe(version);
    const change = router.setListing("s1", [{ id: "a" }, { id: "c", maxInputTokens: 8 }]);
    expect(change).toEqual({ total: 2, added: 1, removed: 1, updated: 0 });
    expect(router.resolve("a", chat)).toBe(before);
    expect(() => router.resolve("b", chat)).toThrow(refusal(404, "model_not_found"));
    expect([...router.targets.keys()].sort()).toEqual(["s1/a", "s1/c", "s2/a"]);
    const told = router.setListing("s1", [{ id: "a" }, { id: "c", maxInputTokens: 16 }]);
    expect(told).toEqual({ total: 2, added: 0, removed: 0, updated: 1 });
    expect(router.targets.get("s1/c")).toMatchObject({ maxInputTokens: 16 });
  });

  it("keeps the order of the config whichever backend tells first", () => {
    const names = ["s1", "s2", "s3"];
    const router = routerOf(names.map((name) => ({ name, discovers: true })));
    for (const name of ["s3", "s1", "s2"]) router.setListing(name, listing("m"));
    expect(targetsOf(router, "m")).toEqual(["s1/m", "s2/m", "s3/m"]);
  });

  it("counts what runs over a change of what is said of the model", () => {
    const router = routerOf([{ name: "s1", discovers: true }]);
    router.setListing("s1", listing("m"));
    const before = router.resolve("m", chat)[0]!;
    before.inFlight++;
    router.setListing("s1", [{ id: "m", maxOutputTokens: 9 }]);
    const after = router.resolve("m", chat)[0]!;
    expect(after).not.toBe(before);
    expect(after.inFlight).toBe(1);
    before.inFlight--;
    expect(after.inFlight).toBe(0);
  });

  it.each(["embed-english", "nomic-embed-text", "text_embedding"])("takes %s for embeddings only", (name) => {
    const router = routerOf([{ name: "s1", discovers: true }]);
    router.setListing("s1", listing(name));
    expect(router.resolve(name, operationOf("embeddings"))).toHaveLength(1);
    expect(() => router.resolve(name, chat)).toThrow(refusal(501, "unsupported_operation"));
  });

  it.each(["text-embedding-3-small", "embed", "reembed"])("reads the name %s as the rule says", (name) => {
    const router = routerOf([{ name: "s1", discovers: true }]);
    router.setListing("s1", listing(name));
    const isEmbedding = name !== "reembed";
    expect(router.targets.get(`s1/${name}`)!.operations).toEqual(isEmbedding ? ["embeddings"] : undefined);
  });

  it("believes a list that says itself what a model is for", () => {
    const router = routerOf([{ name: "s1", discovers: true }]);
    router.setListing("s1", [{ id: "my-embed", operations: ["chat"] }]);
    expect(router.resolve("my-embed", chat)).toHaveLength(1);
    expect(() => router.resolve("my-embed", operationOf("embeddings"))).toThrow(
      refusal(501, "unsupported_operation"),
    );
  });
});

describe("backends that are not online", () => {
  it("get nothing, and their models are not listed", () => {
    const router = routerOf(
      [
        { name: "s1", models: ["a", "b"] },
        { name: "s2", models: ["a", "c"], enabled: false },
      ],
      { models: [{ name: "v", aliases: [], targets: [{ backend: "s2", model: "c", weight: 1 }] }] },
    );
    expect(targetsOf(router, "a")).toEqual(["s1/a"]);
    for (const name of ["c", "v"]) expect(() => router.resolve(name, chat)).toThrow(refusal(503, "no_nodes"));
    expect([...router.models.keys()]).toEqual(["a", "b"]);
    router.setOnline("s2", true);
    expect(targetsOf(router, "a")).toEqual(["s1/a", "s2/a"]);
    expect([...router.models.keys()]).toEqual(["a", "b", "c", "v"]);
    router.setOnline("s1", false);
    expect(() => router.resolve("b", chat)).toThrow(refusal(503, "no_nodes"));
    expect(() => router.resolve("d", chat)).toThrow(refusal(404, "model_not_found"));
    router.setOnline("s2", false);
    expect(() => router.resolve("d", chat)).toThrow(refusal(503, "no_nodes"));
  });
});

describe("what is known of a model", () => {
  const price = (prompt: number) => ({ prompt, completion: prompt });

  it("is said by the narrowest place: target, model, backend, the backend's own list", () => {
    const router = routerOf(
      [
        { name: "s1", discovers: true, facts: { price: price(3), capabilities: ["tools"] } },
        { name: "s2", models: ["m"] },
      ],
      {
        models: [
          { name: "m", aliases: [], facts: { price: price(2) } },
          { name: "other-*", aliases: [], facts: { price: price(5) } },
          {
            name: "v",
            aliases: [],
            facts: { maxOutputTokens: 7 },
            targets: [
              { backend: "s1", model: "m", weight: 1, facts: { price: price(1) } },
              { backend: "s1", model: "n", weight: 1 },
            ],
          },
        ],
      },
    );
    router.setListing("s1", [
      { id: "m", maxInputTokens: 10, maxOutputTokens: 20 },
      { id: "n", ownedBy: "somebody" },
      { id: "other-1" },
    ]);
    expect(router.resolve("m", chat)).toMatchObject([
      { price: price(2), capabilities: ["tools"], maxInputTokens: 10, maxOutputTokens: 20 },
      { price: price(2), capabilities: undefined },
    ]);
    expect(router.resolve("v", chat)).toMatchObject([
      { price: price(1), maxOutputTokens: 7, maxInputTokens: 10 },
      { price: price(3), maxOutputTokens: 7, ownedBy: "somebody" },
    ]);
    expect(router.resolve("other-1", chat)[0]!.price).toEqual(price(5));
  });

  it("does not split what runs at one place", () => {
    const router = routerOf([{ name: "s1", models: ["m"] }], {
      models: [
        {
          name: "v",
          aliases: [],
          targets: [{ backend: "s1", model: "m", weight: 4, facts: { price: price(1) } }],
        },
      ],
    });
    router.resolve("v", chat)[0]!.inFlight++;
    expect(router.targets.get("s1/m")!.inFlight).toBe(1);
  });
});

describe("a target that is asked for by backend and model", () => {
  it("is the listed one, or one of its own that is kept", () => {
    const router = routerOf([{ name: "s1", models: ["m"] }]);
    expect(router.targetAt("s1", "m")).toBe(router.resolve("m", chat)[0]);
    const own = router.targetAt("s1", "hidden");
    expect(own).toMatchObject({ id: "s1/hidden", model: "hidden", weight: 1 });
    expect(router.targetAt("s1", "hidden")).toBe(own);
    expect(router.targets.get("s1/hidden")).toBe(own);
    expect(() => router.targetAt("nope", "m")).toThrow("no backend `nope`");
    expect(() => router.resolve("hidden", chat)).toThrow(refusal(404, "model_not_found"));
  });
});

describe("a thousand backends of two hundred models", () => {
  it("answers each name from what it found before", () => {
    const models = Array.from({ length: 200 }, (_, index) => `model-${index}`);
    const specs = Array.from({ length: 1_000 }, (_, index) => ({ name: `s${index}`, models }));
    const router = routerOf(specs);
    expect(router.targets.size).toBe(200_000);
    const first = models.map((name) => router.resolve(name, chat));
    expect(first.every((list) => list.length === 1_000)).toBe(true);
    models.forEach((name, index) => expect(router.resolve(name, chat)).toBe(first[index]));
  });
});
