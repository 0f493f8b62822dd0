import { describe, expect, it, onTestFinished } from "vitest";
import { Connection } from "../../bench/src/connection.ts";
import { flatnessOf } from "../../bench/src/drill/flatness.ts";
import { createLanes } from "../../bench/src/drill/lanes.ts";
import type { Evidence } from "../../bench/src/drill/lanes.ts";
import { readDrillOptions } from "../../bench/src/drill/options.ts";
import { PacedLoad } from "../../bench/src/drill/paced-load.ts";
import { createRandom } from "../../bench/src/drill/random.ts";
import { startDrillUpstream } from "../../bench/src/drill/upstream.ts";
import type { Answer } from "../../bench/src/drill/upstream.ts";
import { requestHead } from "../../bench/src/chat-request.ts";
import { waitFor } from "../_support/wait-for.ts";

describe("flatness", () => {
  it("of a series that stays is none, of one that rises evenly what it gains", () => {
    expect(flatnessOf([100, 100, 100])).toEqual({ median: 100, growth: 0, peak: 1 });
    const rising = flatnessOf([95, 100, 105]);
    expect(rising.growth).toBeCloseTo(0.1);
    expect(rising.peak).toBeCloseTo(1.05);
  });

  it("of a single peak in the middle is no growth", () => {
    expect(flatnessOf([100, 100, 300, 100, 100])).toEqual({ median: 100, growth: 0, peak: 3 });
  });
});

describe("options of the drill", () => {
  it("have defaults by drill and length", () => {
    expect(readDrillOptions(["redis"])).toMatchObject({ drill: "redis", quick: false });
    expect(readDrillOptions(["soak"])).toMatchObject({ drill: "soak", minutes: 10, redis: false });
    expect(readDrillOptions(["soak", "--quick"])).toMatchObject({ minutes: 2 });
    expect(readDrillOptions(["soak", "--minutes", "30", "--redis"])).toMatchObject({
      minutes: 30,
      redis: true,
    });
    expect(readDrillOptions(["--help"])).toBeNull();
  });

  it.each([
    [[], "expected one of redis, soak"],
    [["flood"], 'got "flood"'],
    [["redis", "--minutes", "3"], "options of the soak"],
    [["soak", "--minutes", "1"], "expected 1.5 or more"],
    [["soak", "--minutes", "ten"], 'got "ten"'],
  ])("refuse %j", (args, message) => {
    expect(() => readDrillOptions(args)).toThrow(message);
  });
});

describe("the lanes of the Redis drill", () => {
  const lanes = new Map(createLanes().map((lane) => [lane.name, lane]));
  const seen = (kinds: Record<string, number>, mostInFlight = 0): Evidence => ({
    sent: Object.values(kinds).reduce((sum, count) => sum + count, 0),
    kinds: new Map(Object.entries(kinds)),
    latencies: [],
    seconds: 10,
    mostInFlight,
  });

  // 30 a second in the store, 15 in one of two processes: over ten seconds, a full bucket more at the most.
  it.each([
    ["limit-open-local", "up", { "200 store": 320, "429 store": 180 }, true],
    ["limit-open-local", "up", { "200 store": 500 }, false],
    ["limit-open-local", "down", { "200 local": 160, "429 local": 340 }, true],
    ["limit-open-local", "down", { "200 local": 320, "429 local": 180 }, false],
    ["limit-open-local", "down", { "503 state_unavailable": 500 }, false],
    ["limit-open-local", "shaky", { "200 store": 100, "200 local": 100, "429 local": 300 }, true],
    ["limit-open", "down", { "200 none": 500 }, true],
    ["limit-open", "down", { "200 none": 400, "429 store": 100 }, false],
    ["limit-closed", "down", { "503 state_unavailable": 500 }, true],
    ["limit-closed", "down", { "503 state_unavailable": 400, "200 none": 100 }, false],
    ["cache", "down", { "200 bypass": 500 }, true],
    ["cache", "down", { "200 bypass": 400, "503 state_unavailable": 100 }, false],
    ["responses", "down", { "200 not stored": 250, "503 state_unavailable": 250 }, true],
    ["broken", "down", { "502 provider_error": 30, "503 circuit_breaker_open": 470 }, true],
    ["broken", "down", { "502 provider_error": 500 }, false],
    ["plain", "down", { "200": 490, "0 broken off": 10 }, true],
    ["plain", "down", { "200": 480, "0 broken off": 20 }, false],
  ] as const)("%s, Redis %s: %j is as promised: %s", (name, redis, kinds, isKept) => {
    expect(lanes.get(name)!.broken(redis, seen(kinds)) === null).toBe(isKept);
  });

  it.each([
    ["slots-open-local", "up", 4, true],
    ["slots-open-local", "up", 5, false],
    ["slots-open-local", "up", 3, false],
    ["slots-open-local", "down", 2, true],
    ["slots-open-local", "down", 4, false],
    ["slots-open-local", "shaky", 6, true],
    ["slots-open-local", "shaky", 7, false],
  ] as const)("%s, Redis %s: %d at once is as promised: %s", (name, redis, most, isKept) => {
    const kinds = { "200": 300, "503 overloaded": 200 };
    expect(lanes.get(name)!.broken(redis, seen(kinds, most)) === null).toBe(isKept);
  });
});

it("the random numbers of the soak are the same for the same seed, and even", () => {
  const [one, two] = [createRandom(7), createRandom(7)];
  const numbers = Array.from({ length: 10_000 }, () => one());
  expect(numbers.slice(0, 5)).toEqual(Array.from({ length: 5 }, () => two()));
  const share = numbers.filter((number) => number < 0.05).length / numbers.length;
  // Four standard deviations of a binomial around 5 %.
  expect(Math.abs(share - 0.05)).toBeLessThan(4 * Math.sqrt((0.05 * 0.95) / numbers.length));
});

async function upstreamThat(answer: Answer) {
  const upstream = await startDrillUpstream(() => answer);
  onTestFinished(() => upstream.close());
  return { upstream, port: Number(new URL(upstream.url).port) };
}

function chat(port: number, stream: boolean): Buffer {
  const body = JSON.stringify({ model: "m", stream });
  return Buffer.from(
    requestHead({ port, headers: {} }, "/v1/chat/completions", "application/json", body.length) + body,
  );
}

describe("the upstream of a drill", () => {
  it.each([
    [{ kind: "good" }, 200, 200],
    [{ kind: "status", status: 503 }, 503, 503],
    [{ kind: "reset" }, 0, 0],
    [{ kind: "cut" }, 0, 0],
  ] as const)("%j ends a reply with %d and a stream with %d", async (answer, ...statuses) => {
    const { upstream, port } = await upstreamThat(answer);
    for (const [i, stream] of [false, true].entries()) {
      const connection = await Connection.open(port);
      let body = "";
      const status = await new Promise<number>((resolve) =>
        connection.send(chat(port, stream), {
          body: (bytes) => (body += bytes.toString()),
          end: resolve,
        }),
      );
      expect(status).toBe(statuses[i]);
      if (status === 200) expect(body).toMatch(stream ? /\[DONE\]\n\n$/ : /\}$/);
      if (answer.kind === "cut") expect(body).not.toBe("");
      connection.close();
    }
    await waitFor("nothing in flight", () => upstream.inFlight("m") === 0);
    expect(upstream.takeMostInFlight("m")).toBe(1);
  });
});

it("the paced load counts within a window only, by kind, and opens connections anew", async () => {
  const { port } = await upstreamThat({ kind: "reset" });
  const load = new PacedLoad(port, [
    { name: "one", perSecond: 200, request: (to) => chat(to, false), kindOf: ({ status }) => `${status}` },
  ]);
  onTestFinished(() => load.close());
  let answers = 0;
  let windowMs = Infinity;
  let answersInWindow = 0;
  load.onAnswer = (_name, _kind, sentMs) => {
    answers += 1;
    if (sentMs >= windowMs) answersInWindow += 1;
  };
  await waitFor("answers outside of a window", () => answers > 3);
  windowMs = performance.now();
  load.begin();
  await waitFor("answers in it", () => answersInWindow > 3);
  const { sent, kinds, latencies } = load.end().get("one")!;
  expect(sent).toBeGreaterThan(0);
  expect([...kinds.keys()]).toEqual(["0"]);
  expect(kinds.get("0")).toBe(latencies.length);
  expect(latencies.length).toBeLessThan(answers);
});
