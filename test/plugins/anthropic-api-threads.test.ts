import { anthropicApi } from "@gatewright/anthropic-api";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import { CREDENTIAL, event, jsonReply, post, scripted, startStage, streamReply } from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";

const MODEL = "claude-opus-5-5";
const [KEY, OTHER] = ["sk-client-00000000000000000001", "sk-client-00000000000000000002"];
const CREATE = { type: "create" };
const continuing = (id: string): JsonObject => ({ type: "continue", previous_message_id: id });

/** An account of the vendor's: `msg_a1`, `msg_a2` and so on are the messages of account `a`. */
async function account(name: string): Promise<JsonObject> {
  let count = 0;
  const upstream = await scripted(async (connection) => {
    for (;;) {
      const { stream, model } = JSON.parse((await connection.readRequest()).body.toString()) as JsonObject;
      const usage = { input_tokens: 1, output_tokens: 1 };
      const head = { id: `msg_${name}${++count}`, type: "message", role: "assistant", model, usage };
      const text = { type: "text", text: "x" };
      const message = { ...head, content: [], stop_reason: null };
      await connection.send(
        stream === true
          ? streamReply(
              event({ type: "message_start", message }),
              event({ type: "content_block_start", index: 0, content_block: { type: "text", text: "" } }),
              event({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: "x" } }),
              event({ type: "content_block_stop", index: 0 }),
              event({ type: "message_delta", delta: { stop_reason: "end_turn" }, usage }),
              event({ type: "message_stop" }),
            )
          : jsonReply({ ...head, content: [text], stop_reason: "end_turn" }),
      );
    }
  });
  return { adapter: "anthropic", baseURL: upstream.url, apiKey: CREDENTIAL, models: [MODEL] };
}

/** Two accounts that are asked in turn. */
async function twoAccounts(): Promise<Stage> {
  const keys = [
    { id: "one", key: KEY },
    { id: "two", key: OTHER },
  ];
  return startStage({
    backends: { a: await account("a"), b: await account("b") },
    plugins: [apiKeys({ keys }), anthropicApi(), balancer({ strategy: "round-robin" })],
  });
}

async function ask(
  stage: Stage,
  thread: unknown,
  { key = KEY, ...rest }: { key?: string; stream?: boolean; model?: string } = {},
): Promise<Response> {
  const body = { model: MODEL, max_tokens: 5, thread, messages: [{ role: "user", content: "Hi" }], ...rest };
  const headers = { "anthropic-version": "2023-06-01", "x-api-key": key };
  return post(`${stage.url}/v1/messages`, body, { headers });
}

/** The id of the message that comes. */
async function idOf(reply: Response): Promise<string> {
  expect(reply.status).toBe(200);
  return /msg_\w+/.exec(await reply.text())![0];
}

const accountOf = (id: string): string => id[4]!;

describe("threads of several accounts", () => {
  it.each([
    ["whole", false],
    ["streamed", true],
  ])("go on where they began, from each of their messages to the next: %s", async (_, stream) => {
    const stage = await twoAccounts();
    const first = await idOf(await ask(stage, CREATE, { stream }));
    const second = await idOf(await ask(stage, CREATE, { stream }));
    expect(new Set([first, second].map(accountOf))).toEqual(new Set(["a", "b"]));
    let latest = [first, second];
    for (let turn = 0; turn < 3; turn++) {
      const next: string[] = [];
      for (const id of latest) next.push(await idOf(await ask(stage, continuing(id), { stream })));
      expect(next.map(accountOf)).toEqual(latest.map(accountOf));
      latest = next;
    }
  });

  it("are nobody else's: 404 in Anthropic's shape, as for what there never was", async () => {
    const stage = await twoAccounts();
    const id = await idOf(await ask(stage, CREATE));
    for (const reply of [
      await ask(stage, continuing(id), { key: OTHER }),
      await ask(stage, continuing("msg_never")),
    ]) {
      expect(reply.status).toBe(404);
      expect(await reply.json()).toMatchObject({
        type: "error",
        error: { type: "not_found_error", details: { error_code: "thread_not_found", param: "thread" } },
      });
    }
    expect(accountOf(await idOf(await ask(stage, continuing(id))))).toBe(accountOf(id));
  });

  it("leave requests without one to the balancer", async () => {
    const stage = await twoAccounts();
    const ids = [await idOf(await ask(stage, null)), await idOf(await ask(stage, undefined))];
    expect(new Set(ids.map(accountOf))).toEqual(new Set(["a", "b"]));
    expect((await ask(stage, continuing(ids[0]!))).status).toBe(404);
  });
});
