/** Thoughts that a model at Bedrock signed which is not Anthropic's, on their way through front doors and back. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { anthropicApi } from "@gatewright/anthropic-api";
import { isSealed, type JsonObject } from "gatewright";
import { afterEach, describe, expect, it } from "vitest";
import { converseStream } from "../../adapters/src/_bedrock/chat-reply.ts";
import { toHubThinking, toOwnThinking } from "../../adapters/src/_bedrock/thinking.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";

const NOVA = "amazon.nova-2-lite-v1:0";
const OTHER = "minimax.minimax-m2";
const CLAUDE = "anthropic.claude-sonnet-4-20250514-v1:0";

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close();
});

/** A server that answers by the path, and keeps what it was asked. */
async function answering(
  replyTo: (path: string) => JsonObject,
): Promise<{ url: string; asked: JsonObject[] }> {
  const asked: JsonObject[] = [];
  const server: Server = createServer((request, response) => {
    void json(request).then((body) => {
      asked.push(body as JsonObject);
      response.setHeader("content-type", "application/json").end(JSON.stringify(replyTo(request.url!)));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

async function start(reasoningContent: JsonObject) {
  const converse = {
    output: { message: { role: "assistant", content: [{ reasoningContent }, { text: "Hello" }] } },
    stopReason: "end_turn",
    usage: { inputTokens: 1, outputTokens: 2, totalTokens: 3 },
  };
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "claude",
    content: [{ type: "text", text: "Hello" }],
    stop_reason: "end_turn",
    stop_sequence: null,
    usage: { input_tokens: 1, output_tokens: 2 },
  };
  const bedrock = await answering((path) => (path.endsWith("/invoke") ? message : converse));
  const anthropic = await answering(() => message);
  const gateway = await startTestGateway({
    backends: {
      aws: {
        adapter: "bedrock",
        baseURL: bedrock.url,
        region: "eu-central-1",
        apiKey: "k",
        models: [NOVA, OTHER, CLAUDE],
      },
      claude: { adapter: "anthropic", baseURL: anthropic.url, apiKey: "k", models: ["claude"] },
    },
    plugins: [anthropicApi()],
  });
  open.push(() => gateway.close());
  return { gateway, bedrock, anthropic };
}

async function ask(gateway: TestGateway, path: string, body: JsonObject): Promise<JsonObject> {
  const reply = await fetch(gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", "anthropic-version": "2023-06-01" },
    body: JSON.stringify(body),
  });
  const told = (await reply.json()) as JsonObject;
  expect([reply.status, told]).toEqual([200, told]);
  return told;
}

const user = { role: "user", content: "Hi" };
const SIGNED = { reasoningText: { text: "Hm", signature: "novas-own" } };
const REDACTED = { redactedContent: Buffer.from("novas-own").toString("base64") };

/** Both front doors: what a turn says in them, and a history with it. */
const doors = [
  {
    door: "/v1/messages",
    turnOf: ({ content }: JsonObject): JsonObject => ({ role: "assistant", content }),
    rest: { max_tokens: 100 },
  },
  {
    door: "/v1/chat/completions",
    turnOf: ({ choices }: JsonObject): JsonObject => (choices as { message: JsonObject }[])[0]!.message,
    rest: {},
  },
];

describe.each(doors)("thoughts of Nova at $door", ({ door, turnOf, rest }) => {
  it.each([
    ["signed", SIGNED],
    ["encrypted", REDACTED],
  ])("go back to Nova as they were, and to no other model: %s", async (_, thought) => {
    const { gateway, bedrock, anthropic } = await start(thought);
    const turn = turnOf(await ask(gateway, door, { model: NOVA, messages: [user], ...rest }));
    const messages = [user, turn, { role: "user", content: "Go on" }];
    for (const model of [NOVA, OTHER, CLAUDE, "claude"])
      await ask(gateway, door, { model, messages, ...rest });
    const [, nova, other] = bedrock.asked.map((request) => JSON.stringify(request));
    expect(nova).toContain(JSON.stringify({ reasoningContent: thought }));
    expect(other).not.toContain("reasoningContent");
    const sent = JSON.stringify([...bedrock.asked.slice(2), ...anthropic.asked]);
    expect(anthropic.asked).toHaveLength(1);
    for (const own of ["novas-own", REDACTED.redactedContent, "gatewrightv1"])
      expect(sent).not.toContain(own);
  });
});

describe("one model by several names", () => {
  const NAMES = [
    NOVA,
    ...["us", "eu", "apac", "jp", "us-gov", "global"].map((geography) => `${geography}.${NOVA}`),
    `arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.${NOVA}`,
    `arn:aws-us-gov:bedrock:us-gov-west-1:111122223333:inference-profile/us-gov.${NOVA}`,
    `arn:aws:bedrock:eu-central-1::foundation-model/${NOVA}`,
  ];
  const THOUGHT = { type: "thinking", thinking: "Hm", signature: "novas-own" };

  it.each(NAMES)("takes its own thought back, whatever it was called when it had it: %s", (name) => {
    for (const later of NAMES)
      expect(toOwnThinking(toHubThinking(THOUGHT, name), later)).toMatchObject(THOUGHT);
    expect(toOwnThinking(toHubThinking(THOUGHT, name), `us.${OTHER}`)).toBeUndefined();
  });

  it("does not take a vendor for a geography, nor guess what a profile of one's own stands for", () => {
    const own = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/a1b2c3";
    const others = [own, own.replace("a1b2c3", "d4e5f6"), "openai.gpt-5.1", "zai.gpt-5.1", NOVA];
    for (const signer of others)
      for (const reader of others)
        expect(toOwnThinking(toHubThinking(THOUGHT, signer), reader) !== undefined).toBe(signer === reader);
  });
});

describe("the stream of Nova", () => {
  const eventsOf = (model: string): JsonObject[] => {
    const info = {
      operation: "chat" as const,
      model,
      requestedModel: "m",
      stream: true,
      options: { region: "eu-central-1" },
      requestId: "r",
      nowSeconds: 1,
      report: () => {},
      request: {},
    } as unknown as Parameters<typeof converseStream.start>[0];
    const state = converseStream.start(info);
    return [
      { contentBlockDelta: { delta: { reasoningContent: { text: "Hm" } } } },
      { contentBlockDelta: { delta: { reasoningContent: { signature: "own" } } } },
      { contentBlockStop: {} },
    ].flatMap((event) => [...converseStream.event(state, event, info)]);
  };
  const signatureOf = (model: string): unknown => {
    const [choice] = eventsOf(model).at(-1)!["choices"] as { delta: { thinking_blocks: JsonObject[] } }[];
    return choice!.delta.thinking_blocks[0]!["signature"];
  };

  it("seals what Nova signed, and leaves Claude's as it is", () => {
    expect(isSealed(signatureOf(NOVA))).toBe(true);
    expect(signatureOf(CLAUDE)).toBe("own");
  });
});
