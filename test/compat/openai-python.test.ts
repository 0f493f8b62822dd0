import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { apiKeys } from "@gatewright/api-keys";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { BACKENDS, CHAT_MODELS, startRig, type Rig } from "./_rig.ts";

const KEY = "sk-gateway-0123456789abcdefghij";
const DEADLINE_MS = 60_000;

const run = promisify(execFile);
const script = fileURLToPath(new URL("python/drive.py", import.meta.url));
const python = inject("compatPython");

let open: Rig;
let keyed: Rig;
beforeAll(async () => {
  open = await startRig();
  keyed = await startRig([apiKeys({ keys: [{ id: "all", key: KEY }] })]);
});
afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await keyed[Symbol.asyncDispose]();
});

async function drive(what: string, rig: Rig, key: string, model: string): Promise<Record<string, unknown>> {
  const { stdout } = await run(python, [script, what, rig.baseURL, key, model], { timeout: DEADLINE_MS });
  return JSON.parse(stdout) as Record<string, unknown>;
}

if (python) describe.concurrent("openai and httpx for Python", { timeout: DEADLINE_MS }, drivePython);
else it("openai for Python: not driven, since this machine has no Python with venv", () => {});

function drivePython(): void {
  describe.each(BACKENDS)("on the %s backend", (name) => {
    const model = CHAT_MODELS[name];
    const cases = [
      ["8", "without a key", () => open, "not-needed"],
      ["21, 22", "with a key", () => keyed, KEY],
    ] as const;
    it.each(cases)("%s: chat, stream, tools and lines of events, %s", async (_id, _title, rig, key) => {
      const seen = await drive("chat", rig(), key, model);
      const { text } = seen;
      expect(seen).toMatchObject({
        model,
        text: expect.stringMatching(/./) as string,
        chunks_with_usage: 0,
        usage_asked_for: seen["total_tokens"],
        call: ["get_weather", { city: "Rome" }],
        answer: expect.stringContaining("The tool answered 18 degrees") as string,
        async: text,
        httpx: { whole: text, streamed: text, other_lines: [], done: true },
      });
      const streamed = seen["streamed"] as string[];
      expect(streamed.length).toBeGreaterThan(2);
      expect(streamed.join("")).toBe(text);
    });
  });

  it("21, in-5 to in-10: embeddings, audio, images, responses, models and moderations", async () => {
    const seen = await drive("media", open, "not-needed", "text-embedding-3-small");
    expect(seen).toMatchObject({
      vectors: 2,
      same_numbers: true,
      speech: { type: "audio/mpeg" },
      transcription: expect.stringContaining(seen["recording"] as string) as string,
      vtt: expect.stringMatching(/^WEBVTT/) as string,
      images: [true, true],
      edited: 1,
      response: expect.stringMatching(/./) as string,
      response_streamed: seen["response"],
      models: expect.arrayContaining(["gpt-4o-mini", "qwen2.5:7b", "ears"]) as string[],
      model: "qwen2.5:7b",
      flagged: [false, true],
    });
    expect((seen["speech"] as { bytes: number }).bytes).toBeGreaterThan(10_000);
  });

  it("in-5: embeddings of the ollama backend, the same in both encodings", async () => {
    const seen = await drive("embeddings", open, "not-needed", "all-minilm");
    expect(seen).toMatchObject({ vectors: 2, same_numbers: true });
  });

  it("st-6, in-1: errors come as the classes of the SDK", async () => {
    await using rig = await startRig([apiKeys({ keys: [{ id: "all", key: KEY }] })]);
    rig.openai.faults = [
      { kind: "cut", afterEvents: 5 },
      { kind: "status", status: 429 },
    ];
    expect(await drive("errors", rig, KEY, CHAT_MODELS.openai)).toMatchObject({
      cut: { class: "APIError", code: "upstream_interrupted" },
      limit: { class: "RateLimitError", status: 429, code: "rate_limit_exceeded" },
      model: { class: "NotFoundError", status: 404, code: "model_not_found", param: "model" },
      request: { class: "BadRequestError", status: 400, param: "messages" },
      key: { class: "AuthenticationError", status: 401, code: "invalid_api_key" },
      operation: { class: "InternalServerError", status: 501, code: "unsupported_operation" },
    });
  });
}
