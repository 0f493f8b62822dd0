/** Gemini's own dialect, which passes as bytes. */
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { askNative } from "./_native-gateway.ts";

const backend = { adapter: "gemini", model: "gemini-2.5-flash", apiKey: "AIza-own" };
const contents = [{ role: "user", parts: [{ text: "Hi" }] }];
const whole = (candidate: JsonObject) => ({
  status: 200,
  headers: { "content-type": "application/json; charset=UTF-8" },
  body: { candidates: [candidate], modelVersion: "gemini-2.5-flash" },
});

describe("gemini behind a front door of its own dialect", () => {
  it("in-12: sends the body as it is, with the gateway's key, and gives the reply as it is", async () => {
    const candidate = {
      content: { role: "model", parts: [{ text: "Hey" }] },
      finishReason: "STOP",
      index: 0,
    };
    const { status, text, received } = await askNative(backend, whole(candidate), "/native/generate", {
      model: "small",
      contents,
      labels: { team: "a" },
    });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ candidates: [candidate], modelVersion: "small" });
    expect(received).toMatchObject([
      { path: "/models/gemini-2.5-flash:generateContent", headers: { "x-goog-api-key": "AIza-own" } },
    ]);
    expect(received[0]!.body).toEqual({ contents, labels: { team: "a" } });
  });

  it("streams as events", async () => {
    const events = [
      { candidates: [{ content: { parts: [{ text: "Hey" }] }, index: 0 }], modelVersion: "gemini-2.5-flash" },
      { candidates: [{ finishReason: "STOP", index: 0 }], modelVersion: "gemini-2.5-flash" },
    ];
    const chunks = events.map((event) => `data: ${JSON.stringify(event)}\r\n\r\n`);
    const reply = { status: 200, headers: { "content-type": "text/event-stream" }, chunks };
    const { text, received } = await askNative(backend, reply, "/native/generate", {
      model: "small",
      contents,
      stream: true,
    });
    expect(received).toMatchObject([
      { path: "/models/gemini-2.5-flash:streamGenerateContent?alt=sse", body: { contents } },
    ]);
    // st-1: lines end with LF alone.
    expect(text).toBe(chunks.join("").replaceAll("\r\n", "\n").replaceAll(`"gemini-2.5-flash"`, `"small"`));
  });

  it("gives an answer that the model broke off as it is, where a chat would fail", async () => {
    const broken = { finishReason: "MALFORMED_FUNCTION_CALL", index: 0 };
    const { status, text } = await askNative(backend, whole(broken), "/native/generate", {
      model: "small",
      contents,
    });
    expect(status).toBe(200);
    expect(JSON.parse(text)).toEqual({ candidates: [broken], modelVersion: "small" });
  });

  it("takes a key that is none for trouble of its own, and tells the client nothing of it", async () => {
    const details = [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }];
    const body = { error: { code: 400, message: "API key not valid.", status: "INVALID_ARGUMENT", details } };
    const reply = { status: 400, headers: { "content-type": "application/json" }, body };
    const { status, text } = await askNative(backend, reply, "/native/generate", {
      model: "small",
      contents,
    });
    expect(status).toBe(502);
    expect(JSON.parse(text)).toEqual({ failed: "upstream_auth_error" });
  });
});
