import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { geminiApi } from "@gatewright/gemini-api";
import type { JsonObject } from "gatewright";
import { describe, expect, it } from "vitest";
import {
  answering,
  CREDENTIAL,
  jsonReply,
  openaiAt,
  post,
  scripted,
  simulated,
  startStage,
  streamReply,
} from "../e2e/_stage.ts";
import type { Stage } from "../e2e/_stage.ts";

const UPSTREAM_MODEL = "gemini-3-flash";
const MODEL = "team/flash";
const [KEY, OTHER] = ["sk-client-00000000000000000001", "sk-client-00000000000000000002"];
const ROOT = "/v1beta/interactions";

interface Seen {
  readonly account: string;
  readonly line: string;
  readonly body: string;
}

const sse = (json: JsonObject): string =>
  `event: ${String(json["event_type"])}\ndata: ${JSON.stringify(json)}\n\n`;

/** Accounts of the vendor's: `v1_a1`, `v1_a2` and so on are the interactions of account `a`. */
async function accounts(...names: string[]): Promise<{ stage: Stage; seen: Seen[] }> {
  const seen: Seen[] = [];
  const backends: Record<string, JsonObject> = {};
  for (const name of names) {
    let count = 0;
    const upstream = await scripted(async (connection) => {
      for (;;) {
        const { method, path, body } = await connection.readRequest();
        seen.push({ account: name, line: `${method} ${path}`, body: body.toString() });
        if (method !== "POST" || path.endsWith("/cancel")) {
          await connection.send(
            jsonReply({ id: path.split("/")[3], model: UPSTREAM_MODEL, status: "completed" }),
          );
          continue;
        }
        const { stream } = JSON.parse(body.toString()) as JsonObject;
        const id = `v1_${name}${++count}`;
        const usage = {
          total_input_tokens: 3,
          total_output_tokens: 4,
          total_thought_tokens: 2,
          total_tokens: 9,
        };
        const interaction = { id, model: UPSTREAM_MODEL, status: "completed", usage };
        await connection.send(
          stream === true
            ? streamReply(
                sse({
                  event_type: "interaction.created",
                  interaction: { ...interaction, status: "in_progress" },
                }),
                sse({ event_type: "step.start", index: 0, step: { type: "model_output" } }),
                sse({ event_type: "step.delta", index: 0, delta: { type: "text", text: "Hi" } }),
                sse({ event_type: "step.stop", index: 0 }),
                sse({ event_type: "interaction.completed", interaction }),
                "data: [DONE]\n\n",
              )
            : jsonReply({ ...interaction, steps: [] }),
        );
      }
    });
    backends[name] = {
      adapter: "gemini",
      baseURL: `${upstream.url}/v1beta`,
      apiKey: CREDENTIAL,
      models: [UPSTREAM_MODEL],
    };
  }
  const keys = [
    { id: "one", key: KEY },
    { id: "two", key: OTHER },
  ];
  const stage = await startStage({
    backends,
    models: { [MODEL]: { targets: names.map((backend) => ({ backend, model: UPSTREAM_MODEL })) } },
    plugins: [apiKeys({ keys }), geminiApi(), balancer({ strategy: "round-robin" })],
  });
  return { stage, seen };
}

function create(stage: Stage, rest: JsonObject = {}, key = KEY): Promise<Response> {
  return post(
    stage.url + ROOT,
    { model: MODEL, input: "Hello", ...rest },
    { headers: { "x-goog-api-key": key } },
  );
}

function ask(stage: Stage, method: string, below: string, key = KEY): Promise<Response> {
  return fetch(stage.url + ROOT + below, { method, headers: { "x-goog-api-key": key } });
}

async function idOf(reply: Response): Promise<string> {
  expect(reply.status).toBe(200);
  return /v1_\w+/.exec(await reply.text())![0];
}

const accountOf = (id: string): string => id[3]!;

describe("interactions", () => {
  it("pass as they are, but for the model's name", async () => {
    const { stage, seen } = await accounts("a");
    const body = `{"model":"${MODEL}","input":[{"type":"text","text":"x"}],"own":{"n":9007199254740993}}`;
    const reply = await fetch(stage.url + ROOT, {
      method: "POST",
      body,
      headers: { "x-goog-api-key": KEY, "content-type": "application/json" },
    });
    expect(await reply.json()).toMatchObject({ id: "v1_a1", model: MODEL, steps: [] });
    expect(seen).toEqual([{ account: "a", line: `POST ${ROOT}`, body: body.replace(MODEL, UPSTREAM_MODEL) }]);
  });

  it("stream the backend's events, with the model's name that was asked for", async () => {
    const { stage } = await accounts("a");
    const text = await (await create(stage, { stream: true })).text();
    expect(text.match(/^event: .*$/gm)).toEqual([
      "event: interaction.created",
      "event: step.start",
      "event: step.delta",
      "event: step.stop",
      "event: interaction.completed",
    ]);
    expect(text).not.toContain(UPSTREAM_MODEL);
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
  });

  it.each([
    ["whole", false],
    ["streamed", true],
  ])("go on, are read, cancelled and deleted where they are kept: %s", async (_, stream) => {
    const { stage, seen } = await accounts("a", "b");
    const ids = [await idOf(await create(stage, { stream })), await idOf(await create(stage, { stream }))];
    expect(new Set(ids.map(accountOf))).toEqual(new Set(["a", "b"]));
    for (const id of [...ids, ...ids]) {
      const next = await idOf(await create(stage, { stream, previous_interaction_id: id }));
      expect(accountOf(next)).toBe(accountOf(id));
    }
    seen.length = 0;
    for (const id of ids) {
      const read = await ask(stage, "GET", `/${id}?include_input=true&key=${KEY}`);
      expect(await read.json()).toMatchObject({ model: MODEL });
      expect((await ask(stage, "POST", `/${id}/cancel`)).status).toBe(200);
      expect((await ask(stage, "DELETE", `/${id}`)).status).toBe(200);
      expect((await ask(stage, "GET", `/${id}`)).status).toBe(404);
    }
    expect(seen.map(({ account, line }) => `${account} ${line}`)).toEqual(
      ids.flatMap((id) => [
        `${accountOf(id)} GET ${ROOT}/${id}?include_input=true`,
        `${accountOf(id)} POST ${ROOT}/${id}/cancel`,
        `${accountOf(id)} DELETE ${ROOT}/${id}`,
      ]),
    );
  });

  it("are nobody else's, nor known where they are not kept: 404 in Google's shape", async () => {
    const { stage, seen } = await accounts("a");
    const id = await idOf(await create(stage));
    const unkept = await idOf(await create(stage, { store: false }));
    seen.length = 0;
    for (const reply of [
      await ask(stage, "GET", `/${id}`, OTHER),
      await ask(stage, "DELETE", `/${id}`, OTHER),
      await create(stage, { previous_interaction_id: id }, OTHER),
      await create(stage, { previous_interaction_id: unkept }),
      await ask(stage, "GET", "/v1_never"),
      await ask(stage, "GET", `/${id}/cancel`),
      await ask(stage, "POST", `/${id}/other`),
      await ask(stage, "GET", "/%"),
    ]) {
      expect(reply.status).toBe(404);
      expect(await reply.json()).toMatchObject({ error: { code: 404, status: "NOT_FOUND" } });
    }
    expect(seen).toEqual([]);
  });

  it("need a model: agents, and backends of other dialects, are refused", async () => {
    const { stage } = await accounts("a");
    const agent = await create(stage, { model: undefined, agent: "deep-research" });
    expect(agent.status).toBe(400);
    expect(((await agent.json()) as { error: JsonObject }).error["message"]).toContain("`agent`");
    const other = await startStage({
      backends: { main: openaiAt(await simulated()) },
      plugins: [geminiApi()],
    });
    const reply = await post(other.url + ROOT, { model: "gpt-4o-mini", input: "x" });
    expect(reply.status).toBe(501);
    expect(await reply.json()).toMatchObject({ error: { status: "UNIMPLEMENTED" } });
  });

  it("that break off end in an event of their own for errors", async () => {
    const upstream = await answering(
      streamReply(
        sse({ event_type: "interaction.created", interaction: { id: "v1_x", model: UPSTREAM_MODEL } }),
        sse({ event_type: "step.delta", index: 0, delta: { type: "text", text: "Hi" } }),
      ),
    );
    const stage = await startStage({
      backends: {
        main: { adapter: "gemini", baseURL: `${upstream.url}/v1beta`, apiKey: CREDENTIAL, models: [MODEL] },
      },
      plugins: [geminiApi()],
    });
    const text = await (await create(stage, { stream: true })).text();
    const last = text.trimEnd().split("\n\n").at(-1)!;
    expect(last).toMatch(/^event: error\ndata: \{"event_type":"error","error":\{"code":502,/);
  });
});
