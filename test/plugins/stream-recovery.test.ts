import { once } from "node:events";
import { request } from "node:http";
import type { IncomingMessage } from "node:http";
import { defineGatewayPlugin, isEventStream } from "gatewright";
import type { Plugin, RequestBody, StreamEvent } from "gatewright";
import fc from "fast-check";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import { balancer } from "@gatewright/balancer";
import { retry } from "@gatewright/retry";
import { streamRecovery } from "@gatewright/stream-recovery";
import { timeout } from "@gatewright/timeout";
import { adoptChunk, chatDialect, readChunk } from "../../plugins/stream-recovery/src/chat-chunk.ts";
import { prefill, restart } from "../../plugins/stream-recovery/src/continuation.ts";
import { Splice } from "../../plugins/stream-recovery/src/splice.ts";
import { Transcript } from "../../plugins/stream-recovery/src/transcript.ts";
import { addUsage } from "../../plugins/stream-recovery/src/usage-sum.ts";
import type { Fault } from "../../playground/src/simulated-backend.ts";
import { waitFor, waitForStandstill } from "../_support/wait-for.ts";
import { chat, chatBody, errorEvent, openaiAt, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { startCompletingBackend } from "./_completing-backend.ts";
import type { CompletingBackend, CompletingOptions } from "./_completing-backend.ts";
import { createHost, FakeContext, findFaults } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({
  folder: "stream-recovery",
  factory: "streamRecovery",
  create: () => streamRecovery({ strategy: "continue" }),
});

/** Texts with everything that can be cut in the wrong place. */
const anyText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 60 });

/** A text in pieces, cut anywhere, inside of surrogate pairs too. */
function cut(text: string, at: readonly number[]): string[] {
  const cuts = [0, ...at.map((each) => each % (text.length + 1)).sort((a, b) => a - b), text.length];
  return cuts.slice(1).map((end, index) => text.slice(cuts[index], end));
}

describe("splice", () => {
  it("gives exactly the rest, however both texts are cut", () => {
    const cuts = fc.array(fc.nat(), { maxLength: 8 });
    fc.assert(
      fc.property(anyText, fc.nat(), cuts, (text, length, at) => {
        const sent = text.slice(0, length % (text.length + 1));
        const splice = new Splice(sent);
        const rest = cut(text, at).map((piece) => splice.take(piece));
        expect(sent + rest.join("")).toBe(text);
        expect(splice.joined).toBe(true);
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it("finds any other text out, at the first unit that differs", () => {
    const splice = new Splice("Hello");
    expect([splice.take("He"), splice.take("lp")]).toEqual(["", undefined]);
    expect(new Splice("Hello").take("Hallo there")).toBeUndefined();
  });

  it("is not joined by less than what was sent", () => {
    const splice = new Splice("Hello");
    expect(splice.take("Hell")).toBe("");
    expect(splice.joined).toBe(false);
  });
});

describe("chunks", () => {
  const chunk = (delta: object, choice: object = {}): Record<string, unknown> => ({
    id: "c",
    choices: [{ index: 0, delta, finish_reason: null, ...choice }],
  });

  it.each([
    ["text", { content: "a" }],
    ["a role", { role: "assistant", content: "", refusal: null }],
    ["nothing", {}],
    ["an empty list of calls", { content: "a", tool_calls: [] }],
  ])("are plain with %s", (_, delta) => {
    expect(readChunk(chunk(delta)).plain).toBe(true);
  });

  it.each([
    ["a tool call", { tool_calls: [{ index: 0 }] }, {}],
    ["a refusal", { refusal: "no" }, {}],
    ["reasoning", { reasoning_content: "hm" }, {}],
    ["text that is none", { content: [{ type: "text" }] }, {}],
    ["log probabilities", { content: "a" }, { logprobs: { content: [] } }],
    ["another choice", { content: "a" }, { index: 1 }],
  ])("are not plain with %s", (_, delta, choice) => {
    expect(readChunk(chunk(delta, choice)).plain).toBe(false);
  });

  it("finish a choice by a reason, not by an empty one, which some servers send until the end", () => {
    expect(readChunk(chunk({}, { finish_reason: "stop" })).finishes).toBe(true);
    expect(readChunk(chunk({ content: "a" }, { finish_reason: "" })).finishes).toBe(false);
  });

  it("are adopted under the first answer's identity, without the role", () => {
    const identity = { id: "first", created: 1, model: "m" };
    const adopted = adoptChunk({ ...chunk({ role: "assistant", content: "a" }), created: 9, x: 1 }, identity);
    expect(adopted).toEqual({ ...chunk({ content: "a" }), ...identity, x: 1 });
    expect(adoptChunk(chunk({ role: "assistant", content: "" }), identity)).toBeUndefined();
    expect(adoptChunk(chunk({}, { finish_reason: "stop" }), identity)).toMatchObject({
      choices: [{ delta: {}, finish_reason: "stop" }],
    });
    expect(adoptChunk({ choices: [], usage: { total_tokens: 1 } }, identity)).toMatchObject({ id: "first" });
  });
});

describe("continuation", () => {
  const bodyOf = (json: Record<string, unknown>): RequestBody => new FakeContext({ json }, createHost()).body;
  const told = (...pieces: string[]): Transcript => {
    const transcript = new Transcript(chatDialect);
    for (const content of pieces) transcript.add({ choices: [{ index: 0, delta: { content } }] });
    return transcript;
  };
  const user = { role: "user", content: "Say." };

  it("by prefill gives the text so far as an assistant message", () => {
    const way = prefill(bodyOf({ messages: [user], seed: 1 }), told("One", " two"), "plain")!;
    expect(way.body.json).toEqual({ messages: [user, { role: "assistant", content: "One two" }], seed: 1 });
    expect(way.expected).toBe("");
  });

  it("by prefill leaves white space at the end to the backend, and expects it back", () => {
    const way = prefill(bodyOf({ messages: [user] }), told("One", " two \n"), "plain")!;
    expect(way.body.json["messages"]).toEqual([user, { role: "assistant", content: "One two" }]);
    expect(way.expected).toBe(" \n");
  });

  it("by prefill for vLLM and its kin asks to go on with the message", () => {
    const { body } = prefill(bodyOf({ messages: [user] }), told("One"), "vllm")!;
    expect(body.json).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
  });

  it("by prefill lowers what may still be produced", () => {
    const limits = { max_tokens: 10, max_completion_tokens: 2 };
    const { body } = prefill(bodyOf({ messages: [user], ...limits }), told("a", "b", "c"), "plain")!;
    expect(body.json).toMatchObject({ max_tokens: 7, max_completion_tokens: 1 });
  });

  it("by prefill goes on with an assistant message of the client's own", () => {
    const own = { role: "assistant", content: "Once", name: "x" };
    const way = prefill(bodyOf({ messages: [user, own] }), told(" upon"), "plain")!;
    expect(way.body.json["messages"]).toEqual([user, { ...own, content: "Once upon" }]);
    expect(
      prefill(bodyOf({ messages: [user, { ...own, content: [] }] }), told("x"), "plain"),
    ).toBeUndefined();
  });

  it("by prefill needs a text to go on from", () => {
    expect(prefill(bodyOf({ messages: [user] }), told("", " \n"), "plain")).toBeUndefined();
  });

  it("by restart sends the same request and expects the whole text", () => {
    const body = bodyOf({ messages: [user] });
    expect(restart(body, told("One ", "two"))).toEqual({ kind: "restart", body, expected: "One two" });
  });
});

describe("usage", () => {
  const last = { usage: { prompt_tokens: 30, completion_tokens: 5, total_tokens: 35, x: 1 } };

  it("is the sum of what was reported", () => {
    const usage = { inputTokens: 20, outputTokens: 7, totalTokens: 27 };
    expect(addUsage(last, [{ usage, pieces: 9, prefilled: 0 }], 9)["usage"]).toEqual({
      prompt_tokens: 50,
      completion_tokens: 12,
      total_tokens: 62,
      x: 1,
    });
  });

  it("is estimated for who reported none: a token for each piece, the prompt without the prefilled text", () => {
    expect(addUsage(last, [{ usage: undefined, pieces: 9, prefilled: 0 }], 9)["usage"]).toEqual({
      prompt_tokens: 30 + 21,
      completion_tokens: 5 + 9,
      total_tokens: 65,
      x: 1,
      estimated: true,
    });
  });

  it("is left alone where a chunk has none", () => {
    const chunk = { usage: null };
    expect(addUsage(chunk, [{ usage: undefined, pieces: 1, prefilled: 0 }], 0)).toBe(chunk);
  });
});

describe("options", () => {
  it.each([
    [{ strategy: "ignore" }, "strategy"],
    [{ strategy: "continue", maxRecoveries: 0 }, "maxRecoveries"],
    [{ strategy: "continue", prefillMode: "x" }, "prefillMode"],
    [{ strategy: "error", prefill: [] }, "prefill"],
  ])("refuses %j and names the field", (options, path) => {
    expect(findFaults(streamRecovery(options as never)).map((fault) => fault.path)).toEqual([path]);
  });
});

const TEXT = "Größe: 👩‍💻 schreibt “日本語” 🚀🇪🇺, and then — slowly — it ends. 🙂";

interface Scene {
  readonly stage: Stage;
  readonly first: CompletingBackend;
  readonly second: CompletingBackend;
}

interface SceneOptions {
  readonly recovery?: Parameters<typeof streamRecovery>[0];
  readonly first?: Partial<CompletingOptions>;
  readonly second?: Partial<CompletingOptions>;
  readonly outer?: readonly Plugin[];
  readonly inner?: readonly Plugin[];
}

/** Two backends that tell the same text in pieces of different length; the first breaks off after its ninth. */
async function scene({ recovery, first, second, outer = [], inner = [] }: SceneOptions = {}): Promise<Scene> {
  const backends = [
    await startCompletingBackend({ name: "first", text: TEXT, pieceLength: 3, cutAfter: [9], ...first }),
    await startCompletingBackend({ name: "second", text: TEXT, pieceLength: 5, ...second }),
  ] as const;
  const stage = await startStage({
    backends: { first: openaiAt(backends[0]), second: openaiAt(backends[1]) },
    plugins: [
      ...outer,
      streamRecovery(recovery ?? { strategy: "continue" }),
      ...inner,
      balancer({ strategy: "priority" }),
    ],
  });
  return { stage, first: backends[0], second: backends[1] };
}

interface Chunk {
  id: string;
  created: number;
  model: string;
  choices?: { delta: { role?: string; content?: string }; finish_reason: string | null }[];
  usage?: Record<string, unknown> | null;
}

async function streamOf(stage: Stage, rest: Record<string, unknown> = {}): Promise<string> {
  return (await chat(stage, { stream: true, ...rest })).text();
}

function chunksOf(stream: string): Chunk[] {
  const events = stream.trimEnd().split("\n\n");
  return events
    .filter((event) => event !== "data: [DONE]")
    .map((event) => JSON.parse(event.replace(/^data: /, "")) as Chunk);
}

/** The text of a whole stream, every promise about its shape checked. */
function textOf(stream: string): string {
  expect(stream.match(/data: \[DONE\]\n\n/g)).toHaveLength(1);
  expect(stream.endsWith("data: [DONE]\n\n")).toBe(true);
  const chunks = chunksOf(stream);
  for (const { id, created, model } of chunks)
    expect({ id, created, model }).toEqual({
      id: chunks[0]!.id,
      created: chunks[0]!.created,
      model: chunks[0]!.model,
    });
  const deltas = chunks.flatMap(({ choices }) => choices ?? []);
  expect(deltas.filter(({ delta }) => "role" in delta)).toHaveLength(1);
  expect(deltas.filter(({ finish_reason: finish }) => finish !== null)).toHaveLength(1);
  return deltas.map(({ delta }) => delta.content ?? "").join("");
}

const PREFILL: Parameters<typeof streamRecovery>[0] = { strategy: "continue", prefill: ["second"] };

describe("a stream that breaks after its first content", () => {
  it.each([1, 2, 3, 4, 7, 100])(
    "goes on by a fresh start in pieces of %i units, and not a unit is lost",
    async (pieceLength) => {
      const { stage, first, second } = await scene({ second: { pieceLength } });
      expect(textOf(await streamOf(stage))).toBe(TEXT);
      expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
      const end = await stage.ended();
      expect(end).toMatchObject({ outcome: "complete", status: 200 });
      expect(end.attempts.map(({ target, outcome }) => [target.backend.name, outcome])).toEqual([
        ["first", "truncated"],
        ["second", "complete"],
      ]);
    },
  );

  it.each([1, 2, 5, 8, 13, 20])(
    "goes on when it broke after piece %i of single units, inside an emoji or not",
    async (piece) => {
      const { stage } = await scene({ first: { pieceLength: 1, cutAfter: [piece] } });
      expect(textOf(await streamOf(stage))).toBe(TEXT);
    },
  );

  it("goes on by prefill where the backend takes one, which then tells the rest alone", async () => {
    const { stage, second } = await scene({ recovery: PREFILL });
    expect(textOf(await streamOf(stage))).toBe(TEXT);
    expect(second.requests).toHaveLength(1);
    expect(second.requests[0]!.messages.at(-1)).toEqual({
      role: "assistant",
      content: TEXT.slice(0, 27).trimEnd(),
    });
  });

  it.each([true, false])(
    "goes on by prefill after white space, whether the backend trims it: %s",
    async (trims) => {
      const text = "One two  three";
      const { stage } = await scene({
        recovery: PREFILL,
        first: { text, pieceLength: 9, cutAfter: [1] },
        second: { text, trims },
      });
      expect(textOf(await streamOf(stage))).toBe(text);
    },
  );

  it.each([8, 10, 11, 30])(
    "goes on by prefill after unit %i, inside an emoji or not, and gives whole characters only",
    async (units) => {
      const { stage, second } = await scene({
        recovery: PREFILL,
        first: { pieceLength: 1, cutAfter: [units] },
      });
      expect(textOf(await streamOf(stage))).toBe(TEXT);
      expect(second.requests).toHaveLength(1);
      expect(second.requests[0]!.messages.at(-1)!.content).not.toMatch(/[\uD800-\uDBFF]$/);
    },
  );

  it("goes on by prefill as vLLM wants it, by the name of the adapter", async () => {
    const { stage, second } = await scene({
      recovery: { strategy: "continue", prefill: ["openai"], prefillMode: "vllm" },
    });
    expect(textOf(await streamOf(stage))).toBe(TEXT);
    expect(second.requests[0]).toMatchObject({ continue_final_message: true, add_generation_prompt: false });
  });

  it("goes on by a fresh start when the backend refuses the prefill", async () => {
    const { stage, first, second } = await scene({ recovery: PREFILL, second: { refusesPrefill: 400 } });
    expect(textOf(await streamOf(stage))).toBe(TEXT);
    expect([first.requests.length, second.requests.length]).toEqual([1, 2]);
    expect(second.requests[1]!.messages).toHaveLength(1);
  });

  it("goes on where it was, when there is no other backend", async () => {
    const only = await startCompletingBackend({ name: "only", text: TEXT, pieceLength: 3, cutAfter: [9] });
    const stage = await startStage({
      backends: { only: openaiAt(only) },
      plugins: [streamRecovery({ strategy: "continue" }), balancer()],
    });
    expect(textOf(await streamOf(stage))).toBe(TEXT);
    expect(only.requests).toHaveLength(2);
  });

  it("passes every byte before the break as it came", async () => {
    const { stage } = await scene({ recovery: { strategy: "error" } });
    const broken = await streamOf(stage);
    const healed = await scene();
    const intact = broken.slice(0, broken.lastIndexOf("data: "));
    expect((await streamOf(healed.stage)).startsWith(intact)).toBe(true);
  });

  it("E9: ends in the error event when the fresh start tells something else", async () => {
    const { stage, second } = await scene({ second: { text: TEXT.replace("schreibt", "codes") } });
    const stream = await streamOf(stage);
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
    expect(stream).not.toContain("[DONE]");
    expect(stream).not.toContain("codes");
    expect(second.requests).toHaveLength(1);
    const end = await stage.ended();
    expect(end.outcome).toBe("truncated");
    expect(stage.inFlight()).toBe(0);
  });

  it("E9: ends in the error event when the fresh start ends before the break", async () => {
    const { stage } = await scene({ second: { text: TEXT.slice(0, 12) } });
    const stream = await streamOf(stage);
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
    expect(stream).not.toContain('"stop"');
  });

  it("E9: ends in the error event when the continuation breaks too", async () => {
    const { stage, first, second } = await scene({ second: { cutAfter: [8] } });
    const stream = await streamOf(stage);
    expect(errorEvent(stream).code).toBe("upstream_interrupted");
    // What both told is there, once.
    const text = chunksOf(stream)
      .flatMap(({ choices }) => choices ?? [])
      .map(({ delta }) => delta.content ?? "")
      .join("");
    expect(text).toBe(TEXT.slice(0, 40));
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it("is healed as often as `maxRecoveries` says", async () => {
    const { stage, first, second } = await scene({
      recovery: { strategy: "continue", maxRecoveries: 2 },
      second: { cutAfter: [8] },
    });
    expect(textOf(await streamOf(stage))).toBe(TEXT);
    expect([first.requests.length, second.requests.length]).toEqual([2, 1]);
  });

  it("E9: ends in the error event with strategy `error`, and nobody else is asked", async () => {
    const { stage, second } = await scene({ recovery: {} });
    expect(errorEvent(await streamOf(stage)).code).toBe("upstream_interrupted");
    expect(second.requests).toHaveLength(0);
  });
});

describe("what cannot be gone on with", () => {
  it.each([
    ["log probabilities", { logprobs: true }, {}],
    ["several choices", { n: 2 }, {}],
    ["reasoning", {}, { extra: { reasoning_content: "hm" } }],
    ["tool calls", {}, { extra: { tool_calls: [{ index: 0, function: { arguments: "{" } }] } }],
  ])("breaks as ever: a stream with %s", async (_, rest, first) => {
    const { stage, second } = await scene({ first });
    expect(errorEvent(await streamOf(stage, rest)).code).toBe("upstream_interrupted");
    expect(second.requests).toHaveLength(0);
  });

  it("breaks as ever: a stream that is longer than allowed", async () => {
    const backend = await simulated({ tokens: 100, tokenMs: 20 });
    const stage = await startStage({
      backends: { one: openaiAt(backend), two: openaiAt(backend) },
      plugins: [streamRecovery({ strategy: "continue" }), timeout({ maxStreamMs: 100 }), balancer()],
    });
    expect(errorEvent(await streamOf(stage)).code).toBe("upstream_interrupted");
    expect(backend.requests).toHaveLength(1);
  });

  it("is not touched: whole replies and other operations", async () => {
    const { stage, first } = await scene({ first: { cutAfter: [] } });
    const response = await chat(stage, { stream: true });
    expect(textOf(await response.text())).toBe(TEXT);
    expect(first.requests).toHaveLength(1);
  });
});

describe("faults of many kinds", () => {
  it.each<[string, Fault]>([
    ["a reset", { kind: "cut", afterEvents: 6, how: "reset" }],
    ["a clean end without its finish", { kind: "cut", afterEvents: 6, how: "end" }],
    ["an event that is no JSON", { kind: "malformed_event", afterEvents: 6 }],
    ["an error in the stream", { kind: "stream_error", afterEvents: 6 }],
    ["silence", { kind: "stall", afterEvents: 6 }],
  ])("are healed: %s", async (_, fault) => {
    const text = "alpha beta gamma delta epsilon zeta eta theta";
    const [one, two] = [await simulated({ text, faults: [fault] }), await simulated({ text })];
    const stage = await startStage({
      backends: { one: openaiAt(one, { timeouts: { idleMs: 150 } }), two: openaiAt(two) },
      plugins: [streamRecovery({ strategy: "continue" }), retry(), balancer({ strategy: "priority" })],
    });
    expect(textOf(await streamOf(stage))).toBe(text);
    expect([one.requests.length, two.requests.length]).toEqual([1, 1]);
    await one.requests[0]!.closed;
  });
});

describe("usage of a healed stream", () => {
  const asked = { stream_options: { include_usage: true } };
  const usageOf = (stream: string): unknown => chunksOf(stream).at(-1)!.usage;

  it("is the sum of both attempts: a fresh start costs prompt and text again", async () => {
    const { stage } = await scene();
    const pieces = Math.ceil(TEXT.length / 5);
    expect(usageOf(await streamOf(stage, asked))).toEqual({
      prompt_tokens: 10 + 10,
      completion_tokens: 9 + pieces,
      total_tokens: 29 + pieces,
      estimated: true,
    });
    expect((await stage.ended()).attempts).toHaveLength(2);
  });

  it("is not told to a client that did not ask", async () => {
    const { stage } = await scene();
    expect(await streamOf(stage)).not.toContain('"usage"');
    // What the second backend told, and for the first one an estimate: "Say something." makes 4 tokens.
    expect((await stage.ended()).usage).toMatchObject({ inputTokens: 10 + 4, estimated: true });
  });
});

describe("around a healed stream", () => {
  it("observers see one continuous stream, and the outcome of each attempt", async () => {
    const seen: StreamEvent[] = [];
    let ends = 0;
    const watcher = defineGatewayPlugin({
      name: "watcher",
      options: v.strictObject({}),
      setup: () => ({
        async middleware(_, next) {
          const reply = await next();
          if (isEventStream(reply.body))
            reply.body.observe({
              event: (event) => void seen.push(event),
              end: () => ends++,
              fail: () => (ends += 100),
            });
          return reply;
        },
      }),
    });
    const { stage } = await scene({ outer: [watcher()] });
    const stream = await streamOf(stage);
    expect(seen.map(({ data }) => `data: ${data}\n\n`).join("")).toBe(stream);
    expect(ends).toBe(1);
  });

  it("further attempts run through the layers below, within their limits", async () => {
    const silent = await simulated({ text: "one two three", faults: () => ({ kind: "no_answer" }) });
    const cutting = await simulated({ text: "one two three", faults: [{ kind: "cut", afterEvents: 3 }] });
    const stage = await startStage({
      backends: { cutting: openaiAt(cutting), silent: openaiAt(silent) },
      plugins: [
        streamRecovery({ strategy: "continue" }),
        timeout({ firstTokenMs: 1_000 }),
        balancer({ strategy: "priority" }),
      ],
    });
    expect(errorEvent(await streamOf(stage)).code).toBe("upstream_interrupted");
    expect(silent.requests).toHaveLength(1);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ error }) => error?.upstream?.kind)).toEqual(["reset", "timeout"]);
  });

  it("E14: a client that leaves closes the call that goes on", async () => {
    const cutting = await simulated({ text: "one two three", faults: [{ kind: "cut", afterEvents: 3 }] });
    const silent = await simulated({ faults: () => ({ kind: "no_answer" }) });
    const stage = await startStage({
      backends: { cutting: openaiAt(cutting), silent: openaiAt(silent) },
      plugins: [streamRecovery({ strategy: "continue" }), balancer({ strategy: "priority" })],
    });
    const client = new AbortController();
    const left = chat(stage, { stream: true }, { signal: client.signal })
      .then((response) => response.text())
      .catch(() => "left");
    await waitFor("the further attempt", () => silent.requests.length === 1);
    client.abort();
    expect(await left).toBe("left");
    await silent.requests[0]!.closed;
    expect(silent.requests[0]!.aborted).toBe(true);
    const end = await stage.ended();
    expect(end.outcome).toBe("client_abort");
    expect(end.attempts.map(({ outcome }) => outcome)).toEqual(["truncated", "client_abort"]);
    expect(stage.inFlight()).toBe(0);
    expect(silent.requests).toHaveLength(1);
  });

  it("E14: a client that leaves in the middle of the continuation closes it", async () => {
    const text = Array.from({ length: 200 }, (_, index) => `w${index}`).join(" ");
    const cutting = await simulated({ text, faults: [{ kind: "cut", afterEvents: 3 }] });
    const slow = await simulated({ text, tokenMs: 20 });
    const stage = await startStage({
      backends: { cutting: openaiAt(cutting), slow: openaiAt(slow) },
      plugins: [streamRecovery({ strategy: "continue" }), balancer({ strategy: "priority" })],
    });
    const client = new AbortController();
    const response = await chat(stage, { stream: true }, { signal: client.signal });
    let told = "";
    const reader = response.body!.getReader();
    while (!told.includes('"content":" w4"'))
      told += Buffer.from((await reader.read()).value).toString("utf8");
    client.abort();
    await slow.requests[0]!.closed;
    expect(slow.requests[0]!.aborted).toBe(true);
    const { attempts } = await stage.ended();
    expect(attempts.map(({ outcome }) => outcome)).toEqual(["truncated", "client_abort"]);
  });

  it("a client that does not read holds the backend that goes on back", async () => {
    // More than all buffers on the way hold.
    const text = Array.from({ length: 400 }, (_, index) => `${index}${"x".repeat(60_000)}`).join(" ");
    const cutting = await simulated({ text, faults: [{ kind: "cut", afterEvents: 2 }] });
    const long = await simulated({ text });
    const stage = await startStage({
      backends: { cutting: openaiAt(cutting), long: openaiAt(long) },
      plugins: [streamRecovery({ strategy: "continue" }), balancer({ strategy: "priority" })],
    });
    const client = request(`${stage.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    client.end(JSON.stringify(chatBody({ stream: true })));
    const [response] = (await once(client, "response")) as [IncomingMessage];
    const record = await waitFor("the further attempt", () => long.requests[0]);
    await waitForStandstill("a standstill", () => record.events);
    expect(record.events).toBeLessThan(400);
    let tail = "";
    for await (const chunk of response as AsyncIterable<Buffer>)
      tail = (tail + chunk.toString("latin1")).slice(-100_000);
    expect(tail).toContain('"content":" 399x');
    expect(tail).toContain("[DONE]");
  });
});
