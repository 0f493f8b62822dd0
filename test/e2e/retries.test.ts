/** What is tried again and what never is, over sockets and for every operation. */
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { fallback } from "@gatewright/fallback";
import { modelRouting } from "@gatewright/model-routing";
import { retry } from "@gatewright/retry";
import { streamRecovery } from "@gatewright/stream-recovery";
import type { Plugin } from "gatewright";
import { describe, expect, it } from "vitest";
import type { FaultScript, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { replyHead } from "../_support/scripted-upstream.ts";
import { sampleRequests, sendSample } from "./_requests.ts";
import type { SampleRequest } from "./_requests.ts";
import {
  chat,
  errorOf,
  jsonReply,
  MODEL,
  ollamaAt,
  openaiAt,
  post,
  scripted,
  simulated,
  startStage,
} from "./_stage.ts";
import type { Stage } from "./_stage.ts";

/** Everything that calls again, without pauses that a test would wait for. */
const EAGER: readonly Plugin[] = [
  fallback({ models: { [MODEL]: ["spare"] } }),
  streamRecovery({ strategy: "error" }),
  retry({ maxAttempts: 5, baseDelayMs: 1, maxDelayMs: 1 }),
  balancer({ strategy: "priority" }),
];

interface Scene {
  readonly stage: Stage;
  /** Calls over all backends. */
  calls(): number;
}

/** Two backends of the model and one of its fallback, which share a fault script. */
async function scene(faults: FaultScript, plugins: readonly Plugin[] = EAGER): Promise<Scene> {
  const [one, two, spare] = [
    await simulated({ faults }),
    await simulated({ faults }),
    await simulated({ faults, models: ["spare"] }),
  ];
  const stage = await startStage({
    backends: { one: openaiAt(one), two: openaiAt(two), spare: openaiAt(spare, { models: ["spare"] }) },
    plugins,
  });
  return { stage, calls: () => callsOf([one, two, spare]) };
}

function callsOf(backends: readonly SimulatedBackend[]): number {
  return backends.reduce((sum, { requests }) => sum + requests.length, 0);
}

const nameOf = ({ operation, stream }: SampleRequest): string => `${operation}${stream ? ", streamed" : ""}`;
const samples = sampleRequests(MODEL).filter(({ operation }) => operation !== "models");

describe("once a byte of the reply has gone out", () => {
  /** Events after which content has come and the end has not. */
  const EVENTS: Partial<Record<SampleRequest["operation"], number>> = {
    speech: 1,
    imageGeneration: 1,
    imageEdit: 1,
    responses: 6,
  };
  const streamed = samples.filter(({ stream }) => stream).map((sample) => [nameOf(sample), sample] as const);

  it.each(streamed)("T2: nobody is called again: %s", async (_, sample) => {
    const { operation, body } = sample;
    if (body instanceof FormData) body.append("partial_images", "2");
    else body!["partial_images"] = 2;
    const afterEvents = EVENTS[operation] ?? 4;
    const { stage, calls } = await scene(() => ({ kind: "cut", afterEvents, how: "reset" }));
    const response = await sendSample(stage.url, sample);
    expect(response.status).toBe(200);
    expect(await response.text()).toContain("upstream_interrupted");
    expect(calls()).toBe(1);
    expect(await stage.ended()).toMatchObject({ outcome: "truncated", attempts: [{ outcome: "truncated" }] });
  });

  it("T2: nobody is called again: audio as bytes", async () => {
    const { stage, calls } = await scene(() => ({ kind: "cut", afterBytes: 4_000, how: "reset" }));
    const speech = { model: MODEL, input: "Hi.", voice: "alloy" };
    const response = await post(`${stage.url}/v1/audio/speech`, speech);
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect(calls()).toBe(1);
  });
});

describe("an operation with effects of its own", () => {
  const sample = samples.find(({ operation, stream }) => operation === "responses" && !stream)!;

  it.each([
    ["503", { kind: "status", status: 503 }],
    ["429", { kind: "status", status: 429 }],
    ["a reset before the headers", { kind: "reset" }],
    ["a closed connection", { kind: "close" }],
  ] as const)("T5: is sent once, though the answer is %s", async (_, fault) => {
    const { stage, calls } = await scene(() => fault);
    const response = await sendSample(stage.url, sample);
    expect(response.status).toBe(fault.kind === "status" && fault.status === 429 ? 429 : 502);
    await response.text();
    expect(calls()).toBe(1);
  });

  it("T5: goes elsewhere where nothing of it was sent", async () => {
    const dead = await simulated();
    const url = dead.url;
    await dead.close();
    const alive = await simulated();
    const stage = await startStage({
      backends: { dead: openaiAt({ url }), alive: openaiAt(alive, { models: [MODEL, "spare"] }) },
      plugins: EAGER,
    });
    const response = await sendSample(stage.url, sample);
    expect([response.status, response.headers.get("x-gatewright-backend")]).toEqual([200, "alive"]);
    expect(alive.requests).toHaveLength(1);
  });
});

describe("attempts that are used up", () => {
  it.each(
    samples.filter(({ operation }) => operation !== "responses").map((each) => [nameOf(each), each] as const),
  )("T6: ask the client's library not to multiply them: %s", async (_, sample) => {
    const plugins = [retry({ maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 1 }), balancer()];
    const { stage, calls } = await scene(() => ({ kind: "status", status: 503 }), plugins);
    const response = await sendSample(stage.url, sample);
    expect(response.status).toBe(502);
    await response.text();
    // A form with its model in front flows to the backend as it comes: once, which is not for a library to know.
    const sent = sample.body instanceof FormData ? 1 : 3;
    expect(calls()).toBe(sent);
    expect(response.headers.get("x-should-retry")).toBe(sent === 3 ? "false" : null);
  });
});

describe("an attempt on a backend whose model differs", () => {
  const price = { prompt: 0.000_01, completion: 0.000_02 };

  it("T7: prefers the other backend, and says whose answer at which cost it was", async () => {
    const [one, two] = [
      await simulated({ models: ["small", "large"], faults: [{ kind: "status", status: 500 }] }),
      await simulated({ models: ["other"], text: "From the other." }),
    ];
    const stage = await startStage({
      backends: {
        one: openaiAt(one, { models: ["small", "large"] }),
        two: openaiAt(two, { models: ["other"] }),
      },
      models: {
        virtual: {
          targets: [
            { backend: "one", model: "small", price: { prompt: 1, completion: 1 } },
            { backend: "one", model: "large", price: { prompt: 1, completion: 1 } },
            { backend: "two", model: "other", price },
          ],
        },
      },
      plugins: [retry(), modelRouting(), balancer({ strategy: "priority" })],
    });
    const response = await chat(stage, { model: "virtual", providers: ["openai"] });
    const json = (await response.json()) as {
      model: string;
      cost: number;
      usage: { prompt_tokens: number; completion_tokens: number };
    };
    expect(json.model).toBe("virtual");
    expect([one.requests.length, two.requests.length]).toEqual([1, 1]);
    expect(two.requests[0]!.json).toMatchObject({ model: "other" });
    const { attempts, target, usage } = await stage.ended();
    expect(attempts.map(({ target }) => target.id)).toEqual(["one/small", "two/other"]);
    expect(target!.id).toBe("two/other");
    expect(usage).toEqual(attempts[1]!.usage);
    const { prompt_tokens: prompt, completion_tokens: completion } = json.usage;
    expect(json.cost).toBeCloseTo(prompt * price.prompt + completion * price.completion, 6);
  });

  it("T7: is not made on a model that the key may not use", async () => {
    const key = "sk-retries-0123456789abcdef0123";
    const keys = (models: string[]): Plugin => apiKeys({ keys: [{ id: "tester", key, models }] });
    const authorized = { headers: { authorization: `Bearer ${key}` } };
    for (const models of [[MODEL], [MODEL, "spare"]]) {
      const main = await simulated({ faults: () => ({ kind: "status", status: 503 }) });
      const spare = await simulated({ models: ["spare"] });
      const stage = await startStage({
        backends: { main: openaiAt(main), spare: openaiAt(spare, { models: ["spare"] }) },
        plugins: [keys(models), fallback({ models: { [MODEL]: ["spare"] } }), balancer()],
      });
      const response = await chat(stage, {}, authorized);
      const allowed = models.includes("spare");
      expect(response.status).toBe(allowed ? 200 : 502);
      if (!allowed) expect((await errorOf(response)).code).toBe("provider_error");
      expect(spare.requests).toHaveLength(allowed ? 1 : 0);
    }
  });
});

describe("the client's Idempotency-Key", () => {
  it("T8: goes with every attempt, so that a backend which knows it charges once", async () => {
    const keys: (string | undefined)[] = [];
    const backend = await scripted(async (connection) => {
      for (;;) {
        const { headers } = await connection.readRequest();
        keys.push(headers["idempotency-key"]);
        const busy = replyHead(503, { "content-length": "0" });
        const choice = { index: 0, message: { role: "assistant", content: "Once." }, finish_reason: "stop" };
        await connection.send(
          keys.length < 3 ? busy : jsonReply({ id: "c", model: MODEL, choices: [choice] }),
        );
      }
    });
    const one = await startStage({ backends: { one: openaiAt(backend) }, plugins: EAGER.slice(2) });
    const response = await chat(one, {}, { headers: { "idempotency-key": "order-7" } });
    expect(response.status).toBe(200);
    expect(keys).toEqual(["order-7", "order-7", "order-7"]);
  });
});

describe("a field that the next backend cannot carry", () => {
  it("re-10: is treated as on a first try there: 400 that names it", async () => {
    const web = { web_search_options: {} };
    const [failing, local] = [
      await simulated({ faults: [{ kind: "status", status: 503 }] }),
      await simulated({ dialect: "ollama" }),
    ];
    const backends = { cloud: openaiAt(failing), local: ollamaAt(local) };
    const alone = await startStage({ backends: { local: ollamaAt(local) } });
    const both = await startStage({ backends, plugins: [retry(), balancer({ strategy: "priority" })] });
    for (const stage of [alone, both]) {
      const response = await chat(stage, web);
      expect(response.status).toBe(400);
      expect(await errorOf(response)).toMatchObject({
        code: "unsupported_parameter",
        param: "web_search_options",
      });
    }
    expect([failing.requests.length, local.requests.length]).toEqual([1, 0]);
  });
});
