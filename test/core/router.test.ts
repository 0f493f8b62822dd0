import type { Adapter, Backend } from "gatewright";
import { describe, expect, it } from "vitest";
import { coreOperations } from "../../core/src/operations/index.ts";
import { createRouter } from "../../core/src/router.ts";

type RouterConfig = Parameters<typeof createRouter>[0];

const operationOf = (name: string) => coreOperations.find((operation) => operation.name === name)!;
const chat = operationOf("chat");

function createBackends(
  ...specs: { name: string; models: string[]; weight?: number; operations?: string[] }[]
) {
  const backends = new Map<string, Backend>();
  for (const { name, operations = ["chat"] } of specs) {
    const adapter = { name, operations: Object.fromEntries(operations.map((key) => [key, { path: "/" }])) };
    const baseURL = new URL("http://backend.test");
    backends.set(name, { name, baseURL, adapter: adapter as unknown as Adapter } as Backend);
  }
  const config = specs.map(({ name, models, weight = 1 }) => ({ name, models, weight }));
  return { backends, config: config as unknown as RouterConfig["backends"] };
}

const ids = (list: readonly { id: string }[]): string[] => list.map(({ id }) => id);

describe("the router", () => {
  const { backends, config } = createBackends(
    { name: "s1", models: ["a", "org/a:7b"], weight: 2 },
    { name: "s2", models: ["a"], operations: ["chat", "embeddings"] },
  );
  const router = createRouter(
    {
      backends: config,
      models: [
        {
          name: "best",
          aliases: ["finest"],
          targets: [
            { backend: "s2", model: "a", weight: 5 },
            { backend: "s1", model: "big", weight: 1 },
          ],
        },
        { name: "org/a:7b", aliases: [], targets: [{ backend: "s2", model: "a", weight: 1 }] },
      ],
    },
    backends,
  );

  it("finds every backend of a listed model, in config order, with the backend's weight", () => {
    expect(ids(router.resolve("a", chat))).toEqual(["s1/a", "s2/a"]);
    expect(router.resolve("a", chat).map(({ weight }) => weight)).toEqual([2, 1]);
  });

  it("finds a virtual model and its aliases, with the targets' own names and weights", () => {
    for (const name of ["best", "finest"]) {
      const list = router.resolve(name, chat);
      expect(list.map(({ id, model, weight }) => [id, model, weight])).toEqual([
        ["s2/a", "a", 5],
        ["s1/big", "big", 1],
      ]);
    }
  });

  it("lets a virtual model shadow a listed one of the same name", () => {
    expect(ids(router.resolve("org/a:7b", chat))).toEqual(["s2/a"]);
  });

  it("counts what runs at one place once, whatever name led there", () => {
    const plain = router.resolve("a", chat)[1]!;
    const weighted = router.resolve("best", chat)[0]!;
    weighted.inFlight++;
    expect(plain.inFlight).toBe(1);
    plain.inFlight--;
    expect(weighted.inFlight).toBe(0);
  });

  it("takes only backends that have the operation; none is 501, never to be retried", () => {
    expect(ids(router.resolve("a", operationOf("embeddings")))).toEqual(["s2/a"]);
    expect(() => router.resolve("a", operationOf("speech"))).toThrow(
      expect.objectContaining({
        status: 501,
        code: "unsupported_operation",
        headers: { "x-should-retry": "false" },
      }),
    );
  });

  it.each(["A", "a ", " a", "s1/a", "", "__proto__", "constructor", "org/a"])(
    "does not know %j: 404",
    (name) => {
      expect(() => router.resolve(name, chat)).toThrow(
        expect.objectContaining({ status: 404, code: "model_not_found", param: "model" }),
      );
    },
  );

  it("without any backend is 503, not 404", () => {
    const empty = createRouter({ backends: [], models: [] }, new Map());
    expect(() => empty.resolve("a", chat)).toThrow(
      expect.objectContaining({ status: 503, code: "no_nodes" }),
    );
  });
});
