import type { JsonObject, Operation, OperationMapping } from "gatewright";
import { beforeAll, describe, expect, it } from "vitest";
import { TranslatedCall, type Translation } from "../../core/src/dispatch/translated-call.ts";
import { EventRelay } from "../../core/src/stream/event-relay.ts";
import { toStreamError } from "../../core/src/stream/stream-error.ts";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { BACKENDS, DOORS, infoOf, type DoorName } from "./_translation.ts";

type Dialect = "openai" | "anthropic" | "gemini" | "ollama";

/** Characters of one to four bytes, and what JSON escapes. */
const TEXT = 'née "漢字" 😀🏳️‍🌈';
const MODELS: Readonly<Record<Dialect, string>> = {
  openai: "gpt-4o-mini",
  anthropic: BACKENDS.anthropic.model,
  gemini: BACKENDS.gemini.model,
  ollama: BACKENDS.ollama.model,
};

const parameters = { type: "object", properties: { place: { type: "string", enum: ["Ωmega 🚀"] } } };
const functions = ["get_weather", "get_time"].map((name) => ({ name, parameters }));
const tools = functions.map((one) => ({ type: "function", function: one }));

/** What makes a backend stream: thoughts and a text, or calls. */
const REQUESTS: Readonly<
  Record<Dialect, (asks: string, thinks: boolean) => { path: string; body: JsonObject }>
> = {
  openai: (content, thinks) => ({
    path: "/v1/chat/completions",
    body: {
      messages: [{ role: "user", content }],
      tools,
      ...(thinks && { reasoning_effort: "low" }),
      stream: true,
      stream_options: { include_usage: true },
    },
  }),
  anthropic: (content, thinks) => ({
    path: "/v1/messages",
    body: {
      messages: [{ role: "user", content }],
      tools: functions.map(({ name }) => ({ name, input_schema: parameters })),
      ...(thinks && { thinking: { type: "adaptive" } }),
      max_tokens: 1_000,
      stream: true,
    },
  }),
  gemini: (text, thinks) => ({
    path: `/v1beta/models/${MODELS.gemini}:streamGenerateContent?alt=sse`,
    body: {
      contents: [{ role: "user", parts: [{ text }] }],
      tools: [
        { functionDeclarations: functions.map(({ name }) => ({ name, parametersJsonSchema: parameters })) },
      ],
      ...(thinks && {
        generationConfig: { thinkingConfig: { thinkingLevel: "LOW", includeThoughts: true } },
      }),
    },
  }),
  ollama: (content, think) => ({
    path: "/api/chat",
    body: { messages: [{ role: "user", content }], tools, think },
  }),
};
const DIALECTS = Object.keys(REQUESTS) as Dialect[];
const KINDS = { text: "Hello!", calls: "What is the weather, and what the time?" } as const;
type Kind = keyof typeof KINDS;

/** What each backend sends, byte for byte. */
const streams = new Map<string, Buffer>();
beforeAll(async () => {
  for (const dialect of DIALECTS) {
    const backend = await startSimulatedBackend({
      dialect,
      models: [MODELS[dialect]],
      text: TEXT,
      reasoningField: "reasoning_content",
    });
    for (const kind of Object.keys(KINDS) as Kind[]) {
      const { path, body } = REQUESTS[dialect](KINDS[kind], kind === "text");
      const reply = await fetch(backend.url + path, {
        method: "POST",
        headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
        body: JSON.stringify(dialect === "gemini" ? body : { model: MODELS[dialect], ...body }),
      });
      expect(reply.status).toBe(200);
      streams.set(`${dialect} ${kind}`, Buffer.from(await reply.arrayBuffer()));
    }
    await backend.close();
  }
});

/** OpenAI's chat as a server without the rest of the API has it. */
const CHAT_ALONE: OperationMapping = { path: "/chat/completions", streamUsage: true };

const ASKED: Readonly<Record<DoorName, JsonObject>> = {
  chat: { messages: [] },
  responses: { input: "Hello!", reasoning: { summary: "auto" } },
  messages: { messages: [], max_tokens: 100 },
  generateContent: { contents: [], generationConfig: { thinkingConfig: { includeThoughts: true } } },
};

function translationOf(door: DoorName, dialect: Dialect): { translation: Translation; options: JsonObject } {
  const operation: Operation = DOORS[door];
  const backend = dialect === "openai" ? undefined : BACKENDS[dialect];
  const mapping = backend?.mapping ?? CHAT_ALONE;
  const bridge = operation.bridge && { from: operation.bridge, to: DOORS.chat };
  return { translation: { operation, mapping, bridge }, options: backend?.options ?? {} };
}

/** The bytes that the client gets for the pieces in which the backend's stream arrives. */
function relayed(door: DoorName, dialect: Dialect, pieces: readonly Uint8Array[]): string {
  const { translation, options } = translationOf(door, dialect);
  const request = { ...ASKED[door] };
  if (door !== "generateContent") request["stream"] = true;
  // What the client asked is not what is tested: it was sent long ago.
  const info = infoOf(question(door, request), { stream: true, options });
  const call = new TranslatedCall(translation, info, new Set());
  const owner = {
    onPressure: () => {},
    onCancel: () => {},
    onCommit: () => {},
    onUsage: () => {},
    toError: toStreamError,
  };
  const relay = new EventRelay({
    rules: translation.operation.stream!,
    owner,
    translator: call.events(owner),
    answers: 1,
    model: "asked-model",
    hideUsage: false,
  });
  const out: Uint8Array[] = [];
  relay.stream.start({
    data: (chunk) => void out.push(Buffer.from(chunk)),
    end: () => {},
    fail: (error) => {
      throw error;
    },
  });
  for (const piece of pieces) relay.push(piece);
  relay.end();
  return Buffer.concat(out).toString("utf8");
}

/** A request that every adapter takes. */
function question(door: DoorName, request: JsonObject): JsonObject {
  const said = { role: "user", content: "Hello!" };
  if (door === "chat" || door === "messages") return { ...request, messages: [said] };
  return door === "responses"
    ? request
    : { ...request, contents: [{ role: "user", parts: [{ text: "Hello!" }] }] };
}

const PAIRS: readonly (readonly [DoorName, Dialect])[] = (Object.keys(DOORS) as DoorName[]).flatMap((door) =>
  DIALECTS.filter(
    (dialect) =>
      !(door === "chat" && dialect === "openai") &&
      !(door === "messages" && dialect === "anthropic") &&
      !(door === "generateContent" && dialect === "gemini"),
  ).map((dialect) => [door, dialect] as const),
);

describe.each(PAIRS)("a stream for a client of %s from the %s backend", (door, dialect) => {
  it.each(Object.keys(KINDS) as Kind[])("E1 E12 st-4: of %s, cut at every byte, is the same", (kind) => {
    const bytes = streams.get(`${dialect} ${kind}`)!;
    const whole = relayed(door, dialect, [bytes]);
    expect(whole).toContain(kind === "text" ? "🏳️‍🌈" : '"get_time"');
    const others = new Set<string>();
    for (let at = 1; at < bytes.length; at++)
      others.add(relayed(door, dialect, [bytes.subarray(0, at), bytes.subarray(at)]));
    expect([...others]).toEqual([whole]);
  });

  it.each(Object.keys(KINDS) as Kind[])("E1: of %s, in single bytes, is the same", (kind) => {
    const bytes = streams.get(`${dialect} ${kind}`)!;
    const single = Array.from({ length: bytes.length }, (_, at) => bytes.subarray(at, at + 1));
    expect(relayed(door, dialect, single)).toBe(relayed(door, dialect, [bytes]));
  });
});
