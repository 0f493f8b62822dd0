import { seal } from "gatewright";
import type { Plugin } from "gatewright";
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { cache } from "@gatewright/cache";
import { circuitBreaker } from "@gatewright/circuit-breaker";
import { concurrency } from "@gatewright/concurrency";
import { fallback } from "@gatewright/fallback";
import { geminiApi } from "@gatewright/gemini-api";
import { hedge } from "@gatewright/hedge";
import { rateLimit } from "@gatewright/rate-limit";
import { retry } from "@gatewright/retry";
import { timeout } from "@gatewright/timeout";
import { describe, expect, it } from "vitest";
import {
  CREDENTIAL,
  answering,
  EVENT_STREAM,
  jsonReply,
  ollamaAt,
  openaiAt,
  post,
  scripted,
  simulated,
  startStage,
  streamReply,
  type Stage,
} from "../e2e/_stage.ts";
import { chunk, replyHead } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";
import { describePlugin } from "./_suite.ts";

type Json = Record<string, unknown>;

describePlugin({ folder: "gemini-api", factory: "geminiApi", create: () => geminiApi() });

const MODEL = "gpt-4o-mini";
const GEMINI = "gemini-2.5-flash";
/** What clients call the Gemini model. */
const ALIAS = "team/flash:latest";
const CLIENT_KEY = "sk-client-canary-0123456789abcdef";
const HELLO = { contents: [{ role: "user", parts: [{ text: "Hello!" }] }] };

/** A gateway before one backend of each kind, where given. */
function stageOf(
  {
    gemini,
    openai,
    ollama,
  }: { gemini?: { url: string }; openai?: { url: string }; ollama?: { url: string } },
  plugins: Plugin[] = [geminiApi()],
): Promise<Stage> {
  return startStage({
    backends: {
      ...(openai && { main: openaiAt(openai) }),
      ...(ollama && { local: ollamaAt(ollama, { models: ["qwen2.5:7b"] }) }),
      ...(gemini && {
        google: { adapter: "gemini", baseURL: `${gemini.url}/v1beta`, apiKey: CREDENTIAL, models: [GEMINI] },
      }),
    },
    ...(gemini && { models: { [ALIAS]: { targets: [{ backend: "google", model: GEMINI }] } } }),
    plugins,
  });
}

const generatePath = (model: string, stream = false): string =>
  `/v1beta/models/${model}:${stream ? "streamGenerateContent" : "generateContent"}`;

interface GoogleError {
  code: number;
  message: string;
  status: string;
  details: Json[];
}

async function errorOf(response: Response): Promise<GoogleError> {
  const { error } = (await response.json()) as { error: GoogleError };
  expect(error.code).toBe(response.status);
  return error;
}

/** A reply of Google's, with spelling that a rewrite through an object would change. */
const TELLTALE = `"z": 1.0, "a": 1e2, "text": "\\u00e9\\/"`;
const googleReply = (model: string): string =>
  `{"candidates": [{"content": {"parts": [{"text": "Hi"}], "role": "model"}, "finishReason": "STOP"}], ` +
  `"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "thoughtsTokenCount": 2, "totalTokenCount": 6}, "modelVersion": "${model}", ${TELLTALE}}`;
const googleEvents = (model: string): string[] => [
  `data: {"candidates": [{"content": {"parts": [{"text": "H"}]}}], "modelVersion": "${model}"}\r\n\r\n`,
  `data: {"candidates": [{"content": {"parts": [{"text": "i"}]}, "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5}, "modelVersion": "${model}", ${TELLTALE}}\r\n\r\n`,
];

describe("Gemini backends", () => {
  it("in-12: gets the client's bytes and gives its own, the model's name alone changed", async () => {
    let sent = { path: "", head: "", body: "" };
    const gemini = await scripted(async (connection) => {
      const { path, head, body } = await connection.readRequest();
      sent = { path, head, body: String(body) };
      await connection.send(jsonReply(googleReply(GEMINI)));
    });
    const stage = await stageOf({ gemini });
    const body = `{ ${TELLTALE},  "contents": [{"parts":[{"text":"\\u0048i"}]}], "cachedContent": "cachedContents/1" }`;
    const response = await fetch(
      `${stage.url}${generatePath(encodeURIComponent(ALIAS))}?alt=json&key=${CLIENT_KEY}`,
      {
        method: "POST",
        headers: { "content-type": "application/json", "x-goog-api-key": CLIENT_KEY },
        body,
      },
    );
    expect(await response.text()).toBe(googleReply(ALIAS));
    expect(sent.body).toBe(body);
    expect(sent.path).toBe(`/v1beta/models/${GEMINI}:generateContent`);
    expect(sent.head).toContain(`x-goog-api-key: ${CREDENTIAL}`);
    expect(sent.head).not.toContain(CLIENT_KEY);
    expect((await stage.ended()).usage).toEqual({
      inputTokens: 3,
      outputTokens: 3,
      totalTokens: 6,
      reasoningTokens: 2,
    });
  });

  it("in-12, st-1: passes the events of a stream, the model's name alone changed", async () => {
    let path = "";
    const gemini = await scripted(async (connection) => {
      ({ path } = await connection.readRequest());
      await connection.send(streamReply(...googleEvents(GEMINI)));
    });
    const stage = await stageOf({ gemini });
    const response = await post(`${stage.url}${generatePath(ALIAS, true)}?alt=sse`, HELLO);
    expect(response.headers.get("content-type")).toMatch(/^text\/event-stream/);
    // Line ends of events are LF in all streams of the gateway.
    expect(await response.text()).toBe(googleEvents(ALIAS).join("").replaceAll("\r\n", "\n"));
    expect(path).toBe(`/v1beta/models/${GEMINI}:streamGenerateContent?alt=sse`);
    const { usage, outcome } = await stage.ended();
    expect(outcome).toBe("complete");
    expect(usage).toMatchObject({ inputTokens: 3, outputTokens: 2 });
  });

  it("passes a blocked prompt, which has no answer, whole and streamed", async () => {
    const blocked = { promptFeedback: { blockReason: "SAFETY" }, modelVersion: GEMINI };
    const gemini = await scripted(async (connection) => {
      for (;;) {
        const { path } = await connection.readRequest();
        const streamed = path.includes("alt=sse");
        await connection.send(
          streamed ? streamReply(`data: ${JSON.stringify(blocked)}\n\n`) : jsonReply(blocked),
        );
      }
    });
    const stage = await stageOf({ gemini });
    const whole = await post(`${stage.url}${generatePath(GEMINI)}`, HELLO);
    expect(await whole.json()).toEqual(blocked);
    const stream = await post(`${stage.url}${generatePath(GEMINI, true)}?alt=sse`, HELLO);
    expect(await stream.text()).toBe(`data: ${JSON.stringify(blocked)}\n\n`);
    expect((await stage.ended(2)).outcome).toBe("complete");
  });

  it("st-6: ends a stream with an error where the backend reports one, or ends before its finish", async () => {
    const [first] = googleEvents(GEMINI) as [string, string];
    const reported = `data: ${JSON.stringify({ error: { code: 503, message: "busy", status: "UNAVAILABLE" } })}\n\n`;
    for (const rest of [[reported], []]) {
      const gemini = await answering(streamReply(first, ...rest));
      const stage = await stageOf({ gemini });
      const response = await post(`${stage.url}${generatePath(GEMINI, true)}?alt=sse`, HELLO);
      const events = (await response.text()).trimEnd().split("\n\n");
      expect(events).toHaveLength(2);
      const { error } = JSON.parse(events[1]!.slice("data: ".length)) as { error: GoogleError };
      expect(error).toMatchObject({ code: 502, status: "UNAVAILABLE" });
    }
  });

  it("says what is known of an error without a message: its status and its code", async () => {
    const gemini = await answering(
      streamReply(`data: ${JSON.stringify({ error: { code: 429, status: "RESOURCE_EXHAUSTED" } })}\n\n`),
    );
    const stage = await stageOf({ gemini });
    const response = await post(`${stage.url}${generatePath(GEMINI, true)}?alt=sse`, HELLO);
    expect(response.status).toBe(429);
    expect(await errorOf(response)).toMatchObject({
      code: 429,
      status: "RESOURCE_EXHAUSTED",
      message: "The backend answered 429",
      details: [{ reason: "RESOURCE_EXHAUSTED" }],
    });
  });

  it("counts tokens, and embeds one content or several, as they do", async () => {
    const replies: Record<string, Json> = {
      countTokens: { totalTokens: 7 },
      embedContent: { embedding: { values: [0.5] } },
      batchEmbedContents: { embeddings: [{ values: [0.5] }, { values: [1] }] },
    };
    const sent: Json[] = [];
    const gemini = await scripted(async (connection) => {
      for (;;) {
        const { path, body } = await connection.readRequest();
        sent.push({ path, ...(JSON.parse(String(body)) as Json) });
        await connection.send(jsonReply(replies[path.split(":").at(-1)!]));
      }
    });
    const stage = await stageOf({ gemini });
    const content = { parts: [{ text: "a" }] };
    const requests: Record<string, Json> = {
      countTokens: { contents: [content] },
      embedContent: { content, taskType: "CLUSTERING" },
      batchEmbedContents: { requests: [1, 2].map(() => ({ model: `models/${ALIAS}`, content })) },
    };
    for (const [method, request] of Object.entries(requests)) {
      const response = await post(`${stage.url}/v1beta/models/${ALIAS}:${method}`, request);
      expect(await response.json()).toEqual(replies[method]);
    }
    const model = `models/${GEMINI}`;
    expect(sent).toEqual([
      { path: `/v1beta/${model}:countTokens`, contents: [content] },
      { path: `/v1beta/${model}:embedContent`, content, taskType: "CLUSTERING" },
      { path: `/v1beta/${model}:batchEmbedContents`, requests: [1, 2].map(() => ({ model, content })) },
    ]);
  });
});

describe("POST /v1/providers/gemini/generateContent", () => {
  const PATH = "/v1/providers/gemini/generateContent";

  it.each([false, true])("in-12: moves the model into the path, streamed: %s", async (stream) => {
    let sent = { path: "", body: "" };
    const gemini = await scripted(async (connection) => {
      const { path, body } = await connection.readRequest();
      sent = { path, body: String(body) };
      await connection.send(stream ? streamReply(...googleEvents(GEMINI)) : jsonReply(googleReply(GEMINI)));
    });
    const stage = await stageOf({ gemini });
    const response = await post(`${stage.url}${PATH}`, { model: ALIAS, ...HELLO, stream });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe(
      stream ? googleEvents(ALIAS).join("").replaceAll("\r\n", "\n") : googleReply(ALIAS),
    );
    const method = stream ? "streamGenerateContent?alt=sse" : "generateContent";
    expect(sent).toEqual({ path: `/v1beta/models/${GEMINI}:${method}`, body: JSON.stringify(HELLO) });
  });

  it("in-12: refuses models of other backends, and requests without a model, in Google's shape", async () => {
    const stage = await stageOf({ openai: await simulated(), gemini: await answering(jsonReply({})) });
    const other = await post(`${stage.url}${PATH}`, { model: MODEL, ...HELLO });
    expect(other.status).toBe(501);
    expect((await errorOf(other)).status).toBe("UNIMPLEMENTED");
    const none = await post(`${stage.url}${PATH}`, HELLO);
    expect(none.status).toBe(400);
    expect((await errorOf(none)).details[1]).toMatchObject({ fieldViolations: [{ field: "model" }] });
  });
});

describe("other backends", () => {
  it("reports what was left out, and the usage that the backend told", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const response = await post(`${stage.url}/v1/models/${MODEL}:generateContent`, {
      ...HELLO,
      safetySettings: [{ category: "HARM_CATEGORY_HARASSMENT", threshold: "OFF" }],
      generationConfig: { topK: 40, maxOutputTokens: 4 },
    });
    expect(response.headers.get("x-gatewright-dropped")).toBe("safetySettings, generationConfig.topK");
    const { usageMetadata } = (await response.json()) as { usageMetadata: Json };
    const { usage } = await stage.ended();
    expect(usage).toMatchObject({ inputTokens: usageMetadata["promptTokenCount"], outputTokens: 4 });
  });

  it("tells the usage of a stream to the client and to the gateway alike", async () => {
    const openai = await simulated();
    const stage = await stageOf({ openai });
    const response = await post(`${stage.url}${generatePath(MODEL, true)}?alt=sse`, HELLO);
    const last = (await response.text()).trimEnd().split("\n\n").at(-1)!;
    const { usageMetadata } = JSON.parse(last.slice("data: ".length)) as { usageMetadata: Json };
    expect(usageMetadata["totalTokenCount"]).toBe((await stage.ended()).usage!.totalTokens);
    expect(openai.requests[0]!.json).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it("refuses what would change the answer, naming field and backend", async () => {
    const openai = await simulated();
    const stage = await stageOf({ openai });
    const response = await post(`${stage.url}${generatePath(MODEL)}`, {
      ...HELLO,
      tools: [{ googleSearch: {} }],
    });
    expect(response.status).toBe(400);
    const error = await errorOf(response);
    expect(error.message).toContain("`tools[0].googleSearch`");
    expect(error.message).toContain("`main`");
    expect(openai.requests).toHaveLength(0);
  });

  it.each([
    [{}, "contents"],
    [{ contents: "Hello!" }, "contents"],
    [{ contents: [] }, "contents"],
    [{ ...HELLO, generationConfig: { maxOutputTokens: -1 } }, "generationConfig.maxOutputTokens"],
    [{ ...HELLO, generation_config: { candidate_count: 1_000 } }, "generationConfig.candidateCount"],
  ])("refuses %j, naming %s", async (body, field) => {
    const stage = await stageOf({ openai: await simulated() });
    const response = await post(`${stage.url}${generatePath(MODEL)}`, body);
    expect(response.status).toBe(400);
    expect((await errorOf(response)).details[1]).toMatchObject({ fieldViolations: [{ field }] });
  });

  it("answers several candidates, streamed as well", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const request = { ...HELLO, generationConfig: { candidateCount: 2 } };
    const whole = (await (await post(`${stage.url}${generatePath(MODEL)}`, request)).json()) as {
      candidates: Json[];
    };
    expect(whole.candidates.map(({ index }) => index)).toEqual([0, 1]);
    const stream = await post(`${stage.url}${generatePath(MODEL, true)}?alt=sse`, request);
    const last = (await stream.text()).trimEnd().split("\n\n").at(-1)!;
    expect(JSON.parse(last.slice("data: ".length))).toMatchObject({
      candidates: [
        { index: 0, finishReason: "STOP" },
        { index: 1, finishReason: "STOP" },
      ],
    });
  });

  it("counts no tokens where the backend does not: 501", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const response = await post(`${stage.url}/v1beta/models/${MODEL}:countTokens`, HELLO);
    expect(response.status).toBe(501);
    expect((await errorOf(response)).status).toBe("UNIMPLEMENTED");
  });

  it("refuses a batch that one request cannot carry", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const content = { parts: [{ text: "a" }] };
    const refused = async (requests: Json[]): Promise<unknown> => {
      const response = await post(`${stage.url}/v1beta/models/${MODEL}:batchEmbedContents`, { requests });
      expect(response.status).toBe(400);
      return (await errorOf(response)).details[1]!["fieldViolations"];
    };
    expect(await refused([{ content, model: "models/other" }])).toMatchObject([
      { field: "requests[0].model" },
    ]);
    expect(await refused([{ content }, { content, outputDimensionality: 8 }])).toMatchObject([
      { field: "requests[1].outputDimensionality" },
    ]);
    expect(await refused([{ content: { parts: [{ inlineData: {} }] } }])).toMatchObject([
      { field: "requests[0].content.parts[0].text" },
    ]);
  });

  it("embeds in the order of the request, whichever way the backend writes numbers", async () => {
    const bytes = Buffer.alloc(8);
    bytes.writeFloatLE(0.5, 0);
    bytes.writeFloatLE(-2, 4);
    const reply = {
      data: [
        { index: 1, embedding: bytes.toString("base64") },
        { index: 0, embedding: [1, 2] },
      ],
      usage: { prompt_tokens: 4, total_tokens: 4 },
    };
    const stage = await stageOf({ openai: await answering(jsonReply(reply)) });
    const requests = ["a", "b"].map((text) => ({ content: { parts: [{ text }] } }));
    const response = await post(`${stage.url}/v1beta/models/${MODEL}:batchEmbedContents`, { requests });
    expect(await response.json()).toEqual({
      embeddings: [{ values: [1, 2] }, { values: [0.5, -2] }],
      usageMetadata: { promptTokenCount: 4 },
    });
    const one = await post(`${stage.url}/v1beta/models/${MODEL}:embedContent`, {
      content: { parts: [{ text: "a" }, { text: "b" }] },
      taskType: "CLUSTERING",
    });
    expect(one.headers.get("x-gatewright-dropped")).toBe("taskType");
    expect(await one.json()).toMatchObject({ embedding: { values: [1, 2] } });
  });
});

describe("signatures of another vendor", () => {
  const call = { type: "tool_use", id: "toolu_1", name: "look", input: {} };
  const events = [
    {
      type: "message_start",
      message: { id: "msg_1", role: "assistant", content: [], usage: { input_tokens: 5 } },
    },
    { type: "content_block_start", index: 0, content_block: { type: "thinking", thinking: "" } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "Let me " } },
    { type: "content_block_delta", index: 0, delta: { type: "thinking_delta", thinking: "look." } },
    { type: "content_block_delta", index: 0, delta: { type: "signature_delta", signature: "c2lnbmVk" } },
    { type: "content_block_stop", index: 0 },
    { type: "content_block_start", index: 1, content_block: call },
    { type: "content_block_stop", index: 1 },
    { type: "message_delta", delta: { stop_reason: "tool_use" }, usage: { output_tokens: 9 } },
    { type: "message_stop" },
  ];

  it("goes to the client with the thoughts of a stream, and back with its next request", async () => {
    const sent: Json[] = [];
    const claude = await scripted(async (connection) => {
      for (;;) {
        sent.push(JSON.parse(String((await connection.readRequest()).body)) as Json);
        await connection.send(
          streamReply(...events.map((json) => `event: ${json.type}\ndata: ${JSON.stringify(json)}\n\n`)),
        );
      }
    });
    const stage = await startStage({
      backends: { claude: { adapter: "anthropic", baseURL: claude.url, models: ["claude-sonnet-4-5"] } },
      plugins: [geminiApi()],
    });
    const request = {
      ...HELLO,
      tools: [{ functionDeclarations: [{ name: "look" }] }],
      generationConfig: {
        maxOutputTokens: 9_000,
        thinkingConfig: { thinkingBudget: 2_048, includeThoughts: true },
      },
    };
    const send = (contents: unknown[]): Promise<Response> =>
      post(`${stage.url}${generatePath("claude-sonnet-4-5", true)}?alt=sse`, { ...request, contents });

    const first = await (await send(HELLO.contents)).text();
    const replies = first
      .trimEnd()
      .split("\n\n")
      .map(
        (event) =>
          JSON.parse(event.slice("data: ".length)) as { candidates: [{ content: { parts: Json[] } }] },
      );
    const contents = replies.map(({ candidates: [{ content }] }) => content);
    expect(contents.flatMap(({ parts }) => parts)).toEqual([
      { text: "Let me ", thought: true },
      { text: "look.", thought: true },
      {
        functionCall: { id: "toolu_1", name: "look", args: {} },
        thoughtSignature: seal([{ type: "thinking", thinking: "Let me look.", signature: "c2lnbmVk" }]),
      },
      { text: "" },
    ]);

    const results = [{ functionResponse: { name: "look", response: { output: "nothing" } } }];
    await send([...HELLO.contents, ...contents, { role: "user", parts: results }]);
    const { messages } = sent[1] as { messages: { role: string; content: unknown }[] };
    expect(messages[1]).toMatchObject({
      role: "assistant",
      content: [
        { type: "thinking", thinking: "Let me look.", signature: "c2lnbmVk" },
        { type: "tool_use", id: "toolu_1", name: "look", input: {} },
      ],
    });
    expect(messages[2]).toMatchObject({ content: [{ type: "tool_result", tool_use_id: "toolu_1" }] });
  });
});

describe("beside other plugins", () => {
  it("st-6: goes on to another dialect's backend where the first fails, whole and streamed", async () => {
    const openai = await simulated({ faults: () => ({ kind: "status", status: 503 }) });
    const ollama = await simulated({ dialect: "ollama", models: [MODEL] });
    const stage = await startStage({
      backends: { main: openaiAt(openai), local: ollamaAt(ollama) },
      plugins: [
        geminiApi(),
        cache(),
        rateLimit({ rate: 1_000 }),
        concurrency(),
        fallback({ models: { "*": [MODEL] } }),
        retry(),
        timeout({ idleMs: 60_000 }),
        hedge({ afterMs: 60_000 }),
        circuitBreaker(),
        balancer(),
      ],
    });
    for (const streamed of [false, true]) {
      for (let round = 0; round < 2; round++) {
        const response = await post(`${stage.url}${generatePath(MODEL, streamed)}?alt=sse`, HELLO);
        expect(response.status).toBe(200);
        expect(await response.text()).toContain('"finishReason":"STOP"');
      }
    }
    expect(openai.requests.length).toBeGreaterThan(0);
    expect(ollama.requests).toHaveLength(4);
  });
});

describe("streams without alt=sse", () => {
  it("is a JSON array of the same replies, in pieces", async () => {
    let finish = (): void => {};
    const finished = new Promise<void>((resolve) => (finish = resolve));
    const [first, second] = googleEvents(GEMINI) as [string, string];
    const gemini = await scripted(async (connection) => {
      await connection.readRequest();
      await connection.send(replyHead(200, EVENT_STREAM));
      await connection.send(chunk(first));
      await finished;
      await connection.send(chunk(second));
      await connection.send("0\r\n\r\n");
    });
    const stage = await stageOf({ gemini });
    const response = await post(`${stage.url}${generatePath(GEMINI, true)}`, HELLO);
    expect(response.headers.get("content-type")).toBe("application/json; charset=UTF-8");
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.endsWith("}")) text += (await reader.read()).value!;
    expect(JSON.parse(`${text}]`)).toHaveLength(1);
    finish();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) text += piece.value;
    const items = JSON.parse(text) as Json[];
    expect(items.map(({ candidates }) => candidates)).toMatchObject([
      [{ content: { parts: [{ text: "H" }] } }],
      [{ finishReason: "STOP" }],
    ]);
    expect((await stage.ended()).outcome).toBe("complete");
  });

  it("st-6: ends with the error as its last item, and is never closed", async () => {
    const openai = await simulated({ faults: [{ kind: "cut", afterEvents: 5 }] });
    const stage = await stageOf({ openai });
    const response = await post(`${stage.url}${generatePath(MODEL, true)}`, HELLO);
    let text = "";
    const decoder = new TextDecoder();
    await expect(
      (async () => {
        for await (const piece of response.body!)
          text += decoder.decode(piece as Uint8Array, { stream: true });
      })(),
    ).rejects.toThrow();
    const items = JSON.parse(`${text}]`) as { error?: GoogleError }[];
    expect(items.length).toBeGreaterThan(1);
    expect(items.at(-1)!.error).toMatchObject({ code: 502, status: "UNAVAILABLE" });
    expect((await stage.ended()).outcome).not.toBe("complete");
  });

  it("answers an error before the first content as any other", async () => {
    const stage = await stageOf({
      openai: await simulated({ faults: () => ({ kind: "status", status: 429 }) }),
    });
    const response = await post(`${stage.url}${generatePath(MODEL, true)}`, HELLO);
    expect(response.status).toBe(429);
    expect((await errorOf(response)).status).toBe("RESOURCE_EXHAUSTED");
  });
});

describe("keys", () => {
  const keys = [{ id: "app", key: CLIENT_KEY, models: [MODEL], scopes: ["chat" as const] }];

  it("lets in by x-goog-api-key, and refuses in Google's shape", async () => {
    const openai = await simulated();
    const stage = await stageOf({ openai }, [apiKeys({ keys }), geminiApi()]);
    const url = `${stage.url}${generatePath(MODEL)}`;
    const withKey = { headers: { "x-goog-api-key": CLIENT_KEY } };
    expect((await post(url, HELLO, withKey)).status).toBe(200);
    expect(JSON.stringify(openai.requests[0]!.rawHeaders)).not.toContain(CLIENT_KEY);
    for (const query of ["", `?key=${CLIENT_KEY}`]) {
      const refused = await post(url + query, HELLO);
      expect(refused.status).toBe(401);
      expect((await errorOf(refused)).status).toBe("UNAUTHENTICATED");
    }
    const embedding = await post(`${stage.url}/v1beta/models/${MODEL}:embedContent`, {}, withKey);
    expect(embedding.status).toBe(403);
    expect((await errorOf(embedding)).status).toBe("PERMISSION_DENIED");
  });

  it("A4: lets in by the query where that is enabled, and neither logs nor forwards it", async () => {
    const openai = await simulated();
    const stage = await stageOf({ openai }, [apiKeys({ keys, queryKeys: true }), geminiApi()]);
    for (const [model, status] of [
      [MODEL, 200],
      ["nobody", 403],
    ] as const) {
      const response = await post(
        `${stage.url}${generatePath(model, true)}?alt=sse&key=${CLIENT_KEY}`,
        HELLO,
      );
      expect(response.status).toBe(status);
      expect(await response.text()).not.toContain(CLIENT_KEY);
    }
    await stage.ended(2);
    expect(openai.requests.map(({ query }) => query)).toEqual([""]);
    await waitFor(
      "both lines of the log",
      () => stage.lines.join("").split('"operation":"generateContent"').length > 2,
    );
    expect(stage.lines.join("")).not.toContain(CLIENT_KEY);
  });

  it("lists to a key the models that it may use", async () => {
    const stage = await stageOf(
      { openai: await simulated(), ollama: await simulated({ dialect: "ollama" }) },
      [apiKeys({ keys }), geminiApi()],
    );
    const get = (path: string): Promise<Response> =>
      fetch(stage.url + path, { headers: { "x-goog-api-key": CLIENT_KEY } });
    const listed = (await (await get("/v1beta/models")).json()) as { models: Json[] };
    expect(listed.models.map(({ name }) => name)).toEqual([`models/${MODEL}`]);
    expect((await get(`/v1beta/models/${MODEL}`)).status).toBe(200);
    expect((await get("/v1beta/models/qwen2.5:7b")).status).toBe(404);
  });
});

describe("GET /v1beta/models", () => {
  it("lists names with what they can do, one page after another", async () => {
    const stage = await stageOf({
      openai: await simulated(),
      ollama: await simulated({ dialect: "ollama" }),
      gemini: await answering(jsonReply({})),
    });
    const names: unknown[] = [];
    let token: string | undefined = "0";
    while (token !== undefined) {
      const page = (await (
        await fetch(`${stage.url}/v1beta/models?pageSize=2&pageToken=${token}`)
      ).json()) as {
        models: Json[];
        nextPageToken?: string;
      };
      expect(page.models.length).toBeLessThanOrEqual(2);
      names.push(...page.models.map(({ name }) => name));
      token = page.nextPageToken;
    }
    expect(names).toEqual(
      expect.arrayContaining([MODEL, "qwen2.5:7b", GEMINI, ALIAS].map((name) => `models/${name}`)),
    );
    expect(new Set(names).size).toBe(names.length);

    const one = (await (await fetch(`${stage.url}/v1beta/models/${ALIAS}`)).json()) as Json;
    expect(one).toEqual({
      name: `models/${ALIAS}`,
      displayName: ALIAS,
      supportedGenerationMethods: ["generateContent", "countTokens", "embedContent"],
    });
    const plain = (await (await fetch(`${stage.url}/v1beta/models/${MODEL}`)).json()) as Json;
    expect(plain["supportedGenerationMethods"]).toEqual(["generateContent", "embedContent"]);
  });

  it("lists counting tokens as a method of models whose backend counts those of a chat", async () => {
    const stage = await startStage({
      backends: {
        claude: { adapter: "anthropic", baseURL: "http://127.0.0.1:9", models: ["claude-sonnet-4-5"] },
      },
      plugins: [geminiApi()],
    });
    const model = (await (await fetch(`${stage.url}/v1beta/models/claude-sonnet-4-5`)).json()) as Json;
    expect(model["supportedGenerationMethods"]).toEqual(["generateContent", "countTokens"]);
  });

  it("answers what it does not know in Google's shape", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const unknown = await fetch(`${stage.url}/v1beta/models/nobody`);
    expect(unknown.status).toBe(404);
    expect((await errorOf(unknown)).status).toBe("NOT_FOUND");
    const page = await fetch(`${stage.url}/v1beta/models?pageSize=few`);
    expect((await errorOf(page)).status).toBe("INVALID_ARGUMENT");
  });

  it.each([
    ["GET", "/v1beta/files"],
    ["POST", "/v1beta/whatever"],
    ["POST", `/v1beta/models/${GEMINI}:predict`],
    ["POST", "/v1beta/models/nobody:batchGenerateContent"],
  ])("refuses %s %s, which is no route, in Google's shape", async (method, path) => {
    const stage = await stageOf({ openai: await simulated() });
    const reply = await fetch(stage.url + path, { method });
    expect(reply.status).toBe(404);
    expect((await errorOf(reply)).status).toBe("NOT_FOUND");
  });

  it("refuses a wrong method of a route, in Google's shape, with those that it has", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const reply = await fetch(`${stage.url}/v1beta/models`, { method: "POST" });
    expect([reply.status, reply.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await errorOf(reply)).code).toBe(405);
  });

  it("leaves OpenAI's list where it is", async () => {
    const stage = await stageOf({ openai: await simulated() });
    const list = (await (await fetch(`${stage.url}/v1/models`)).json()) as Json;
    expect(list["object"]).toBe("list");
    const one = (await (await fetch(`${stage.url}/v1/models/${MODEL}`)).json()) as Json;
    expect(one).toMatchObject({ id: MODEL, object: "model" });
    const wrong = await fetch(`${stage.url}/v1/models/${MODEL}`, { method: "POST" });
    expect(wrong.status).toBe(405);
    expect((await fetch(`${stage.url}/v1/models/${MODEL}:generateContent`)).status).toBe(404);
  });
});
