import { responsesStore } from "@gatewright/responses-store";
import { GatewayError } from "gatewright";
import type { Operation, State } from "gatewright";
import { describe, expect, it } from "vitest";
import { chat } from "../../core/src/operations/chat.ts";
import { responses } from "../../core/src/operations/responses.ts";
import { Records } from "../../plugins/responses-store/src/records.ts";
import { createHost, findFaults, setupPlugin } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "responses-store", factory: "responsesStore", create: () => responsesStore() });

describe("options", () => {
  it.each([
    ["ttlMs", { ttlMs: 999 }],
    ["ttlMs", { ttlMs: 366 * 86_400_000 }],
    ["maxBytes", { maxBytes: 0 }],
    ["stateless.0", { stateless: [1] }],
  ])("refuses %s in %j", (path, options) => {
    expect(findFaults(responsesStore(options as object)).map((fault) => fault.path)).toEqual([path]);
  });
});

describe("routes", () => {
  it("lie below those of the operation, and say what they are to adapters", async () => {
    const operations = new Map<string, Operation>([
      ["chat", chat],
      ["responses", responses],
    ]);
    const made = await setupPlugin(responsesStore(), { ...createHost(), operations } as never);
    expect(made.operations!.map(({ method, paths, mappedAs }) => [method, ...paths, mappedAs])).toEqual([
      ["GET", "/v1/responses/**", "responses"],
      ["DELETE", "/v1/responses/**", "responses"],
      ["POST", "/v1/responses/**", "responses"],
    ]);
    const request = {
      method: "GET",
      path: "/v1/responses/resp_1/input_items",
      query: "limit=5",
      headers: {},
      clientAddress: "",
    };
    expect(made.operations!.map((operation) => operation.pathBelow!(request))).toEqual(
      Array.from({ length: 3 }, () => "/resp_1/input_items?limit=5"),
    );
    expect(made.operations![0]!.pathBelow!({ ...request, query: "" })).toBe("/resp_1/input_items");
  });
});

/** State whose writes finish when the test says so. */
function createSlowState(): { state: State; finish(): void } {
  const documents = new Map<string, object>();
  const waiting: (() => void)[] = [];
  const state: Partial<State> = {
    get: <T extends object>(key: string) => Promise.resolve(documents.get(key) as T | undefined),
    set: (key, value) =>
      new Promise((resolve) => {
        waiting.push(() => {
          documents.set(key, value);
          resolve();
        });
      }),
  };
  return { state: state as State, finish: () => waiting.splice(0).forEach((go) => go()) };
}

describe("records", () => {
  const { log } = createHost();
  const kept = { kind: "kept", response: { id: "resp_1" }, input: [] } as const;

  it("are waited for while they are written, and apart for each owner", async () => {
    const { state, finish } = createSlowState();
    const records = new Records(state, 1_000, log);
    const written = records.putResponse("one", "resp_1", { ...kept, input: [] });
    const asked = records.response("one", "resp_1");
    expect(await records.response("two", "resp_1")).toBeUndefined();
    finish();
    expect(await asked).toEqual(kept);
    expect(await written).toBe(true);
  });

  it("are all written when the plugin is closed", async () => {
    const { state, finish } = createSlowState();
    const records = new Records(state, 1_000, log);
    void records.putResponse("one", "resp_1", { ...kept, input: [] });
    let isClosed = false;
    const closed = records.close().then(() => (isClosed = true));
    await Promise.resolve();
    expect(isClosed).toBe(false);
    finish();
    await closed;
    expect(await records.response("one", "resp_1")).toEqual(kept);
  });

  it("of a form that is not known count as none", async () => {
    const state = { get: () => Promise.resolve({ kind: "later", x: 1 }) } as unknown as State;
    expect(await new Records(state, 1_000, log).response("one", "resp_1")).toBeUndefined();
  });

  it("that cannot be read are 503, and those that cannot be written are told to the log", async () => {
    const host = createHost();
    const broken = (): Promise<never> => Promise.reject(new Error("down"));
    const state = { get: broken, set: broken, remove: broken } as unknown as State;
    const records = new Records(state, 1_000, host.log);
    expect(await records.putResponse("one", "resp_1", { ...kept, input: [] })).toBe(false);
    expect(host.warnings).toHaveLength(1);
    for (const call of [records.response("one", "r"), records.removeResponse("one", "r")])
      await expect(call).rejects.toThrow(GatewayError);
  });
});
