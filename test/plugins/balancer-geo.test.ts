import { balancer } from "@gatewright/balancer";
import { describe, expect, it } from "vitest";
import {
  createHost,
  createTarget,
  findFaults,
  FakeContext,
  run,
  setupMiddlewares,
  tally,
} from "./_context.ts";
import type { FakeRequest } from "./_context.ts";

type Options = Extract<NonNullable<Parameters<typeof balancer>[0]>, { strategy: "geo" }>;

const [us, eu, asia] = ["us", "eu", "asia"].map((name) => createTarget(name)) as [
  ReturnType<typeof createTarget>,
  ReturnType<typeof createTarget>,
  ReturnType<typeof createTarget>,
];
const candidates = [us, eu, asia];

const REGIONS: Options["regions"] = {
  "us-east": { backends: ["us"], networks: ["198.51.100.0/24", "10.0.0.0/8"], countries: ["us", "CA"] },
  "eu-west": {
    backends: ["eu"],
    networks: ["192.0.2.0/24", "10.1.0.0/16", "2001:db8::/32"],
    countries: ["FR"],
  },
  "ap-south": { backends: ["asia"], countries: ["IN"], near: ["eu-west"] },
};

async function answered(
  requests: readonly FakeRequest[],
  options: Partial<Options> = {},
): Promise<unknown[]> {
  const host = createHost();
  for (const target of candidates) {
    (host.backends as Map<string, unknown>).set(target.backend.name, target.backend);
    (host.targets as Map<string, unknown>).set(target.id, target);
  }
  const plugin = balancer({ strategy: "geo", regions: REGIONS, ...options });
  const middlewares = await setupMiddlewares([plugin], host);
  const bodies: unknown[] = [];
  for (const request of requests)
    bodies.push((await run(middlewares, new FakeContext({ candidates, ...request }, host))).body);
  return bodies;
}

const from = (clientAddress: string, rest: FakeRequest = {}): FakeRequest => ({ clientAddress, ...rest });

describe("geo (mo-6)", () => {
  it.each([
    ["198.51.100.7", "us/m"],
    ["192.0.2.255", "eu/m"],
    ["10.2.0.1", "us/m"],
    ["10.1.0.1", "eu/m"],
    ["2001:db8:1::1", "eu/m"],
  ])("sends %s of the table to %s", async (address, expected) => {
    expect(await answered([from(address), from(address)])).toEqual([expected, expected]);
  });

  it("keeps a client from nowhere on one target, and spreads them", async () => {
    const stays = await answered(Array.from({ length: 10 }, () => from("203.0.113.5")));
    expect(new Set(stays).size).toBe(1);
    const many = await answered(Array.from({ length: 300 }, (_, n) => from(`203.0.113.${n % 256}`)));
    expect(tally(many).size).toBe(3);
  });

  it("goes to the next region when one is down: those near it, then the order of the config", async () => {
    expect(await answered([from("198.51.100.7", { candidates: [eu, asia] })])).toEqual(["eu/m"]);
    const header = { countryHeader: "cf-ipcountry" };
    const indian = { headers: { "cf-ipcountry": "IN" } };
    expect(await answered([from("203.0.113.5", { ...indian, candidates: [us, eu] })], header)).toEqual([
      "eu/m",
    ]);
    const heavyless = createTarget("asia", { weight: 0 });
    expect(await answered([from("203.0.113.5", { ...indian, candidates: [us, heavyless] })], header)).toEqual(
      ["us/m"],
    );
  });

  it("believes a country only from the header that it is told of, and the table before it", async () => {
    const french = { headers: { "cf-ipcountry": " fr " } };
    const header = { countryHeader: "CF-IPCountry" };
    expect(await answered([from("203.0.113.5", french), from("198.51.100.7", french)], header)).toEqual([
      "eu/m",
      "us/m",
    ]);
    const [plain] = await answered([from("203.0.113.5")]);
    expect(await answered([from("203.0.113.5", french)])).toEqual([plain]);
    const unknown = { headers: { "cf-ipcountry": "XX" } };
    expect(await answered([from("203.0.113.5", unknown)], header)).toEqual([plain]);
  });

  it("gives the targets of a region turns, by weight", async () => {
    const second = createTarget("us", { model: "other", backend: us.backend });
    const local = await answered(
      Array.from({ length: 4 }, () => from("198.51.100.7", { candidates: [us, second, eu] })),
    );
    expect(tally(local)).toEqual(
      new Map([
        ["us/m", 2],
        ["us/other", 2],
      ]),
    );
  });

  it("takes a single target out of the region of its backend", async () => {
    const elsewhere = createTarget("us", { model: "far", backend: us.backend });
    const regions = { a: { backends: ["us"], networks: ["198.51.100.0/24"] }, b: { backends: ["eu/m"] } };
    expect(await answered([from("198.51.100.7", { candidates: [eu, elsewhere] })], { regions })).toEqual([
      "us/far",
    ]);
    expect(await answered([from("198.51.100.7", { candidates: [asia, eu] })], { regions })).toEqual(["eu/m"]);
  });

  it("refuses regions that cannot be", async () => {
    const pathsOf = (regions: unknown): string[] =>
      findFaults(balancer({ strategy: "geo", regions } as never)).map(({ path }) => path);
    expect(pathsOf({})).toEqual(["regions"]);
    expect(pathsOf({ a: { backends: [] } })).toEqual(["regions.a.backends"]);
    expect(pathsOf({ a: { backends: ["x"], networks: ["10.0.0.0/33"] } })).toEqual(["regions.a.networks.0"]);
    expect(pathsOf({ a: { backends: ["x"], countries: ["USA"] } })).toEqual(["regions.a.countries.0"]);
    expect(pathsOf({ a: { backends: ["x"], near: ["b"] } })).toEqual(["regions"]);
    await expect(answered([], { regions: { a: { backends: ["nosuch"] } } })).rejects.toThrow(
      "regions.a.backends.0",
    );
  });
});
