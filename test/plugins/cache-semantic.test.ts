import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import { cache } from "@gatewright/cache";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { splitPrompt } from "../../plugins/cache/src/prompt-text.ts";
import { toUnitVector, VectorIndex } from "../../plugins/cache/src/vector-index.ts";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { waitFor } from "../_support/wait-for.ts";
import { chat, jsonReply, MODEL, openaiAt, post, scripted, simulated, startStage } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";
import { FakeContext, createHost } from "./_context.ts";

const EMBEDDING_MODEL = "vectors";
/** An answer of temperature 0 may be kept without further words. */
const EXACT = { temperature: 0 };

/** Vectors by text. Of two the cosine is known: [1, 0] and [a, b] of length 1 have a. */
const VECTORS: Readonly<Record<string, readonly number[]>> = {
  "How tall is the tower?": [1, 0],
  "What is the tower's height?": [0.98, Math.sqrt(1 - 0.98 ** 2)],
  "How wide is the tower?": [0.9, Math.sqrt(1 - 0.9 ** 2)],
  "Who built it?": [0, 3],
};

interface Rig {
  readonly stage: Stage;
  readonly backend: SimulatedBackend;
  /** Texts that were embedded, in order. */
  readonly embedded: string[];
  /** What the embedding backend answers in place of a vector; "hang": nothing. */
  answer: string | undefined;
}

/** A gateway whose embeddings come from a backend with vectors of the test's. */
async function rig(
  semantic: Record<string, unknown> = {},
  rest: Parameters<typeof cache>[0] = {},
): Promise<Rig> {
  const backend = await simulated({ tokens: 3 });
  const embedded: string[] = [];
  const self: { answer: Rig["answer"] } = { answer: undefined };
  const vectors = await scripted(async (connection) => {
    for (;;) {
      const { body } = await connection.readRequest();
      const { input, model } = JSON.parse(String(body)) as { input: string; model: string };
      embedded.push(input);
      const data = [{ object: "embedding", index: 0, embedding: VECTORS[input] ?? [1, 1] }];
      if (self.answer === "hang") continue;
      await connection.send(
        self.answer ??
          jsonReply({ object: "list", data, model, usage: { prompt_tokens: 5, total_tokens: 5 } }),
      );
    }
  });
  const stage = await startStage({
    backends: {
      main: openaiAt(backend),
      vectors: openaiAt(vectors, { models: [EMBEDDING_MODEL] }),
    },
    plugins: [anthropicApi(), cache({ ...rest, semantic: { model: EMBEDDING_MODEL, ...semantic } })],
  });
  return Object.assign(self, { stage, backend, embedded });
}

const asking = (text: string, fields: Record<string, unknown> = {}): Record<string, unknown> => ({
  ...EXACT,
  messages: [{ role: "user", content: text }],
  ...fields,
});

async function ask({ stage }: Rig, body: Record<string, unknown>): Promise<[string | null, string]> {
  const response = await chat(stage, body);
  return [response.headers.get("x-gatewright-cache"), await response.text()];
}

const [TALL, HEIGHT, WIDE, BUILT] = Object.keys(VECTORS) as [string, string, string, string];

describe("an answer to a similar request", () => {
  it.each([false, true])("is given with its similarity, streamed: %s", async (stream) => {
    const gateway = await rig();
    const [first, text] = await ask(gateway, asking(TALL, { stream }));
    const response = await chat(gateway.stage, asking(HEIGHT, { stream }));
    expect(first).toBe("miss");
    expect(response.headers.get("x-gatewright-cache")).toBe("semantic-hit");
    expect(response.headers.get("x-gatewright-cache-similarity")).toBe("0.9800");
    expect(response.headers.get("age")).toMatch(/^\d+$/);
    expect(await response.text()).toBe(text);
    expect(gateway.backend.requests).toHaveLength(1);
    expect(gateway.embedded).toEqual([TALL, HEIGHT]);
    await gateway.stage.ended(2);
    const { cache: told } = gateway.stage.contexts[1]!.vars;
    expect(told).toEqual({ result: "semantic-hit", similarity: expect.closeTo(0.98, 4) as number });
  });

  it("is not given below the threshold", async () => {
    const gateway = await rig();
    await ask(gateway, asking(TALL));
    expect((await ask(gateway, asking(WIDE)))[0]).toBe("miss");
    expect((await ask(gateway, asking(BUILT)))[0]).toBe("miss");
    expect(gateway.backend.requests).toHaveLength(3);
  });

  it("is that of the most similar request", async () => {
    const gateway = await rig({ threshold: 0.5 });
    for (const [text, answer] of [
      [BUILT, "x"],
      [TALL, "tall"],
      [WIDE, "wide"],
    ] as const) {
      gateway.backend.settings.text = answer;
      await ask(gateway, asking(text, { cache: { enabled: true }, ...(text === WIDE && { seed: 1 }) }));
    }
    expect((await ask(gateway, asking(HEIGHT)))[1]).toContain("tall");
  });

  it("costs no embedding when the request is the same", async () => {
    const gateway = await rig();
    await ask(gateway, asking(TALL));
    expect((await ask(gateway, asking(TALL)))[0]).toBe("hit");
    expect(gateway.embedded).toEqual([TALL]);
  });

  it.each([
    [
      "another system prompt",
      {
        messages: [
          { role: "system", content: "Be rude." },
          { role: "user", content: HEIGHT },
        ],
      },
    ],
    [
      "other words before",
      {
        messages: [
          { role: "user", content: "Hi" },
          { role: "assistant", content: "Hi" },
          { role: "user", content: HEIGHT },
        ],
      },
    ],
    ["another parameter", { max_tokens: 5 }],
    ["a stream", { stream: true }],
  ])("is not given for %s", async (_, fields) => {
    const gateway = await rig();
    await ask(gateway, asking(TALL));
    expect((await ask(gateway, asking(HEIGHT, fields)))[0]).toBe("miss");
  });

  it("is not given to another principal", async () => {
    const [a, b] = ["sk-cache-a-0123456789abcdef0123", "sk-cache-b-0123456789abcdef0123"];
    const backend = await simulated({ models: [MODEL, EMBEDDING_MODEL] });
    const stage = await startStage({
      backends: { main: openaiAt(backend, { models: [MODEL, EMBEDDING_MODEL] }) },
      plugins: [
        apiKeys({
          keys: [
            { id: "a", key: a },
            { id: "b", key: b },
          ],
        }),
        cache({ semantic: { model: EMBEDDING_MODEL, threshold: 0 } }),
      ],
    });
    const results: (string | null)[] = [];
    for (const [key, text] of [
      [a, "one"],
      [b, "one two"],
      [a, "one three"],
    ] as const) {
      const response = await chat(stage, asking(text), { headers: { authorization: `Bearer ${key}` } });
      await response.text();
      results.push(response.headers.get("x-gatewright-cache"));
    }
    expect(results).toEqual(["miss", "miss", "semantic-hit"]);
  });

  it.each([
    ["tools", { tools: [{ type: "function", function: { name: "f" } }] }],
    [
      "a picture",
      {
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: TALL },
              { type: "image_url", image_url: { url: "data:," } },
            ],
          },
        ],
      },
    ],
    [
      "a tool's result",
      {
        messages: [
          { role: "assistant", tool_calls: [{ id: "1" }] },
          { role: "tool", tool_call_id: "1", content: "5" },
          { role: "user", content: TALL },
        ],
      },
    ],
  ])("is not looked for with %s, unless asked", async (_, fields) => {
    const gateway = await rig();
    await ask(gateway, asking(TALL, fields));
    expect(gateway.embedded).toEqual([]);
    const asked = await rig({ tools: true, media: true });
    await ask(asked, asking(TALL, fields));
    expect(asked.embedded).toEqual([TALL]);
  });

  it("is not looked for with a sampled request or a long text", async () => {
    const gateway = await rig({ maxChars: 10 });
    await ask(gateway, asking(TALL));
    await ask(gateway, { ...asking(BUILT), temperature: 1 });
    expect(gateway.embedded).toEqual([]);
  });

  it("is found from state as from memory, and by Anthropic's API as by OpenAI's", async () => {
    const gateway = await rig({}, { store: "state" });
    const send = (text: string): Promise<Response> =>
      post(
        `${gateway.stage.url}/v1/messages`,
        { model: MODEL, max_tokens: 50, temperature: 0, messages: [{ role: "user", content: text }] },
        { headers: { "anthropic-version": "2023-06-01" } },
      );
    const first = await (await send(TALL)).text();
    const second = await send(HEIGHT);
    expect(second.headers.get("x-gatewright-cache")).toBe("semantic-hit");
    expect(await second.text()).toBe(first);
  });

  it("is embedded once for identical requests at once", async () => {
    const gateway = await rig();
    gateway.backend.faults = [{ kind: "delay", ms: 100 }];
    const results = await Promise.all(Array.from({ length: 20 }, () => ask(gateway, asking(TALL))));
    expect(results.filter(([result]) => result === "miss")).toHaveLength(1);
    expect(gateway.embedded).toEqual([TALL]);
  });
});

describe("an embedding that cannot be had", () => {
  it.each([
    ["an error", jsonReply({ error: { message: "down" } }, 500)],
    ["no vector", jsonReply({ object: "list", data: [] })],
    ["a vector of nothing", jsonReply({ object: "list", data: [{ embedding: [0, 0] }] })],
    ["silence", "hang"],
  ])("for %s makes a miss, and one line of the log", async (_, answer) => {
    const gateway = await rig({ timeoutMs: 50 });
    gateway.answer = answer;
    expect((await ask(gateway, asking(TALL)))[0]).toBe("miss");
    expect((await ask(gateway, asking(HEIGHT)))[0]).toBe("miss");
    expect((await ask(gateway, asking(HEIGHT)))[0]).toBe("hit");
    const said = (): number =>
      gateway.stage.lines.filter((line) => line.includes("does without embeddings")).length;
    await waitFor("the line", () => said() > 0);
    expect(said()).toBe(1);
  });

  it("lets a client leave while it waits", async () => {
    const gateway = await rig();
    gateway.answer = "hang";
    const client = new AbortController();
    const left = chat(gateway.stage, asking(TALL), { signal: client.signal }).catch(() => "left");
    await waitFor("the embedding", () => gateway.embedded.length === 1);
    client.abort();
    expect(await left).toBe("left");
    expect((await gateway.stage.ended()).outcome).toBe("client_abort");
    expect(gateway.backend.requests).toHaveLength(0);
  });

  it("of a model that the backend does not have is a miss as well", async () => {
    const gateway = await rig({ model: "openai:nosuch" });
    expect((await ask(gateway, asking(TALL)))[0]).toBe("miss");
  });
});

describe("a call from inside", () => {
  it("leaves a line in the request log, with its usage and without an address", async () => {
    const gateway = await rig();
    await ask(gateway, asking(TALL));
    const lineOf = (): string | undefined =>
      gateway.stage.lines.find((line) => line.includes('"operation":"embeddings"'));
    await waitFor("the line", () => lineOf() !== undefined);
    expect(lineOf()).toContain('"inputTokens":5,');
    expect(lineOf()).toContain('"client":""');
    // No plugin saw it.
    expect(gateway.stage.contexts).toHaveLength(1);
  });

  it("goes on to the next target when one fails, and stops at a fault of the request", async () => {
    const [bad, good] = [
      await simulated({ models: [EMBEDDING_MODEL] }),
      await simulated({ models: [EMBEDDING_MODEL] }),
    ];
    const main = await simulated();
    bad.faults = [
      { kind: "status", status: 500 },
      { kind: "status", status: 400 },
    ];
    const stage = await startStage({
      backends: {
        main: openaiAt(main),
        bad: openaiAt(bad, { models: [EMBEDDING_MODEL] }),
        good: openaiAt(good, { models: [EMBEDDING_MODEL] }),
      },
      plugins: [cache({ semantic: { model: EMBEDDING_MODEL } })],
    });
    await (await chat(stage, asking("one"))).text();
    expect([bad.requests.length, good.requests.length]).toEqual([1, 1]);
    await (await chat(stage, asking("two"))).text();
    expect([bad.requests.length, good.requests.length]).toEqual([2, 1]);
  });
});

describe("the index", () => {
  const unit = (values: number[]): Float32Array => toUnitVector(values)!;

  it("finds what a comparison with every vector of the scope finds", () => {
    const coordinate = fc.double({ min: -1, max: 1, noNaN: true });
    const vector = fc
      .array(coordinate, { minLength: 3, maxLength: 3 })
      .filter((v) => Math.hypot(...v) > 0.01);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom("a", "b"), vector), { maxLength: 20 }),
        vector,
        (points, query) => {
          const index = new VectorIndex(100);
          for (const [at, [scope, values]] of points.entries()) index.add(String(at), scope, unit(values));
          const cosines = points
            .filter(([scope]) => scope === "a")
            .map(
              ([, values]) =>
                values.reduce((sum, value, at) => sum + value * query[at]!, 0) /
                Math.hypot(...values) /
                Math.hypot(...query),
            );
          const found = index.nearest("a", unit(query), 0.5);
          const best = Math.max(-1, ...cosines);
          if (best > 0.5 + 1e-4) expect(found!.similarity).toBeCloseTo(best, 4);
          if (best < 0.5 - 1e-4) expect(found).toBeUndefined();
        },
      ),
      { seed: 11 },
    );
  });

  it("keeps as many as it may, those that were used last", () => {
    const index = new VectorIndex(2);
    index.add("a", "s", unit([1, 0]));
    index.add("b", "s", unit([0, 1]));
    index.touch("a");
    index.add("c", "t", unit([0, 1]));
    expect(index.size).toBe(2);
    expect(index.nearest("s", unit([0, 1]), 0.9)).toBeUndefined();
    expect(index.nearest("s", unit([1, 0]), 0.9)?.key).toBe("a");
    index.remove("a");
    expect(index.nearest("s", unit([1, 0]), -1)).toBeUndefined();
  });

  it("compares no vectors of different lengths", () => {
    const index = new VectorIndex(2);
    index.add("a", "s", unit([1, 0, 0]));
    expect(index.nearest("s", unit([1, 0]), 0)).toBeUndefined();
  });

  it.each([[[]], [[0, 0]], [["1"]], ["1"], [undefined], [[Infinity]]])("takes %j for no vector", (values) => {
    expect(toUnitVector(values)).toBeUndefined();
  });
});

describe("what is compared", () => {
  const split = (operation: string, json: Record<string, unknown>) =>
    splitPrompt(operation, new FakeContext({ json }, createHost()).body, {
      maxChars: 100,
      media: false,
      tools: false,
    });

  it.each([
    ["chat", { messages: [{ role: "user", content: "a" }] }],
    ["chat", { messages: [{ role: "user", content: [{ type: "text", text: "a" }] }] }],
    ["completions", { prompt: "a" }],
    ["messages", { system: "s", messages: [{ role: "user", content: [{ type: "text", text: "a" }] }] }],
    ["generateContent", { contents: [{ parts: [{ text: "a" }] }] }],
    ["responses", { input: "a" }],
    ["responses", { input: [{ role: "user", content: [{ type: "input_text", text: "a" }] }] }],
  ])("is the user's last text of %s in %j", (operation, json) => {
    expect(split(operation, json)?.text).toBe("a");
    expect(JSON.stringify(split(operation, json)?.rest)).not.toContain('"a"');
  });

  it.each([
    ["embeddings", { input: "a" }],
    [
      "chat",
      {
        messages: [
          { role: "user", content: "a" },
          { role: "assistant", content: "b" },
        ],
      },
    ],
    ["chat", { messages: [{ role: "user", content: " " }] }],
    ["generateContent", { contents: [{ parts: [{ functionResponse: {} }, { text: "a" }] }] }],
    [
      "responses",
      {
        input: [
          { type: "function_call_output", output: "a" },
          { role: "user", content: "a" },
        ],
      },
    ],
    [
      "messages",
      { messages: [{ role: "user", content: [{ type: "tool_result" }, { type: "text", text: "a" }] }] },
    ],
  ])("is nothing of %s in %j", (operation, json) => {
    expect(split(operation, json)).toBeUndefined();
  });
});
