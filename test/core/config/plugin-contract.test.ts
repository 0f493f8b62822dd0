import * as v from "valibot";
import { afterEach, describe, expect, it, vi } from "vitest";
import { createGateway, createState, defineAdapter, defineGatewayPlugin } from "../../../core/src/index.ts";
import type { Adapter, PluginDefinition, PluginInstance } from "../../../core/src/index.ts";
import type { ConfigFault } from "../../../core/src/config/fault.ts";
import { resolveConfig, type ResolveResult } from "../../../core/src/config/resolve.ts";
import { StartRefused } from "../../../core/src/server/start-refused.ts";

/** What a plugin hands to core and types let through, or that comes from JavaScript: a fault with its place. */

const plain = defineAdapter({ name: "plain", provider: "plain", auth: () => ({}), operations: {} });
const adapters = new Map([["plain", plain as unknown as Adapter]]);
const log = { debug() {}, info() {}, warn() {}, error: vi.fn() };

afterEach(() => log.error.mockClear());

/** A config with one plugin, `bad`, that has these members. */
function resolve(members: Record<string, unknown>, server = {}): Promise<ResolveResult> {
  const definition = { name: "bad", options: v.strictObject({}), setup: () => ({}), ...members };
  const bad = defineGatewayPlugin(
    definition as unknown as PluginDefinition<v.StrictObjectSchema<v.ObjectEntries, undefined>>,
  );
  const local = { adapter: "plain", baseURL: "http://127.0.0.1:1", models: ["m"] };
  const config = { server, backends: { local }, plugins: [bad({})] };
  return resolveConfig(config, { dir: "/project", file: "/project/gateway.config.ts", adapters });
}

async function faultsOf(members: Record<string, unknown>, server = {}): Promise<readonly ConfigFault[]> {
  const result = await resolve(members, server);
  return result.ok ? [] : result.faults;
}

/** What a gateway whose plugin is set up like this says. */
async function refusalOf(setup: unknown): Promise<unknown> {
  const result = await resolve({ setup });
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  const state = await createState({ driver: "memory" });
  try {
    const gateway = await createGateway(result.config, { state, log });
    await gateway.close();
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await state.close();
  }
}

describe("a definition", () => {
  it.each([
    [{ name: 5 }, "plugins[0].5: `name` of its definition must be a name, got 5"],
    [{ name: "" }, 'plugins[0][""]: `name` of its definition must be a name, got an empty string'],
    [{ options: undefined }, "a schema, such as `v.strictObject({ … })`, got nothing"],
    [{ options: { rate: 1 } }, "a schema, such as `v.strictObject({ … })`, got an object"],
    [{ setup: undefined }, "plugins[0].bad: `setup` of its definition must be a function, got nothing"],
    [{ setup: {} }, "plugins[0].bad: `setup` of its definition must be a function, got an object"],
    [{ check: [] }, "plugins[0].bad: `check` of its definition must be a function, got an empty list"],
    [{ contribute: {} }, "plugins[0].bad: `contribute` of its definition must be a function, got an object"],
    [{ needs: "target" }, "`needs` of its definition must be a list of names, got a string of 6 characters"],
    [{ gives: [5] }, "plugins[0].bad: `gives` of its definition must be a list of names, got a list of 1"],
    [{ operations: {} }, "`operations` of its definition must be a list of names, got an object"],
    [{ headersOnly: 1 }, "plugins[0].bad: `headersOnly` of its definition must be true or false, got 1"],
    [{ exact: 1 }, "`exact` of its definition must be true, false or a function, got 1"],
  ])("with %o is refused", async (members, message) => {
    const faults = await faultsOf(members);
    expect(faults).toHaveLength(1);
    expect(faults[0]!.message).toContain(message);
  });

  it("to-2: with a member that core does not know is refused, with the nearest spelling", async () => {
    expect(await faultsOf({ chek: () => [] })).toEqual([
      expect.objectContaining({
        path: "plugins[0].bad",
        message: "plugins[0].bad: core knows no `chek` of its definition",
        hint: "Did you mean `check`?",
      }),
    ]);
  });

  it("that is none is refused", async () => {
    const bad = defineGatewayPlugin({ name: "bad", options: v.strictObject({}), setup: () => ({}) })();
    const broken = Object.defineProperty(bad, "definition", { value: 7 });
    const result = await resolveConfig({ backends: {}, plugins: [broken] }, { dir: "/project", adapters });
    expect(result).toMatchObject({
      ok: false,
      faults: [{ message: "plugins[0].bad: its definition must be an object, got 7" }],
    });
  });
});

describe("what a plugin throws while the config is checked", () => {
  const why = (): never => {
    throw new Error("why");
  };
  it.each([
    ["check", { check: why }],
    ["contribute", { contribute: why }],
    ["options", { options: v.pipe(v.strictObject({}), v.transform(why)) }],
    ["exact", { exact: why }],
    ["check", { check: async () => why() }],
  ])("by `%s` is a fault with its place", async (hook, members) => {
    expect(await faultsOf(members, { workers: 2 })).toEqual([
      expect.objectContaining({
        file: "/project/gateway.config.ts",
        path: "plugins[0].bad",
        message: `plugins[0].bad: \`${hook}\` failed: why`,
      }),
    ]);
  });

  it("is told with the line where it is a bug", async () => {
    const check = (): unknown => (undefined as unknown as { list: unknown }).list;
    const [fault] = await faultsOf({ check });
    expect(fault!.message).toMatch(/^plugins\[0\]\.bad: `check` failed: TypeError: Cannot read properties/);
    expect(fault!.hint).toMatch(/^This is a bug of the plugin, at .*plugin-contract\.test\.ts:\d+:\d+\)?\.$/);
  });
});

it("takes anything for the names that `check` knows", async () => {
  const check = () => [
    { path: ["a"], expected: "a name", received: "names", known: new Set([5, null, "nams"]) },
  ];
  expect(await faultsOf({ check })).toMatchObject([
    { message: 'plugins[0].bad.a must be a name, got "names"', hint: "Did you mean `nams`?" },
  ]);
});

it.each([
  ["text", "`check` failed: text"],
  [null, "`check` failed: null was thrown"],
  [Object.create(null), "`check` failed: an object with another prototype was thrown"],
])("tells what a plugin throws that is no error: %o", async (thrown, message) => {
  const check = (): never => {
    throw thrown;
  };
  expect((await faultsOf({ check }))[0]!.message).toBe(`plugins[0].bad: ${message}`);
});

describe("what a plugin answers while the config is checked", () => {
  const check = "what `check` returned must be a list of { path, expected, received, known }";
  const contribute = "what `contribute` returned";
  const name = { path: ["a"], expected: "a", received: "b", known: [] };
  it.each([
    [{ check: () => 7 }, `${check}, got 7`],
    [{ check: () => undefined }, `${check}, got nothing`],
    [{ check: () => ["a"] }, `${check}, got a list of 1`],
    [{ check: () => [{ ...name, path: "a" }] }, `${check}, got a list of 1`],
    [{ check: () => [{ ...name, known: undefined }] }, `${check}, got a list of 1`],
    [{ contribute: () => undefined }, `${contribute} must be an object, got nothing`],
    [{ contribute: () => [] }, `${contribute} must be an object, got an empty list`],
    [
      { contribute: () => ({ backends: [] }) },
      `\`backends\` of ${contribute} must be an object, got an empty list`,
    ],
    [
      { contribute: () => ({ sameModels: ["a"] }) },
      `\`sameModels\` of ${contribute} must be a list of lists of names, got a list of 1`,
    ],
    [
      { contribute: () => ({ knownVendors: "a" }) },
      `\`knownVendors\` of ${contribute} must be a list of names`,
    ],
    [{ contribute: () => ({ backend: {} }) }, `core knows no \`backend\` of ${contribute}`],
  ])("is refused where it is no such thing: %o", async (members, message) => {
    const faults = await faultsOf(members);
    expect(faults).toHaveLength(1);
    expect(faults[0]!.message).toContain(`plugins[0].bad: ${message}`);
  });
});

describe("what `setup` returns", () => {
  const made = "what `setup` returned";
  it.each([
    [undefined, `${made} must be an object, got nothing`],
    [5, `${made} must be an object, got 5`],
    [[], `${made} must be an object, got an empty list`],
    [() => {}, `${made} must be an object, got a function`],
    [{ middleware: 5 }, `\`middleware\` of ${made} must be a function, got 5`],
    [{ routes: {} }, `\`routes\` of ${made} must be a function, got an object`],
    [{ close: true }, `\`close\` of ${made} must be a function, got true`],
    [{ operations: {} }, `\`operations\` of ${made} must be a list of operations, each made by`],
    [{ operations: [{ name: "x" }] }, `\`operations\` of ${made} must be a list of operations, each made by`],
    [{ middlewares: () => {} }, `core knows no \`middlewares\` of ${made}\n    Did you mean \`middleware\`?`],
  ])("is refused where it is %o", async (instance, message) => {
    const refusal = await refusalOf(() => instance);
    expect(refusal).toBeInstanceOf(StartRefused);
    expect((refusal as Error).message).toContain(
      `/gateway.config.ts: 1 fault\n  ✗ plugins[0].bad: ${message}`,
    );
  });

  it("is taken where it is nothing but what core knows, or an object of a class", async () => {
    class Instance implements PluginInstance {
      count = 0;
      close(): void {
        this.count++;
      }
    }
    expect(await refusalOf(() => ({}))).toBeUndefined();
    expect(await refusalOf(() => ({ middleware: undefined, operations: [], routes() {} }))).toBeUndefined();
    const instance = new Instance();
    expect(await refusalOf(async () => instance)).toBeUndefined();
    expect(instance.count).toBe(1);
  });

  it("is closed when it is refused", async () => {
    const close = vi.fn();
    expect(await refusalOf(() => ({ middlewares: 5, close }))).toBeInstanceOf(StartRefused);
    expect(close).toHaveBeenCalledOnce();
    expect(await refusalOf(() => {})).toBeInstanceOf(StartRefused);
    expect(log.error).not.toHaveBeenCalled();
  });

  it.each([
    [
      "at once",
      () => {
        throw new Error("why");
      },
    ],
    [
      "later",
      async () => {
        throw new Error("why");
      },
    ],
  ])("tells with its place what `routes` throws %s", async (_, routes) => {
    const refusal = await refusalOf(() => ({ routes }));
    expect(refusal).toBeInstanceOf(StartRefused);
    expect((refusal as Error).message).toContain("✗ plugins[0].bad: why");
  });
});
