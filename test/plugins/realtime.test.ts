import { realtime } from "@gatewright/realtime";
import { readSubprotocols } from "gatewright";
import { describe, expect, it } from "vitest";
import { nameForBackend, nameForClient } from "../../plugins/realtime/src/session-model.ts";
import { sessionUsage } from "../../plugins/realtime/src/session-usage.ts";
import { findFaults, setupPlugin } from "./_context.ts";
import { describePlugin } from "./_suite.ts";

describePlugin({ folder: "realtime", factory: "realtime", create: () => realtime() });

describe("options", () => {
  it.each([
    ["idleMs", { idleMs: -1 }],
    ["maxSessionMs", { maxSessionMs: 0.5 }],
  ])("refuses %s in %j", (path, options) => {
    expect(findFaults(realtime(options)).map((fault) => fault.path)).toEqual([path]);
  });
});

describe("the query", () => {
  it.each([
    ["model=m", "m", ""],
    ["model=a%2Fb&intent=transcription", "a/b", "?intent=transcription"],
    ["intent=x&key=sk&api-key=sk&access_token=sk", undefined, "?intent=x"],
    ["", undefined, ""],
  ])("%j asks for %s, and %j goes on", async (query, model, below) => {
    const [operation] = (await setupPlugin(realtime())).operations!;
    const request = { method: "GET", path: "/v1/realtime", query, headers: {}, clientAddress: "" };
    expect(operation!.modelOf!(request)).toBe(model);
    expect(operation!.pathBelow!(request)).toBe(below);
  });
});

describe("subprotocols", () => {
  const read = (protocols: string, headers: object = {}) => {
    const { authorization, "sec-websocket-protocol": kept } = readSubprotocols({
      "sec-websocket-protocol": protocols,
      ...headers,
    });
    return { authorization, kept };
  };

  it("are left as they are where they hold no credential", () => {
    expect(read("realtime, other")).toEqual({ authorization: undefined, kept: "realtime, other" });
    const none = { accept: "*/*" };
    expect(readSubprotocols(none)).toBe(none);
  });

  it("give their key up, and the names of accounts", () => {
    const offered =
      "realtime,openai-insecure-api-key.sk-1, openai-organization.o, openai-project.p, openai-beta.x";
    expect(read(offered)).toEqual({ authorization: "Bearer sk-1", kept: "realtime, openai-beta.x" });
    expect(read("openai-insecure-api-key.sk-1")).toEqual({ authorization: "Bearer sk-1", kept: undefined });
  });

  it("do not stand in for a header, and two keys are none", () => {
    expect(read("openai-insecure-api-key.sk-1", { authorization: "Bearer sk-2" }).authorization).toBe(
      "Bearer sk-2",
    );
    expect(read("openai-insecure-api-key.sk-1", { "x-api-key": "sk-2" }).authorization).toBeUndefined();
    expect(read("openai-insecure-api-key.a, openai-insecure-api-key.b")).toEqual({
      authorization: undefined,
      kept: undefined,
    });
  });
});

describe("usage", () => {
  it.each<[string, string, object | undefined]>([
    [
      "of an answer",
      '{"type":"response.done","response":{"usage":{"total_tokens":9,"input_tokens":4,"output_tokens":5,"input_token_details":{"cached_tokens":2}}}}',
      { inputTokens: 4, outputTokens: 5, totalTokens: 9, cachedTokens: 2 },
    ],
    ["of an answer without any", '{"type":"response.done","response":{"usage":null}}', undefined],
    ["of no answer at all", '{"type":"response.done"}', undefined],
    ["of a text that looks like one", '{"type":"x","text":"response.done"}', undefined],
    ["of what is no JSON", '"response.done', undefined],
    ["of what is no object", '["response.done"]', undefined],
  ])("%s", (_, text, usage) => {
    const told = sessionUsage(Buffer.from(text));
    if (usage) expect(told).toMatchObject(usage);
    else expect(told).toBeUndefined();
  });
});

describe("mo-4: the model's name in an event", () => {
  const event = (type: string, session: unknown): Buffer => Buffer.from(JSON.stringify({ type, session }));

  it("becomes the requested one in what tells of a session, and the rest stays as it is", () => {
    const text =
      '{"type":"session.created","id":9007199254740993,"session":{"model":"up","a":{"model":"up"}}}';
    expect(nameForClient(Buffer.from(text), "rt")).toBe(text.replace('"up"', '"rt"'));
    expect(nameForClient(event("session.updated", { model: "up-2026" }), "rt")).toBe(
      event("session.updated", { model: "rt" }).toString(),
    );
  });

  it("becomes the backend's where a client repeats what it asked for", () => {
    expect(nameForBackend(event("session.update", { model: "rt" }), "rt", "up")).toBe(
      event("session.update", { model: "up" }).toString(),
    );
    expect(nameForBackend(event("session.update", { model: "other" }), "rt", "up")).toBeUndefined();
  });

  it.each([
    ["another event", event("response.created", { model: "up" })],
    ["a session without a model", event("session.created", { voice: "a" })],
    ["no session", Buffer.from('{"type":"session.created"}')],
    ["no JSON", Buffer.from('"session.created')],
    ["no object", Buffer.from('["session.created"]')],
    ["a text that looks like one", event("x", '"session.created"')],
  ])("is left alone: %s", (_, message) => {
    expect(nameForClient(message, "rt")).toBeUndefined();
    expect(nameForBackend(message, "rt", "up")).toBeUndefined();
  });
});
