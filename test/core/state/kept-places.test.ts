import { GatewayError, KeptPlaces, narrowToPlace } from "gatewright";
import type { Attempt, JsonObject, Reply, State } from "gatewright";
import { describe, expect, it } from "vitest";
import { createHost, createTarget, FakeContext } from "../../plugins/_context.ts";

const TTL_MS = 5_000;
const TARGET = createTarget("a", { model: "upstream" });
const PLACE = { backend: "a", model: "upstream", requestedModel: "m" };

function contextOf(principal?: string): FakeContext {
  const ctx = new FakeContext({}, createHost());
  if (principal !== undefined) ctx.principal = { id: principal };
  return ctx;
}

function replyOf(body: Reply["body"], status = 200): Reply {
  return { status, headers: {}, body, attempt: { target: TARGET } as Attempt };
}

const idOf = ({ id }: JsonObject): unknown => id;

/** State whose writes end when the test says so. */
function slowState(): { state: State; ttls: unknown[]; finish(): void } {
  const documents = new Map<string, object>();
  const waiting: (() => void)[] = [];
  const ttls: unknown[] = [];
  const state: Partial<State> = {
    get: <T extends object>(key: string) => Promise.resolve(documents.get(key) as T | undefined),
    set: (key, value, options) => {
      ttls.push(options?.ttlMs);
      return new Promise((resolve) => {
        waiting.push(() => {
          documents.set(key, value);
          resolve();
        });
      });
    },
    remove: (key) => {
      documents.delete(key);
      return Promise.resolve();
    },
  };
  return { state: state as State, ttls, finish: () => waiting.splice(0).forEach((go) => go()) };
}

describe("places of what backends keep", () => {
  const { log } = createHost();

  it("are waited for while they are written, and each principal has its own", async () => {
    const { state, ttls, finish } = slowState();
    const places = new KeptPlaces({ state, log, ttlMs: TTL_MS });
    const noted = places.note(contextOf("one"), replyOf('{"id":"x"}'), idOf);
    const asked = places.find(contextOf("one"), "x");
    for (const principal of ["two", undefined, 'one","x'])
      expect(await places.find(contextOf(principal), "x")).toBeUndefined();
    finish();
    await noted;
    expect(await asked).toEqual(PLACE);
    expect(ttls).toEqual([TTL_MS]);
    await places.remove(contextOf("one"), "x");
    expect(await places.find(contextOf("one"), "x")).toBeUndefined();
  });

  it("are all written before the end", async () => {
    const { state, finish } = slowState();
    const places = new KeptPlaces({ state, log, ttlMs: TTL_MS });
    void places.note(contextOf(), replyOf(Buffer.from('{"id":"x"}')), idOf);
    let isClosed = false;
    const closed = places.close().then(() => (isClosed = true));
    await Promise.resolve();
    expect(isClosed).toBe(false);
    finish();
    await closed;
    expect(await places.find(contextOf(), "x")).toEqual(PLACE);
  });

  it.each<[string, Reply]>([
    ["no attempt", { status: 200, headers: {}, body: '{"id":"x"}' }],
    ["another status", replyOf('{"id":"x"}', 202)],
    ["no id", replyOf('{"id":null}')],
    ["no object", replyOf("[]")],
    ["no body", replyOf(null)],
  ])("are not noted of a reply with %s", async (_, reply) => {
    const { state, ttls } = slowState();
    await new KeptPlaces({ state, log, ttlMs: TTL_MS }).note(contextOf(), reply, idOf);
    expect(ttls).toEqual([]);
  });

  it("of a form that is not known are none", async () => {
    const state = { get: () => Promise.resolve({ backend: "a" }) } as unknown as State;
    expect(await new KeptPlaces({ state, log, ttlMs: TTL_MS }).find(contextOf(), "x")).toBeUndefined();
  });

  it("that cannot be read are 503, and those that cannot be written are told to the log", async () => {
    const host = createHost();
    const broken = (): Promise<never> => Promise.reject(new Error("down"));
    const state = { get: broken, set: broken, remove: broken } as unknown as State;
    const places = new KeptPlaces({ state, log: host.log, ttlMs: TTL_MS });
    await places.note(contextOf(), replyOf('{"id":"x"}'), idOf);
    expect(host.warnings).toHaveLength(1);
    for (const call of [places.find(contextOf(), "x"), places.remove(contextOf(), "x")])
      await expect(call).rejects.toMatchObject({ code: "state_unavailable", status: 503 });
  });
});

describe("going where something is kept", () => {
  const missing = new GatewayError("not_found");
  const other = createTarget("b");
  const narrowed = (candidates: FakeContext["candidates"], all = candidates): FakeContext => {
    const ctx = new FakeContext({ candidates }, createHost());
    ctx.resolve = () => all;
    narrowToPlace(ctx, PLACE, missing);
    return ctx;
  };

  it("leaves the candidates of that backend", () => {
    expect(narrowed([other, TARGET]).candidates).toEqual([TARGET]);
  });

  it("is 503 while the backend is out of play, and is missing where it has no such model", () => {
    expect(() => narrowed([other], [other, TARGET])).toThrow(
      expect.objectContaining({ code: "no_available_instances" }),
    );
    expect(() => narrowed([other])).toThrow(missing);
  });
});
