/** What goes wrong at providers, against the whole chain of resilience: the client gets its answer all the same. */
import { balancer } from "@gatewright/balancer";
import { fallback } from "@gatewright/fallback";
import { retry } from "@gatewright/retry";
import { streamRecovery } from "@gatewright/stream-recovery";
import { timeout } from "@gatewright/timeout";
import { describe, expect, it } from "vitest";
import type { Fault, FaultScript, SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startCompletingBackend } from "../plugins/_completing-backend.ts";
import { chat, errorOf, openaiAt, simulated, startStage } from "./_stage.ts";
import type { Stage } from "./_stage.ts";

/** The model that is asked for, on the backends `one` and `two`; in trouble `spare` on `three`, `large` on `four`. */
const MODELS = { one: "main", two: "main", three: "spare", four: "large" } as const;
type Name = keyof typeof MODELS;

const TEXT = "Every answer — größer 👩‍💻 or smaller 🚀 — arrives whole, in its order, and but once.";

/** Far more than a test takes, unless something waits that should not. */
const TOTAL_MS = 10_000;
/** For headers, the first token, and between two pieces. */
const PHASE_MS = 1_000;

interface Scene {
  readonly stage: Stage;
  readonly backends: Readonly<Record<Name, SimulatedBackend>>;
  /** Requests that each backend got. */
  counts(): number[];
}

async function scene(faults: Partial<Record<Name, FaultScript>>): Promise<Scene> {
  const start = (name: Name): Promise<SimulatedBackend> =>
    simulated({ name, models: [MODELS[name]], text: TEXT, faults: faults[name] ?? [] });
  const backends = {
    one: await start("one"),
    two: await start("two"),
    three: await start("three"),
    four: await start("four"),
  };
  return {
    stage: await resilient(backends),
    backends,
    counts: () => Object.values(backends).map(({ requests }) => requests.length),
  };
}

function resilient(
  backends: Readonly<Record<string, { url: string }>>,
  prefill: string[] = [],
): Promise<Stage> {
  const entries = Object.entries(backends).map(([name, backend]) => {
    return [name, openaiAt(backend, { models: [MODELS[name as Name]] })] as const;
  });
  return startStage({
    backends: Object.fromEntries(entries),
    timeouts: { totalMs: TOTAL_MS },
    plugins: [
      fallback({ models: { main: ["spare"] }, on: { contextWindow: { main: ["large"] } } }),
      streamRecovery({ strategy: "continue", prefill }),
      retry({ baseDelayMs: 10, maxDelayMs: 20 }),
      timeout({ firstByteMs: PHASE_MS, firstTokenMs: PHASE_MS, idleMs: PHASE_MS }),
      balancer({ strategy: "priority" }),
    ],
  });
}

interface Chunk {
  model: string;
  choices: { delta?: { content?: string }; message?: { content: string } }[];
}

/** Asks for the main model, and demands the one right answer; gives its headers. */
async function ask(stage: Stage, stream: boolean): Promise<Headers> {
  const response = await chat(stage, { model: "main", stream });
  const text = await response.text();
  expect({ status: response.status, text: response.status === 200 ? "" : text }).toEqual({
    status: 200,
    text: "",
  });
  const chunks = stream ? chunksOf(text) : [JSON.parse(text) as Chunk];
  const contents = chunks.flatMap(({ choices }) =>
    choices.map(({ delta, message }) => (delta ?? message)?.content ?? ""),
  );
  expect(contents.join("")).toBe(TEXT);
  expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set(["main"]));
  return response.headers;
}

function chunksOf(stream: string): Chunk[] {
  const events = stream.trimEnd().split("\n\n");
  expect(events.pop()).toBe("data: [DONE]");
  return events.map((event) => JSON.parse(event.replace(/^data: /, "")) as Chunk);
}

/** Who answered, as the reply says. */
function answered(headers: Headers): string {
  return `${headers.get("x-gatewright-model") ?? "main"} on ${headers.get("x-gatewright-backend")}`;
}

const always =
  (fault: Fault): FaultScript =>
  () =>
    fault;

describe("with retry, fallback, stream recovery and time limits, the client gets the whole answer", () => {
  describe.each([
    ["whole", false],
    ["streamed", true],
  ])("%s", (_, stream) => {
    it("U12: through 429 with Retry-After, which no retry waits for beyond the deadline", async () => {
      const limited: Fault = { kind: "status", status: 429, headers: { "retry-after": "30" } };
      const { stage, counts } = await scene({ one: always(limited), two: always(limited) });
      const headers = await ask(stage, stream);
      expect(answered(headers)).toBe("spare on three");
      expect(headers.has("retry-after")).toBe(false);
      expect(counts()).toEqual([1, 1, 1, 0]);
    });

    it("through 429 without Retry-After, after its retries", async () => {
      const limited: Fault = { kind: "status", status: 429 };
      const { stage, counts } = await scene({ one: always(limited), two: always(limited) });
      expect(answered(await ask(stage, stream))).toBe("spare on three");
      const [one, two, ...rest] = counts();
      expect([one! + two!, ...rest]).toEqual([3, 1, 0]);
    });

    it("U13: through a single 500", async () => {
      const { stage, counts } = await scene({ one: [{ kind: "status", status: 500 }] });
      expect(answered(await ask(stage, stream))).toBe("main on two");
      expect(counts()).toEqual([1, 1, 0, 0]);
    });

    it("through a lasting 503", async () => {
      const down: Fault = { kind: "status", status: 503 };
      const { stage, counts } = await scene({ one: always(down), two: always(down) });
      expect(answered(await ask(stage, stream))).toBe("spare on three");
      const [one, two, ...rest] = counts();
      expect([one! + two!, ...rest]).toEqual([3, 1, 0]);
    });

    it("U1: through a reset before the headers", async () => {
      const { stage, counts } = await scene({ one: [{ kind: "reset" }] });
      expect(answered(await ask(stage, stream))).toBe("main on two");
      expect(counts()).toEqual([1, 1, 0, 0]);
    });

    it("U3: through a backend that never answers, whose connection is closed", async () => {
      const { stage, backends, counts } = await scene({ one: [{ kind: "no_answer" }] });
      expect(answered(await ask(stage, stream))).toBe("main on two");
      await backends.one.requests[0]!.closed;
      expect(backends.one.requests[0]!.aborted).toBe(true);
      expect(counts()).toEqual([1, 1, 0, 0]);
    });

    it("through a prompt that is too long for the model, from one with a larger window", async () => {
      const body = {
        error: { message: "Too long.", type: "invalid_request_error", code: "context_length_exceeded" },
      };
      const { stage, counts } = await scene({ one: always({ kind: "status", status: 400, body }) });
      expect(answered(await ask(stage, stream))).toBe("large on four");
      expect(counts()).toEqual([1, 0, 0, 1]);
    });

    it("but a clean error for content that was refused, which nobody else sees", async () => {
      const body = {
        error: {
          message: "Refused.",
          type: "invalid_request_error",
          param: null,
          code: "content_policy_violation",
        },
      };
      const { stage, counts } = await scene({ one: always({ kind: "status", status: 400, body }) });
      const response = await chat(stage, { model: "main", stream });
      expect(response.status).toBe(400);
      expect(response.headers.get("content-type")).toContain("application/json");
      expect(response.headers.has("x-gatewright-model")).toBe(false);
      expect(await errorOf(response)).toEqual(body.error);
      expect(counts()).toEqual([1, 0, 0, 0]);
    });

    it("from a backend that flaps, with one further call for each failure", async () => {
      const { stage, counts } = await scene({
        one: (_, n) => (n % 2 === 1 ? { kind: "status", status: 503 } : undefined),
      });
      for (let request = 0; request < 10; request++)
        expect(answered(await ask(stage, stream))).toBe(request % 2 === 0 ? "main on two" : "main on one");
      expect(counts()).toEqual([10, 5, 0, 0]);
    });

    it("T7: with every attempt accounted for, and the one that answered named", async () => {
      const down: Fault = { kind: "status", status: 503 };
      const { stage } = await scene({ one: always(down), two: always({ kind: "reset" }) });
      const headers = await ask(stage, stream);
      expect(answered(headers)).toBe("spare on three");
      expect(headers.get("x-gatewright-attempts")).toBe("4");
      const end = await stage.ended();
      expect(end).toMatchObject({ outcome: "complete", status: 200, target: { id: "three/spare" } });
      expect(end.error).toBeUndefined();
      expect(end.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
        [1, "upstream_error"],
        [2, "upstream_error"],
        [3, "upstream_error"],
        [4, "complete"],
      ]);
      const kinds = end.attempts.map(({ error }) => error?.upstream?.kind);
      expect(new Set(kinds)).toEqual(new Set(["status", "reset", undefined]));
      // Only the attempt that answered used anything.
      expect(end.attempts.slice(0, 3).map(({ usage }) => usage)).toEqual([undefined, undefined, undefined]);
      expect(end.usage).toEqual(end.attempts[3]!.usage);
      expect(end.usage!.outputTokens).toBeGreaterThan(0);
      expect(stage.ends).toHaveLength(1);
      expect(stage.inFlight()).toBe(0);
    });
  });

  it("through a slow first token", async () => {
    const { stage, backends, counts } = await scene({ one: [{ kind: "slow_first_token", ms: 600_000 }] });
    expect(answered(await ask(stage, true))).toBe("main on two");
    await backends.one.requests[0]!.closed;
    expect(counts()).toEqual([1, 1, 0, 0]);
  });

  it.each([
    ["a stream that is cut", { kind: "cut", afterEvents: 6 }],
    ["a stream that stalls", { kind: "stall", afterEvents: 6 }],
    ["a malformed event in the stream", { kind: "malformed_event", afterEvents: 6 }],
  ] as const)("E9: through %s, once and in its order", async (_, fault) => {
    const { stage, backends, counts } = await scene({ one: [fault] });
    await ask(stage, true);
    await backends.one.requests[0]!.closed;
    expect(counts()).toEqual([1, 1, 0, 0]);
    const end = await stage.ended();
    expect(end).toMatchObject({ outcome: "complete", target: { id: "two/main" } });
    expect(end.attempts).toHaveLength(2);
    expect(stage.inFlight()).toBe(0);
  });

  it.each([
    ["a cut", { kind: "cut", afterEvents: 1 }],
    ["a malformed event", { kind: "malformed_event", afterEvents: 1 }],
    ["a stall", { kind: "stall", afterEvents: 1 }],
  ] as const)("through %s before the first content, as through any failure", async (_, fault) => {
    const { stage, counts } = await scene({ one: [fault] });
    expect(answered(await ask(stage, true))).toBe("main on two");
    expect(counts()).toEqual([1, 1, 0, 0]);
  });

  it("E8: through a missing terminator, without asking again", async () => {
    const { stage, counts } = await scene({ one: [{ kind: "missing_terminator" }] });
    expect(answered(await ask(stage, true))).toBe("main on one");
    expect(counts()).toEqual([1, 0, 0, 0]);
  });

  it("through a second backend that rejects the prefill of a stream that was cut", async () => {
    const one = await startCompletingBackend({ name: "one", text: TEXT, pieceLength: 3, cutAfter: [9] });
    const two = await startCompletingBackend({
      name: "two",
      text: TEXT,
      pieceLength: 4,
      refusesPrefill: 400,
    });
    const [three, four] = [await simulated({ models: ["spare"] }), await simulated({ models: ["large"] })];
    const stage = await resilient({ one, two, three, four }, ["two"]);
    await ask(stage, true);
    expect(one.requests).toHaveLength(1);
    expect(two.requests.map(({ messages }) => messages.at(-1)!.role)).toEqual(["assistant", "user"]);
    expect((await stage.ended()).outcome).toBe("complete");
  });
});
