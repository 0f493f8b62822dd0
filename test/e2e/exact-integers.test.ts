import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { anthropicApi } from "@gatewright/anthropic-api";
import { batch } from "@gatewright/batch";
import { geminiApi } from "@gatewright/gemini-api";
import { modelRouting } from "@gatewright/model-routing";
import { responsesStore } from "@gatewright/responses-store";
import { defineGatewayPlugin, isEventStream, toStreamEvent } from "gatewright";
import * as v from "valibot";
import { onTestFinished, describe, expect, it } from "vitest";
import { startTestGateway } from "../_support/gateway.ts";

/** Integers of 64 bits, none of which a number of JavaScript's can hold: one for each place that they stand in. */
const CALLED = "1234567890123456789";
const NESTED = "-1234567890123456783";
const RESULT = "2345678901234567891";
const LEAST = "-9223372036854775807";
const MOST = "9223372036854775807";
const ANSWERED = "4567890123456789123";

const MODEL = "big-model";

/** What a client of each dialect sends: a tool by its schema, a call of it with its result, and one more question. */
const DOORS = {
  chat: {
    path: () => "/v1/chat/completions",
    body: (
      stream: boolean,
    ) => `{"model":"${MODEL}","stream":${stream},"tools":[{"type":"function","function":{
      "name":"find","description":"Finds","parameters":${schema()}}}],"messages":[
      {"role":"user","content":"Find it"},
      {"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{
        "name":"find","arguments":${JSON.stringify(input())}}}]},
      {"role":"tool","tool_call_id":"call_1","content":${JSON.stringify(result())}}]}`,
    called: (text: string) => callsInChat(jsonOf(text)),
    calledInEvents: (text: string) => callsInChat(...eventsOf(text)),
  },
  responses: {
    path: () => "/v1/responses",
    body: (
      stream: boolean,
    ) => `{"model":"${MODEL}","stream":${stream},"store":false,"tools":[{"type":"function",
      "name":"find","description":"Finds","strict":false,"parameters":${schema()}}],"input":[
      {"role":"user","content":"Find it"},
      {"type":"function_call","call_id":"call_1","name":"find","arguments":${JSON.stringify(input())}},
      {"type":"function_call_output","call_id":"call_1","output":${JSON.stringify(result())}}]}`,
    called: (text: string) => callsInResponse(jsonOf(text)),
    calledInEvents: (text: string) => {
      const events = eventsOf(text);
      const completed = events.find(({ type }) => type === "response.completed");
      const whole = callsInResponse((completed as unknown as { response: object }).response);
      const pieces = events
        .filter(({ type }) => type === "response.function_call_arguments.delta")
        .map(({ delta }) => String(delta));
      expect(pieces.join("")).toBe(whole);
      return whole;
    },
  },
  messages: {
    path: () => "/v1/messages",
    body: (stream: boolean) => `{"model":"${MODEL}","stream":${stream},"max_tokens":100,"tools":[{
      "name":"find","description":"Finds","input_schema":${schema()}}],"messages":[
      {"role":"user","content":"Find it"},
      {"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"find","input":${input()}}]},
      {"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":${JSON.stringify(result())}}]}]}`,
    called: (text: string) => /"input":(\{[^}]*\})/.exec(text)?.[1],
    calledInEvents: (text: string) =>
      eventsOf(text)
        .map(({ delta }) => (delta as { partial_json?: string } | undefined)?.partial_json ?? "")
        .join(""),
  },
  generateContent: {
    path: (stream: boolean) =>
      `/v1beta/models/${MODEL}:${stream ? "streamGenerateContent?alt=sse" : "generateContent"}`,
    body: () => `{"tools":[{"functionDeclarations":[{
      "name":"find","description":"Finds","parametersJsonSchema":${schema()}}]}],"contents":[
      {"role":"user","parts":[{"text":"Find it"}]},
      {"role":"model","parts":[{"functionCall":{"id":"call_1","name":"find","args":${input()}}}]},
      {"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"find","response":${result()}}}]}]}`,
    called: (text: string) => /"args":(\{[^}]*\})/.exec(text)?.[1],
    calledInEvents: (text: string) => /"args":(\{[^}]*\})/.exec(text)?.[1],
  },
} as const;

const schema = (): string =>
  `{"type":"object","properties":{"id":{"type":"integer","minimum":${LEAST},"maximum":${MOST}}},"required":["id"]}`;
const input = (): string => `{"id":${CALLED},"more":[{"id":${NESTED}}]}`;
const result = (): string => `{"found":${RESULT}}`;
const ANSWER = `{"id":${ANSWERED}}`;

/** A reply of each backend's that calls the tool, whole and as a stream. */
const BACKENDS = {
  "openai-compatible": {
    basePath: "/v1",
    reply: `{"id":"c1","object":"chat.completion","created":1,"model":"m","trace":${NESTED},"choices":[{"index":0,"message":{
      "role":"assistant","content":null,"tool_calls":[{"id":"call_2","type":"function","function":{
        "name":"find","arguments":${JSON.stringify(ANSWER)}}}]},"finish_reason":"tool_calls"}],
      "usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`,
    stream: [
      chunkOf(
        `{"role":"assistant","tool_calls":[{"index":0,"id":"call_2","type":"function","function":{"name":"find","arguments":""}}]}`,
      ),
      ...inHalves(ANSWER).map((piece) =>
        chunkOf(`{"tool_calls":[{"index":0,"function":{"arguments":${JSON.stringify(piece)}}}]}`),
      ),
      chunkOf("{}", '"tool_calls"'),
      "data: [DONE]\n\n",
    ],
  },
  anthropic: {
    basePath: "",
    reply: `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[
      {"type":"tool_use","id":"toolu_2","name":"find","input":${ANSWER}}],
      "stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}`,
    stream: [
      eventOf(
        "message_start",
        `"message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}`,
      ),
      eventOf(
        "content_block_start",
        `"index":0,"content_block":{"type":"tool_use","id":"toolu_2","name":"find","input":{}}`,
      ),
      ...inHalves(ANSWER).map((piece) =>
        eventOf(
          "content_block_delta",
          `"index":0,"delta":{"type":"input_json_delta","partial_json":${JSON.stringify(piece)}}`,
        ),
      ),
      eventOf("content_block_stop", `"index":0`),
      eventOf("message_delta", `"delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}`),
      eventOf("message_stop", `"x":0`),
    ],
  },
  gemini: {
    basePath: "/v1beta",
    reply: geminiReply(),
    stream: [`data: ${geminiReply().replaceAll("\n", "")}\n\n`],
  },
  ollama: {
    basePath: "",
    reply: ollamaReply(),
    stream: [`${ollamaReply().replaceAll("\n", "")}\n`],
  },
} as const;

function geminiReply(): string {
  return `{"candidates":[{"index":0,"content":{"role":"model","parts":[
    {"functionCall":{"name":"find","args":${ANSWER}}}]},"finishReason":"STOP"}],"modelVersion":"m",
    "usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}`;
}

function ollamaReply(): string {
  return `{"model":"m","created_at":"2025-11-01T00:00:00.123456789Z","message":{"role":"assistant","content":"","tool_calls":[
    {"function":{"name":"find","arguments":${ANSWER}}}]},"done":true,"done_reason":"stop",
    "prompt_eval_count":1,"eval_count":1}`;
}

function chunkOf(delta: string, finish = "null"): string {
  return `data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":${delta},"finish_reason":${finish}}]}\n\n`;
}

function eventOf(type: string, members: string): string {
  return `event: ${type}\ndata: {"type":"${type}",${members}}\n\n`;
}

/** Cut in the middle of the number. */
function inHalves(text: string): string[] {
  return [text.slice(0, 12), text.slice(12)];
}

function jsonOf(text: string): object {
  return JSON.parse(text) as object;
}

function eventsOf(text: string): { [name: string]: unknown }[] {
  return [...text.matchAll(/^data: (\{.*\})$/gm)].map(
    ([, data]) => jsonOf(data!) as { [name: string]: unknown },
  );
}

/** The arguments of all calls, one behind the other. */
function callsInChat(...replies: object[]): string {
  return replies
    .flatMap((reply) => (reply as { choices: { message?: object; delta?: object }[] }).choices)
    .map(({ message, delta = message }) => delta as { tool_calls?: { function: { arguments?: string } }[] })
    .map(({ tool_calls }) => tool_calls?.[0]?.function.arguments ?? "")
    .join("");
}

function callsInResponse(response: object): string | undefined {
  const { output } = response as { output: { type: string; arguments?: string }[] };
  return output.find(({ type }) => type === "function_call")?.arguments;
}

/** A backend that plays one reply, and a gateway before it, with another adapter where `settings` name one. */
async function start(
  adapter: keyof typeof BACKENDS,
  stream: boolean,
  plugins: unknown[] = [],
  settings: Record<string, unknown> = {},
) {
  const { basePath, reply, stream: events } = BACKENDS[adapter];
  const model = "claude-opus-4-1";
  const bodies: string[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on("data", (part: Buffer) => parts.push(part));
    request.on("end", () => {
      bodies.push(Buffer.concat(parts).toString());
      const type = adapter === "ollama" ? "application/x-ndjson" : "text/event-stream";
      response.writeHead(200, { "content-type": stream ? type : "application/json" });
      response.end(stream ? events.join("") : reply);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const gateway = await startTestGateway({
    backends: {
      one: {
        adapter,
        baseURL: `http://127.0.0.1:${port}${basePath}`,
        apiKey: "k",
        models: [model],
        ...settings,
      },
    },
    models: { [MODEL]: { targets: [{ backend: "one", model }] } },
    plugins: [anthropicApi(), geminiApi(), ...plugins],
  });
  onTestFinished(async () => {
    await gateway.close();
    server.closeAllConnections();
    server.close();
  });
  return { url: gateway.url, bodies };
}

async function ask(url: string, path: string, body: string): Promise<string> {
  const response = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body,
  });
  const text = await response.text();
  expect(response.status, text).toBe(200);
  return text;
}

/** How often the digits stand in a text, as a number or in a text inside of it. */
function count(text: string, digits: string): number {
  return text.split(new RegExp(`(?<![\\d-])${digits}(?!\\d)`)).length - 1;
}

const doors = Object.keys(DOORS) as (keyof typeof DOORS)[];
const backends = Object.keys(BACKENDS) as (keyof typeof BACKENDS)[];

describe.each(backends)("before a backend of %s", (adapter) => {
  describe.each(doors)("a client of %s", (name) => {
    const door = DOORS[name];

    it.each([
      ["a whole reply", false],
      ["a stream", true],
    ])("sends and gets integers of 64 bits digit by digit, with %s", async (_, stream) => {
      const { url, bodies } = await start(adapter, stream);
      const text = await ask(url, door.path(stream), door.body(stream));

      const [sent = ""] = bodies;
      expect(() => JSON.parse(sent) as unknown).not.toThrow();
      for (const digits of [CALLED, NESTED, RESULT, LEAST, MOST])
        expect(count(sent, digits), `${digits} in ${sent}`).toBe(1);
      const called = stream ? door.calledInEvents(text) : door.called(text);
      expect(called, text).toBe(ANSWER);
      expect(text + sent).not.toMatch(/\uFDD0|\uFDD1/);
    });
  });
});

describe("before a backend of another dialect", () => {
  it("passes messages to Claude on Vertex AI, which are written anew, digit by digit", async () => {
    const settings = { adapter: "vertex", project: "demo", location: "global" };
    const { url, bodies } = await start("anthropic", false, [], settings);
    const text = await ask(url, "/v1/messages", DOORS.messages.body(false));
    expect(bodies[0]).toContain(`"anthropic_version":"vertex-2023-10-16"`);
    for (const digits of [CALLED, NESTED, RESULT, LEAST, MOST]) expect(count(bodies[0]!, digits)).toBe(1);
    expect(DOORS.messages.called(text)).toBe(ANSWER);
  });

  it("counts tokens of what it was given, digit by digit", async () => {
    const { url, bodies } = await start("gemini", false);
    await ask(
      url,
      `/v1beta/models/${MODEL}:countTokens`,
      `{"generateContentRequest":{"model":"models/${MODEL}",${DOORS.generateContent.body().slice(1)}}`,
    );
    for (const digits of [CALLED, NESTED, RESULT, LEAST, MOST]) expect(count(bodies[0]!, digits)).toBe(1);
  });

  it("sends a seed that a number cannot hold, and a limit of twenty digits, as they are", async () => {
    const { url, bodies } = await start("ollama", false);
    await ask(
      url,
      "/v1/chat/completions",
      `{"model":"${MODEL}","seed":9007199254740993,"max_tokens":12345678901234567891,"messages":[{"role":"user","content":"Hi"}]}`,
    );
    expect(count(bodies[0]!, "9007199254740993")).toBe(1);
    expect(count(bodies[0]!, "12345678901234567891")).toBe(1);
  });

  it.each([
    ["negative", `"max_tokens":-12345678901234567891`, 400],
    ["in a place for a list", `"messages":12345678901234567891`, 400],
    ["in the place of a model", `"model":12345678901234567891`, 400],
    ["in the place of a flag", `"stream":12345678901234567891`, 400],
  ])("refuses a long integer %s", async (_, member, status) => {
    const { url, bodies } = await start("ollama", false);
    const members = new Map([
      ["model", `"model":"${MODEL}"`],
      ["messages", `"messages":[{"role":"user","content":"Hi"}]`],
      [/"(.*)"/.exec(member)![1]!, member],
    ]);
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: `{${[...members.values()].join(",")}}`,
    });
    const text = await response.text();
    expect(response.status, text).toBe(status);
    expect(text).not.toMatch(/\uFDD0/);
    expect(bodies).toEqual([]);
  });

  it("leaves digits in strings and in names what they are", async () => {
    const { url, bodies } = await start("ollama", false);
    const given = `{"${CALLED}":"${CALLED}","n":${NESTED}}`;
    await ask(
      url,
      "/v1/chat/completions",
      `{"model":"${MODEL}","messages":[{"role":"user","content":"see: ${RESULT}, [${RESULT}]"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{
          "name":"find","arguments":${JSON.stringify(given)}}}]},
        {"role":"tool","tool_call_id":"c","content":"ok"}]}`,
    );
    expect(bodies[0]).toContain(given);
    expect(bodies[0]).toContain(`see: ${RESULT}, [${RESULT}]`);
  });
});

describe("plugins", () => {
  /** A chat whose last tool call has the id. */
  const chat = (stream: boolean): string => DOORS.chat.body(stream);

  it("may edit a member that holds long integers, and see numbers where they look at one member", async () => {
    const seen: unknown[] = [];
    const editor = defineGatewayPlugin({
      name: "editor",
      options: v.strictObject({}),
      setup: () => ({
        middleware: (ctx, next) => {
          seen.push(ctx.body.get("seed"), ctx.body.typeOf("seed"));
          const messages = ctx.body.get("messages") as object[];
          ctx.body = ctx.body.with({
            messages: [{ role: "system", content: "Be brief" }, ...messages],
            tools: structuredClone(ctx.body.json["tools"]),
            top_k: ctx.body.json["seed"],
          });
          seen.push(ctx.body.get("top_k"), ctx.body.typeOf("top_k"));
          return next();
        },
      }),
    });
    const { url, bodies } = await start("openai-compatible", false, [editor({})]);
    await ask(url, "/v1/chat/completions", chat(false).replace("{", `{"seed":${CALLED},`));
    const [sent = ""] = bodies;
    expect(sent).toContain("Be brief");
    for (const digits of [NESTED, RESULT, LEAST, MOST]) expect(count(sent, digits), sent).toBe(1);
    // In the arguments, as the seed, and as what was made of the seed.
    expect(count(sent, CALLED)).toBe(3);
    expect(seen).toEqual([Number(CALLED), "number", Number(CALLED), "number"]);
  });

  it.each([
    ["by toStreamEvent", toStreamEvent],
    ["by themselves", (json: unknown, type?: string) => ({ type, data: JSON.stringify(json), json })],
  ])("may write events of their own from what they saw, %s", async (_, write) => {
    const rewriter = defineGatewayPlugin({
      name: "rewriter",
      options: v.strictObject({}),
      setup: () => ({
        middleware: async (ctx, next) => {
          const reply = await next();
          if (isEventStream(reply.body))
            reply.body.transform(({ json, type }) => write({ ...(json as object), seen: true }, type));
          return reply;
        },
      }),
    });
    const { url } = await start("gemini", true, [rewriter({})]);
    const door = DOORS.generateContent;
    const text = await ask(url, door.path(true), door.body());
    expect(text).toContain(`"seen":true`);
    expect(door.calledInEvents(text)).toBe(ANSWER);
  });

  it("batch: send and give them digit by digit", async () => {
    const { url, bodies } = await start("ollama", false, [batch()]);
    const text = await ask(
      url,
      "/v1/batch",
      `{"requests":[{"id":"a","endpoint":"/v1/chat/completions","body":${chat(false)}}]}`,
    );
    for (const digits of [CALLED, NESTED, RESULT, LEAST, MOST]) expect(count(bodies[0]!, digits)).toBe(1);
    expect(count(text, ANSWERED)).toBe(1);
  });

  it("model-routing: annotate a reply without a change to its numbers", async () => {
    const { url } = await start("openai-compatible", false, [modelRouting()]);
    const body = chat(false).replace("{", `{"provider":"one",`);
    const text = await ask(url, "/v1/chat/completions", body);
    expect(text).toContain(`"cost":`);
    expect(count(text, NESTED)).toBe(1);
    expect(DOORS.chat.called(text)).toBe(ANSWER);
  });

  it("responses-store: go on from what was kept, digit by digit", async () => {
    const { url, bodies } = await start("ollama", false, [responsesStore()]);
    const first = await ask(url, "/v1/responses", DOORS.responses.body(false).replace(`"store":false,`, ""));
    const { id } = JSON.parse(first) as { id: string };
    await ask(
      url,
      "/v1/responses",
      `{"model":"${MODEL}","previous_response_id":"${id}","input":"Go on","metadata":{"n":"1"}}`,
    );
    for (const digits of [CALLED, NESTED, RESULT, ANSWERED]) expect(count(bodies[1]!, digits)).toBe(1);
    const kept = await fetch(`${url}/v1/responses/${id}`);
    expect(callsInResponse((await kept.json()) as object)).toBe(ANSWER);
  });
});
