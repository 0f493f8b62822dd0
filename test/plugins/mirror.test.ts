import { mirror } from "@gatewright/mirror";
import type { Comparison, MirrorOptions } from "@gatewright/mirror";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { rateLimit } from "@gatewright/rate-limit";
import { retry } from "@gatewright/retry";
import { describe, expect, it } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chat, chatStream, MODEL, openaiAt, post, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { createHost, findFaults, setupPlugin } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

const OTHER = "another-model";

describePlugin({
  folder: "mirror",
  factory: "mirror",
  create: () => mirror({ to: { model: OTHER }, share: 0 }),
});

describe("options", () => {
  it.each([
    [{ share: 0.5 }, "to"],
    [{ to: { backend: "b" }, share: 0.5 }, "to.model"],
    [{ to: { model: OTHER }, share: 1.5 }, "share"],
    [{ to: { model: OTHER }, share: 1, maxInFlight: 0 }, "maxInFlight"],
    [{ to: { model: OTHER }, share: 1, onCompared: 1 }, "onCompared"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(mirror(options as never)).map((fault) => fault.path)).toEqual([path]);
  });

  it("refuses a target that does not exist", async () => {
    const plugin = mirror({ to: { backend: "nosuch", model: OTHER }, share: 1 });
    await expect(setupPlugin(plugin, createHost())).rejects.toThrow("to.backend");
  });
});

interface Pair {
  readonly stage: Stage;
  readonly main: SimulatedBackend;
  readonly other: SimulatedBackend;
  readonly comparisons: Comparison[];
}

async function pair(options: Partial<MirrorOptions> = {}): Promise<Pair> {
  const main = await simulated({ tokens: 3 });
  const other = await simulated({ models: [OTHER], tokens: 5 });
  const comparisons: Comparison[] = [];
  const stage = await startStage({
    backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
    plugins: [
      mirror({
        to: { model: OTHER },
        share: 1,
        onCompared: (result) => comparisons.push(result),
        ...options,
      }),
    ],
  });
  return { stage, main, other, comparisons };
}

async function compared(comparisons: Comparison[]): Promise<void> {
  await waitFor("a comparison", () => comparisons.length > 0);
}

describe("a copy", () => {
  it("is charged for its whole stream by the limits of its backend", async () => {
    const [main, other] = [await simulated(), await simulated({ models: [OTHER], tokens: 50 })];
    const comparisons: Comparison[] = [];
    const limit = 10_000;
    const stage = await startStage({
      backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
      plugins: [
        mirror({
          to: { backend: "other", model: OTHER },
          share: 1,
          onCompared: (result) => comparisons.push(result),
        }),
        balancer(),
        // Gives nothing back while the test runs.
        rateLimit({
          scope: "backend",
          unit: "tokens",
          algorithm: "sliding-window",
          rate: limit,
          per: "hour",
        }),
      ],
    });
    await chatStream(stage, { max_tokens: 100 });
    await compared(comparisons);
    const response = await chat(stage, { model: OTHER, max_tokens: 100 });
    const reserved = stage.contexts[1]!.body.bytes!.length + 100;
    const used = comparisons[0]!.copy.usage!.totalTokens;
    expect(Number(response.headers.get("x-ratelimit-remaining-tokens"))).toBe(limit - used - reserved);
  });

  it("takes nothing of what the retries of clients are granted", async () => {
    const main = await simulated();
    const other = await simulated({ models: [OTHER] });
    const comparisons: Comparison[] = [];
    const stage = await startStage({
      backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
      plugins: [
        mirror({
          to: { backend: "other", model: OTHER },
          share: 1,
          onCompared: (result) => comparisons.push(result),
        }),
        // Two requests are granted one retry.
        retry({ baseDelayMs: 0, budget: { ratio: 0.5, minPerSecond: 0, ttlMs: 600_000 } }),
      ],
    });
    for (const count of [1, 2]) {
      expect((await chat(stage)).status).toBe(200);
      await waitFor("the comparison", () => comparisons.length === count);
    }
    main.faults = [{ kind: "status", status: 503 }];
    const response = await chat(stage);
    expect([response.status, response.headers.get("x-gatewright-attempts")]).toEqual([200, "2"]);
  });

  it("goes to the other model with the same body, and is compared", async () => {
    const { stage, main, other, comparisons } = await pair();
    const response = await chat(stage, { temperature: 0.5 });
    const body = (await response.json()) as { model: string; usage: { completion_tokens: number } };
    expect(body).toMatchObject({ model: MODEL, usage: { completion_tokens: 3 } });
    await compared(comparisons);
    const [sent, copied] = [main.requests[0]!.json, other.requests[0]!.json] as Record<string, unknown>[];
    expect(copied).toEqual({ ...sent, model: OTHER });
    expect(comparisons[0]).toMatchObject({
      requestId: response.headers.get("x-request-id"),
      operation: "chat",
      model: MODEL,
      real: { target: `main/${MODEL}`, status: 200, usage: { outputTokens: 3 }, error: undefined },
      copy: { target: `other/${OTHER}`, status: 200, usage: { outputTokens: 5 } },
    });
    expect(await stage.contexts[0]!.vars.mirror!.compared).toBe(comparisons[0]);
  });

  it("counts for nothing of the client's", async () => {
    const { stage, comparisons } = await pair();
    const response = await chat(stage);
    expect(response.headers.get("x-gatewright-attempts")).toBe("1");
    expect(response.headers.get("x-gatewright-backend")).toBe("main");
    await compared(comparisons);
    const end = await stage.ended();
    expect(end.attempts).toHaveLength(1);
    expect(end.usage!.outputTokens).toBe(3);
    expect(end.target!.backend.name).toBe("main");
    expect(stage.ends).toHaveLength(1);
    expect(stage.inFlight()).toBe(0);
  });

  it("of a stream is read to its end", async () => {
    const { stage, other, comparisons } = await pair();
    expect(await chatStream(stage)).toMatch(/\[DONE\]\n\n$/);
    await compared(comparisons);
    expect(other.requests[0]!.json).toMatchObject({ stream: true });
    expect(other.requests[0]!.aborted).toBe(false);
    expect(comparisons[0]!.copy).toMatchObject({ status: 200, usage: { outputTokens: 5 } });
  });

  it("goes to the backend that is named", async () => {
    const { stage, other, comparisons } = await pair({ to: { backend: "other", model: OTHER } });
    await chat(stage);
    await compared(comparisons);
    expect(other.requests).toHaveLength(1);
    expect(comparisons[0]!.copy.target).toBe(`other/${OTHER}`);
  });

  it("that fails changes nothing for the client, and tells its error", async () => {
    const { stage, other, comparisons } = await pair();
    other.faults = [{ kind: "status", status: 500 }];
    expect((await chat(stage)).status).toBe(200);
    await compared(comparisons);
    expect(comparisons[0]!.copy).toMatchObject({ target: `other/${OTHER}`, error: "provider_error" });
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("of a failed request shows how the other would have done", async () => {
    const { stage, main, comparisons } = await pair();
    main.faults = [{ kind: "status", status: 503 }];
    const { status } = await chat(stage);
    await compared(comparisons);
    expect(comparisons[0]).toMatchObject({ real: { status }, copy: { status: 200 } });
  });

  it("does not hold up an answer when it hangs, and is given up at its time limit", async () => {
    const { stage, other, comparisons } = await pair({ timeoutMs: 500 });
    other.faults = [{ kind: "no_answer" }];
    expect((await chat(stage)).status).toBe(200);
    await stage.ended();
    await compared(comparisons);
    expect(comparisons[0]!.copy.error).toBe("timeout");
    await other.requests[0]!.closed;
    expect(stage.inFlight()).toBe(0);
  });

  it("is given up when its answer is too long", async () => {
    const { stage, other, comparisons } = await pair({ maxBytes: 100 });
    await chatStream(stage);
    await compared(comparisons);
    expect(comparisons[0]!.copy.error).toBe("mirror_too_large");
    await other.requests[0]!.closed;
  });

  it("is refused where the principal may not use the model", async () => {
    const [main, other] = [await simulated(), await simulated({ models: [OTHER] })];
    const comparisons: Comparison[] = [];
    const key = "sk-mirror-0123456789abcdef0123";
    const stage = await startStage({
      backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
      plugins: [
        apiKeys({ keys: [{ id: "a", key, models: [MODEL] }] }),
        mirror({ to: { model: OTHER }, share: 1, onCompared: (result) => comparisons.push(result) }),
      ],
    });
    expect((await chat(stage, {}, { headers: { authorization: `Bearer ${key}` } })).status).toBe(200);
    await compared(comparisons);
    expect(comparisons[0]!.copy).toMatchObject({ status: 403, error: "model_not_allowed" });
    expect(other.requests).toHaveLength(0);
  });
});

describe("copies are not made", () => {
  it("beyond the share", async () => {
    const { stage, other } = await pair({ share: 0 });
    await chat(stage);
    await stage.ended();
    expect(stage.contexts[0]!.vars.mirror).toBeUndefined();
    expect(other.requests).toHaveLength(0);
  });

  it("of operations that are not listed, or not to be repeated", async () => {
    const { stage } = await pair({ operations: ["embeddings", "responses"] });
    await chat(stage);
    await post(`${stage.url}/v1/responses`, { model: MODEL, input: "a" });
    await post(`${stage.url}/v1/embeddings`, { model: MODEL, input: "a" });
    await stage.ended(3);
    expect(stage.contexts.map(({ vars }) => vars.mirror !== undefined)).toEqual([false, false, true]);
  });

  it("beyond `maxInFlight`", async () => {
    const { stage, other } = await pair({ maxInFlight: 1 });
    other.faults = [{ kind: "no_answer" }];
    await chat(stage);
    await waitFor("the copy", () => other.requests.length === 1);
    await chat(stage);
    await stage.ended(2);
    expect(await stage.contexts[1]!.vars.mirror!.compared).toBeUndefined();
    expect(other.requests).toHaveLength(1);
  });

  it("when the client left before its answer was whole", async () => {
    const { stage, main, other } = await pair();
    main.faults = [{ kind: "stall", afterEvents: 2 }];
    const client = new AbortController();
    const response = await chat(stage, { stream: true }, { signal: client.signal });
    client.abort();
    await expect(response.text()).rejects.toThrow();
    expect((await stage.ended()).outcome).toBe("client_abort");
    expect(await stage.contexts[0]!.vars.mirror!.compared).toBeUndefined();
    expect(other.requests).toHaveLength(0);
  });
});

describe("a comparison", () => {
  it.each([
    [
      "throws",
      () => {
        throw new Error("no room");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no room"))],
  ])("is told in the log at level debug, also when the callback %s", async (_, onCompared) => {
    const [main, other] = [await simulated(), await simulated({ models: [OTHER] })];
    await using gateway = await startTestGateway({
      backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
      log: { level: "debug", format: "json" },
      plugins: [mirror({ to: { model: OTHER }, share: 1, onCompared })],
    });
    await post(`${gateway.url}/v1/chat/completions`, {
      model: MODEL,
      messages: [{ role: "user", content: "hi" }],
    });
    const line = (text: string): Promise<string> =>
      waitFor(text, () => gateway.lines.find((printed) => printed.includes(text)));
    expect(await line("a request was mirrored")).toContain(`other/${OTHER}`);
    expect(await line("onCompared failed")).toContain("no room");
  });
});

describe("at the stop of the gateway", () => {
  it("a running copy is closed, without a comparison", async () => {
    const [main, other] = [await simulated(), await simulated({ models: [OTHER] })];
    other.faults = [{ kind: "no_answer" }];
    const comparisons: Comparison[] = [];
    const gateway = await startTestGateway({
      backends: { main: openaiAt(main), other: openaiAt(other, { models: [OTHER] }) },
      plugins: [mirror({ to: { model: OTHER }, share: 1, onCompared: (result) => comparisons.push(result) })],
    });
    const response = await post(`${gateway.url}/v1/chat/completions`, {
      model: MODEL,
      messages: [{ role: "user", content: "Hi" }],
    });
    expect(response.status).toBe(200);
    await waitFor("the copy", () => other.requests.length === 1);
    await gateway.close();
    await other.requests[0]!.closed;
    expect(other.requests[0]!.aborted).toBe(true);
    expect(comparisons).toEqual([]);
  });
});
