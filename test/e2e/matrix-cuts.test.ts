import { setTimeout as sleep } from "node:timers/promises";
import { anthropicApi } from "@gatewright/anthropic-api";
import { geminiApi } from "@gatewright/gemini-api";
import { describe, expect, it } from "vitest";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { chunk, LAST_CHUNK, replyHead } from "../_support/scripted-upstream.ts";
import { EVENT_STREAM, NDJSON, scripted, startStage } from "./_stage.ts";

const TEXT = 'née "漢字" 😀🏳️‍🌈';
const HEADERS = { "content-type": "application/json", "anthropic-version": "2023-06-01" };
/** The gateway makes ids of it, so that they are the same for each request. */
const REQUEST_ID = { "x-request-id": "req-7f3a" };

type Dialect = "openai" | "anthropic" | "gemini" | "ollama";
const MODELS: Readonly<Record<Dialect, string>> = {
  openai: "gpt-4o-mini",
  anthropic: "claude-sonnet-4-6",
  gemini: "gemini-3-flash-preview",
  ollama: "qwen2.5:7b",
};
const says = { role: "user", content: "Hello!" };

/** How a client of each dialect asks for a stream of a model. */
const ASK: Readonly<Record<string, (model: string) => { path: string; body: Record<string, unknown> }>> = {
  chat: (model) => ({ path: "/v1/chat/completions", body: { model, messages: [says], stream: true } }),
  responses: (model) => ({ path: "/v1/responses", body: { model, input: "Hello!", stream: true } }),
  messages: (model) => ({
    path: "/v1/messages",
    body: { model, messages: [says], max_tokens: 100, stream: true },
  }),
  gemini: (model) => ({
    path: `/v1beta/models/${model}:streamGenerateContent?alt=sse`,
    body: { contents: [{ role: "user", parts: [{ text: "Hello!" }] }] },
  }),
};
/** A backend is asked as a client of its dialect asks. */
const OWN: Readonly<Record<Dialect, string>> = {
  openai: "chat",
  anthropic: "messages",
  gemini: "gemini",
  ollama: "ollama",
};

/** What a backend of the dialect streams, byte for byte. */
async function streamOf(dialect: Dialect): Promise<Buffer> {
  const model = MODELS[dialect];
  const backend = await startSimulatedBackend({ dialect, models: [model], text: TEXT });
  const { path, body } =
    dialect === "ollama"
      ? { path: "/api/chat", body: { model, messages: [says] } }
      : ASK[OWN[dialect]]!(model);
  const reply = await fetch(backend.url + path, {
    method: "POST",
    headers: HEADERS,
    body: JSON.stringify(body),
  });
  const bytes = Buffer.from(await reply.arrayBuffer());
  await backend.close();
  return bytes;
}

const BASE_PATHS: Readonly<Record<Dialect, string>> = {
  openai: "/v1",
  anthropic: "",
  gemini: "/v1beta",
  ollama: "",
};

const PAIRS: readonly (readonly [string, Dialect])[] = [
  ["chat", "anthropic"],
  ["chat", "gemini"],
  ["responses", "ollama"],
  ["responses", "anthropic"],
  ["messages", "openai"],
  ["messages", "gemini"],
  ["gemini", "anthropic"],
  ["gemini", "openai"],
];

/** Every so many bytes the stream is cut: all places are tried without sockets. */
const STEP = 17;
const PARALLEL = 16;

describe.each(PAIRS)("over sockets: a stream for a client of %s from the %s backend", (client, dialect) => {
  it("E1 E12 st-4: is the same wherever it is cut, and in single bytes", async () => {
    const bytes = await streamOf(dialect);
    const head = replyHead(200, dialect === "ollama" ? NDJSON : EVENT_STREAM);
    // The first request gets it whole, the last in single bytes.
    const cuts = [
      0,
      ...Array.from({ length: Math.floor(bytes.length / STEP) }, (_, index) => index * STEP + 1),
    ];
    let asked = 0;
    const upstream = await scripted(async (connection) => {
      for (;;) {
        await connection.readRequest();
        const cut = cuts[asked++];
        await connection.send(head);
        if (cut === undefined) {
          for (const byte of bytes) await connection.send(chunk(Buffer.of(byte)));
        } else {
          if (cut > 0) await connection.send(chunk(bytes.subarray(0, cut)));
          // The event loop turns, so that the gateway reads the pieces one by one.
          await sleep(0);
          await connection.send(chunk(bytes.subarray(cut)));
        }
        await connection.send(LAST_CHUNK);
      }
    });
    const model = MODELS[dialect];
    const stage = await startStage({
      backends: { main: { adapter: dialect, baseURL: upstream.url + BASE_PATHS[dialect], models: [model] } },
      plugins: [anthropicApi(), geminiApi()],
    });
    const { path, body } = ASK[client]!(model);
    const ask = async (): Promise<string> => {
      const reply = await fetch(stage.url + path, {
        method: "POST",
        headers: { ...HEADERS, ...REQUEST_ID },
        body: JSON.stringify(body),
      });
      expect(reply.status).toBe(200);
      return withoutOwn(await reply.text());
    };
    const whole = await ask();
    expect(whole).toContain("🏳️‍🌈");
    const streams = new Set<string>();
    let left = cuts.length;
    const worker = async (): Promise<void> => {
      while (left-- > 0) streams.add(await ask());
    };
    await Promise.all(Array.from({ length: PARALLEL }, worker));
    expect([...streams]).toEqual([whole]);
  });
});

/** Ids of a request and the second in which it came are its own. */
function withoutOwn(stream: string): string {
  return stream
    .replaceAll(/"(id|item_id|responseId)":"[^"]*"/g, '"$1":""')
    .replaceAll(/"(created|created_at|completed_at)":\d+/g, '"$1":0');
}
