import { describe, expect, it } from "vitest";
import { requestLine, type RequestFacts } from "../../../core/src/server/request-log.ts";

const FACTS: RequestFacts = {
  endedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6),
  requestId: "req_1",
  operation: "chat",
  model: "gpt-4o",
  backend: "openai",
  status: 200,
  outcome: "complete",
  stream: false,
  attempts: 1,
  durationMs: 12.6,
  firstTokenMs: 10.4,
  usage: { inputTokens: 3, outputTokens: 4, totalTokens: 7 },
  bytesIn: 100,
  bytesOut: 200,
  key: "team",
  client: "127.0.0.1",
  dropped: undefined,
  error: undefined,
  cause: undefined,
};

const read = (facts: Partial<RequestFacts>): unknown => JSON.parse(requestLine({ ...FACTS, ...facts }));

describe("the line of a request", () => {
  it("is one object of JSON with every fact, in milliseconds and bytes", () => {
    expect(read({})).toEqual({
      time: "2026-01-02T03:04:05.006Z",
      level: "info",
      message: "request",
      requestId: "req_1",
      operation: "chat",
      model: "gpt-4o",
      backend: "openai",
      status: 200,
      outcome: "complete",
      stream: false,
      attempts: 1,
      durationMs: 13,
      firstTokenMs: 10,
      inputTokens: 3,
      outputTokens: 4,
      bytesIn: 100,
      bytesOut: 200,
      key: "team",
      client: "127.0.0.1",
    });
  });

  it("leaves out what there is not", () => {
    const line = read({
      model: "",
      backend: undefined,
      key: undefined,
      usage: undefined,
      firstTokenMs: undefined,
    });
    expect(Object.keys(line as object)).toEqual([
      "time",
      "level",
      "message",
      "requestId",
      "operation",
      "status",
      "outcome",
      "stream",
      "attempts",
      "durationMs",
      "bytesIn",
      "bytesOut",
      "client",
    ]);
  });

  it("names what this request was about, whatever the one before was about", () => {
    const abouts = [
      { operation: "chat", model: "a", backend: "one" },
      { operation: "chat", model: "b", backend: "one" },
      { operation: "chat", model: "b", backend: "two" },
      { operation: "embeddings", model: "b", backend: "two" },
      { operation: "chat", model: "a", backend: "one" },
    ];
    for (const about of abouts) expect(read(about)).toMatchObject(about);
  });

  it("quotes names that clients choose", () => {
    const odd = 'a"b\\c\n{"status":200}';
    expect(read({ model: odd, key: odd, dropped: [odd], error: "timeout" })).toMatchObject({
      model: odd,
      key: odd,
      dropped: odd,
      error: "timeout",
    });
  });
});
