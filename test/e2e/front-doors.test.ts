import { createHash } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { defineGatewayPlugin, defineOperation, UnsupportedField, writeSse } from "gatewright";
import type { JsonObject, Operation, Usage } from "gatewright";
import * as v from "valibot";
import { afterEach, describe, expect, it } from "vitest";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

declare module "gatewright" {
  interface OperationNames {
    rooms: true;
    roomsNative: true;
  }
}

const dir = fileURLToPath(new URL("_custom", import.meta.url));

const dialect = {
  name: "rooms",
  errorBody: (error: { code: string }) => JSON.stringify({ failed: error.code }),
  errorEvent: (error: { code: string }) => writeSse(JSON.stringify({ failed: error.code }), "failed"),
};

/** A front door with a dialect of its own: the model in the path, events with names, an end of its own. */
const rooms: Operation = defineOperation({
  name: "rooms",
  method: "POST",
  paths: ["/rooms/{model}:say"],
  dialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  modelMember: "room",
  ownMembers: ["model", "live"],
  wantsStream: (body) => body.get("live") === true,
  stream: {
    isContent: (json) => json["kind"] === "word",
    finishes: (json) => (json["kind"] === "over" ? 1 : 0),
    eventName: (json) => String(json["kind"]),
    terminator: null,
  },
  bridge: {
    operation: "chat",
    toRequest(request) {
      if (request["shout"]) throw new UnsupportedField("shout");
      return {
        body: { messages: [{ role: "user", content: request["say"] }] },
        dropped: request["hint"] === undefined ? [] : ["hint"],
      };
    },
    fromResponse(response, { requestedModel, report }) {
      const { message } = (response["choices"] as { message: JsonObject }[])[0]!;
      if (message["gesture"] !== undefined) report("choices[0].message.gesture");
      return { room: requestedModel, said: message["content"] };
    },
    stream: {
      start: () => ({ over: false, words: 0 }),
      event(state: unknown, json, { report }) {
        const seen = state as { over: boolean; words: number };
        const choice = (json["choices"] as { delta: JsonObject; finish_reason?: string | null }[])[0];
        if (choice?.finish_reason) seen.over = true;
        const gesture = choice?.delta["gesture"];
        if (typeof gesture === "string") report(`gesture.${gesture}`);
        const word = choice?.delta["content"];
        if (typeof word !== "string" || word === "") return [];
        seen.words++;
        return [{ kind: "word", word }];
      },
      end(state: unknown) {
        const { over, words } = state as { over: boolean; words: number };
        return over ? [{ kind: "over", words }] : [];
      },
    },
  },
});

const native: Operation = defineOperation({
  ...rooms,
  name: "roomsNative",
  paths: ["/native/rooms"],
  mappedAs: "rooms",
  bridge: undefined,
});

let used: Usage | undefined;
const frontDoor = defineGatewayPlugin({
  name: "rooms",
  options: v.strictObject({}),
  setup: () => ({
    operations: [rooms, native],
    middleware: (ctx, next) => {
      ctx.onFinished((finished) => (used = finished.usage));
      return next();
    },
  }),
});

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** An upstream that answers what `reply` says, and keeps what it saw. */
async function startUpstream(
  reply: (seen: Seen, count: number) => { status?: number; type?: string; body: string; cut?: boolean },
): Promise<{ url: string; seen: Seen[]; server: Server }> {
  const seen: Seen[] = [];
  const server = createServer((req, res) => {
    let body = "";
    req.on("data", (chunk: Buffer) => (body += chunk.toString()));
    req.on("end", () => {
      const request = { path: req.url!, headers: req.headers, body };
      const { status = 200, type = "application/json", body: text, cut } = reply(request, seen.push(request));
      res.writeHead(status, { "content-type": type });
      if (cut) res.write(text, () => res.destroy());
      else res.end(text);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, server };
}

const cleanUp: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of cleanUp.splice(0).toReversed()) await close();
});

async function start(
  reply: Parameters<typeof startUpstream>[0],
  adapter: "openai" | "signed",
  apiKey = "secret",
): Promise<{ gateway: TestGateway; seen: Seen[] }> {
  const upstream = await startUpstream(reply);
  cleanUp.push(() => new Promise((resolve) => upstream.server.close(resolve)));
  const gateway = await startTestGateway(
    {
      backends: { one: { adapter, apiKey, baseURL: upstream.url, models: ["org/m:1"] } },
      plugins: [frontDoor()],
    },
    dir,
  );
  cleanUp.push(() => gateway.close());
  return { gateway, seen: upstream.seen };
}

function say(gateway: TestGateway, body: JsonObject, path = "/rooms/org/m:1:say"): Promise<Response> {
  return fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

const chunk = (delta: JsonObject, finish: string | null = null): string =>
  writeSse(
    JSON.stringify({ id: "c", model: "org/m:1", choices: [{ index: 0, delta, finish_reason: finish }] }),
  );
const usageChunk = writeSse(
  JSON.stringify({
    id: "c",
    choices: [],
    usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
  }),
);

describe("a front door before a backend that has only another operation", () => {
  it("takes the model from the path, and brings the whole reply into its own shape", async () => {
    const { gateway, seen } = await start(
      () => ({
        body: JSON.stringify({
          model: "org/m:1",
          choices: [{ message: { content: "hello" } }],
          usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
        }),
      }),
      "openai",
    );
    const response = await say(gateway, { say: "hi", hint: 1 });
    expect(await response.json()).toEqual({ room: "org/m:1", said: "hello" });
    expect(response.headers.get("x-gatewright-dropped")).toBe("hint");
    expect(JSON.parse(seen[0]!.body)).toEqual({
      messages: [{ role: "user", content: "hi" }],
      model: "org/m:1",
    });
    expect(used).toMatchObject({ inputTokens: 1, outputTokens: 2 });
  });

  it("writes the stream in its own events, with usage as the backend told it", async () => {
    const { gateway, seen } = await start(
      () => ({
        type: "text/event-stream",
        body:
          chunk({ role: "assistant" }) +
          chunk({ content: "hel" }) +
          chunk({ content: "lo" }) +
          chunk({}, "stop") +
          usageChunk +
          "data: [DONE]\n\n",
      }),
      "openai",
    );
    const response = await say(gateway, { say: "hi", live: true });
    expect(response.headers.get("content-type")).toContain("text/event-stream");
    expect(await response.text()).toBe(
      'event: word\ndata: {"kind":"word","word":"hel"}\n\n' +
        'event: word\ndata: {"kind":"word","word":"lo"}\n\n' +
        'event: over\ndata: {"kind":"over","words":2}\n\n',
    );
    expect(JSON.parse(seen[0]!.body)).toMatchObject({
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(used).toMatchObject({ inputTokens: 3, outputTokens: 2, totalTokens: 5 });
  });

  it("is whole when only the terminator is missing, also where the connection breaks there", async () => {
    const { gateway } = await start(
      () => ({
        type: "text/event-stream",
        body: chunk({ content: "all" }) + chunk({}, "stop"),
        cut: true,
      }),
      "openai",
    );
    const text = await (await say(gateway, { say: "hi", live: true })).text();
    expect(text).toContain("event: over\n");
    expect(text).not.toContain("failed");
  });

  it.each([
    ["cut", chunk({ content: "half" }), "upstream_interrupted"],
    [
      "broken by an error event",
      chunk({ content: "half" }) + writeSse('{"error":{"message":"boom"}}'),
      "provider_error",
    ],
  ])("ends a stream that is %s with its dialect's error event", async (_, body, code) => {
    const { gateway } = await start(() => ({ type: "text/event-stream", body }), "openai");
    const text = await (await say(gateway, { say: "hi", live: true })).text();
    expect(text).toBe(
      'event: word\ndata: {"kind":"word","word":"half"}\n\n' +
        `event: failed\ndata: {"failed":"${code}"}\n\n`,
    );
  });

  it("names what of the answer it cannot carry beside what of the request", async () => {
    const { gateway } = await start(
      () => ({ body: JSON.stringify({ choices: [{ message: { content: "hello", gesture: "bow" } }] }) }),
      "openai",
    );
    const response = await say(gateway, { say: "hi", hint: 1 });
    expect(response.headers.get("x-gatewright-dropped")).toBe("hint, reply.choices[].message.gesture");
    expect(await response.json()).toEqual({ room: "org/m:1", said: "hello" });
  });

  it("names it in a stream until the first content goes out", async () => {
    const { gateway } = await start(
      () => ({
        type: "text/event-stream",
        body:
          chunk({ gesture: "bow" }) +
          chunk({ content: "hello", gesture: "nod" }) +
          chunk({ gesture: "wave" }) +
          chunk({}, "stop"),
      }),
      "openai",
    );
    const response = await say(gateway, { say: "hi", live: true });
    expect(response.headers.get("x-gatewright-dropped")).toBe("reply.gesture.bow, reply.gesture.nod");
    expect(await response.text()).toContain("event: over\n");
  });

  it("refuses what its bridge cannot carry, in its own dialect, before anything is sent", async () => {
    const { gateway, seen } = await start(() => ({ body: "{}" }), "openai");
    const response = await say(gateway, { say: "hi", shout: true });
    expect([response.status, await response.json()]).toEqual([400, { failed: "unsupported_parameter" }]);
    expect(seen).toHaveLength(0);
  });

  it("is 501 without a bridge", async () => {
    const { gateway } = await start(() => ({ body: "{}" }), "openai");
    const response = await say(gateway, { model: "org/m:1", say: "hi" }, "/native/rooms");
    expect([response.status, await response.json()]).toEqual([501, { failed: "unsupported_operation" }]);
  });
});

describe("a front door before a backend that speaks its dialect", () => {
  it("passes the body without the gateway's own members, and renames the model in the reply", async () => {
    const { gateway, seen } = await start(() => ({ body: '{"room":"internal", "x":1.50}' }), "signed");
    for (const path of ["/rooms/org/m:1:say", "/native/rooms"]) {
      const response = await say(gateway, { say: "hi", model: "org/m:1", live: false, odd: null }, path);
      expect(await response.text()).toBe('{"room":"org/m:1", "x":1.50}');
    }
    for (const { path, body } of seen) {
      expect(path).toBe("/rooms/org%2Fm%3A1");
      expect(body).toBe('{"say":"hi","odd":null}');
    }
    expect(seen).toHaveLength(2);
  });
});

describe("an adapter that signs its calls", () => {
  const chat = { model: "org/m:1", messages: [{ role: "user", content: "hi" }] };
  const answer = JSON.stringify({ model: "org/m:1", choices: [{}] });

  it("signs what is sent; its headers win over those of `auth`", async () => {
    const { gateway, seen } = await start(() => ({ body: answer }), "signed");
    expect((await say(gateway, chat, "/v1/chat/completions")).status).toBe(200);
    const [{ headers, body }] = seen as [Seen];
    expect(headers["x-signature"]).toBe(createHash("sha256").update(`POST /chat ${body}`).digest("hex"));
    expect(headers["x-account"]).toBe("from auth");
    expect(headers["x-token"]).toMatch(/^token-\d+$/);
  });

  it("gets one more try after a 401, with a fresh token", async () => {
    const { gateway, seen } = await start(
      (_, count) => (count === 1 ? { status: 401, body: "{}" } : { body: answer }),
      "signed",
    );
    const response = await say(gateway, chat, "/v1/chat/completions");
    expect([response.status, response.headers.get("x-gatewright-attempts")]).toEqual([200, "1"]);
    expect(seen).toHaveLength(2);
    expect(seen[1]!.headers["x-token"]).not.toBe(seen[0]!.headers["x-token"]);
  });

  const refusal = writeSse(JSON.stringify({ error: { message: "token expired", code: 401 } }));
  const hello = [chunk({ content: "hello" }), chunk({}, "stop"), writeSse("[DONE]")].join("");

  it.each([
    ["alone", refusal],
    ["behind the role", chunk({ role: "assistant" }) + refusal],
  ])("gets one more try after a 401 that begins a stream, %s", async (_, first) => {
    const { gateway, seen } = await start(
      (_, count) => ({ type: "text/event-stream", body: count === 1 ? first : hello }),
      "signed",
    );
    const response = await say(gateway, { ...chat, stream: true }, "/v1/chat/completions");
    expect([response.status, response.headers.get("x-gatewright-attempts")]).toEqual([200, "1"]);
    expect(await response.text()).toBe(hello);
    expect(seen[1]!.headers["x-token"]).not.toBe(seen[0]!.headers["x-token"]);
  });

  it("fails with 502 upstream_auth_error when the second is refused as well", async () => {
    const { gateway, seen } = await start(() => ({ status: 401, body: "{}" }), "signed");
    const response = await say(gateway, chat, "/v1/chat/completions");
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(seen).toHaveLength(2);
  });

  it("is not tried again where its adapter has nothing else to try", async () => {
    const { gateway, seen } = await start(() => ({ status: 401, body: "{}" }), "signed", "fixed");
    const response = await say(gateway, chat, "/v1/chat/completions");
    expect(response.status).toBe(502);
    expect(await response.json()).toMatchObject({ error: { code: "upstream_auth_error" } });
    expect(seen).toHaveLength(1);
  });

  it("tells neither client nor log why there is no token", async () => {
    const { gateway, seen } = await start(() => ({ body: answer }), "signed", "broken");
    const response = await say(gateway, chat, "/v1/chat/completions");
    const text = await response.text();
    expect([response.status, seen.length]).toEqual([502, 0]);
    expect(text + gateway.lines.join("")).not.toContain("token.internal");
  });
});
