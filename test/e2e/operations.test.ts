import { createHash, randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import type { SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import {
  ALIAS,
  answering,
  chat,
  chatBody,
  CREDENTIAL,
  errorOf,
  jsonReply,
  MODEL,
  openaiAt,
  post,
  scripted,
  simulated,
  stageBefore,
  startStage,
  streamReply,
  type Stage,
} from "./_stage.ts";

type Json = Record<string, unknown>;

/** Values that a rewrite through an object would change: number spelling, escapes, spaces, order. */
const TELLTALE = '"z": 1.0, "a": 1e2, "big": 12345678901234567890, "text": "\\u00e9\\/", "nested": {"b":[ ]}';

async function ask(stage: Stage, path: string, body: Json): Promise<Json> {
  const response = await post(stage.url + path, body);
  expect(response.status).toBe(200);
  expectProvenance(response);
  return (await response.json()) as Json;
}

function expectProvenance({ headers }: Response): void {
  expect(headers.get("x-request-id")).toMatch(/^\S+$/);
  expect(headers.get("x-gatewright-backend")).toBe("main");
  expect(headers.get("x-gatewright-attempts")).toBe("1");
}

/** What the backend was sent, apart from the model's name. */
function received(backend: SimulatedBackend): Json {
  return backend.requests.at(-1)!.json as Json;
}

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("bytes in the same dialect", () => {
  it.each([
    ["/v1/chat/completions", { messages: [{ role: "user", content: "a" }] }],
    ["/v1/completions", { prompt: "a" }],
    ["/v1/responses", { input: "a" }],
    ["/v1/embeddings", { input: "a" }],
    ["/v1/moderations", { input: "a" }],
    ["/v1/images/generations", { prompt: "a" }],
  ])("in-2 mo-4: %s differs in the model's name alone, both ways", async (path, fields) => {
    let sent = "";
    const reply = `{"id": "r-1", "model": "${MODEL}", "choices" : [ { } ], "data": [], ${TELLTALE}}`;
    const upstream = await scripted(async (connection) => {
      sent = String((await connection.readRequest()).body);
      await connection.send(jsonReply(reply));
    });
    const stage = await stageBefore(upstream);
    const request = `{ ${TELLTALE},  "model" : "${ALIAS}", ${JSON.stringify(fields).slice(1, -1)} }`;
    const response = await fetch(stage.url + path, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: request,
    });
    expect(await response.text()).toBe(reply.replace(MODEL, ALIAS));
    expect(sent).toBe(request.replace(ALIAS, MODEL));
  });
});

describe("POST /v1/chat/completions", () => {
  it("in-1: gives the backend's reply, and nothing around it", async () => {
    const upstreamReply = {
      id: "c-1",
      object: "chat.completion",
      created: 1_761_955_200,
      model: MODEL,
      choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
      usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
      vendor_extra: { kept: true },
    };
    const stage = await stageBefore(await answering(jsonReply(upstreamReply)));
    expect(await ask(stage, "/v1/chat/completions", chatBody({ model: ALIAS }))).toEqual({
      ...upstreamReply,
      model: ALIAS,
    });
  });

  it("in-2: carries tools, formats, extras and fields that nobody knows, deep-equal", async () => {
    const extras = {
      tools: [{ type: "function", function: { name: "get_weather", parameters: { type: "object" } } }],
      tool_choice: "auto",
      response_format: { type: "json_schema", json_schema: { name: "a", schema: { type: "object" } } },
      logit_bias: { "50256": -100 },
      seed: 7,
      options: { num_ctx: 4096 },
      provider: { order: ["somebody"] },
      invented_field: { deep: [1, null, "é"] },
      max_tokens: null,
    };
    const backend = await simulated();
    await ask(await stageBefore(backend), "/v1/chat/completions", chatBody(extras));
    expect(received(backend)).toEqual(chatBody(extras));
  });

  it("in-3: carries vision parts, developer and tool messages", async () => {
    const messages = [
      { role: "developer", content: "Be short." },
      {
        role: "user",
        content: [
          { type: "text", text: "What is this?" },
          { type: "image_url", image_url: { url: "data:image/png;base64,AAAA", detail: "low" } },
        ],
      },
      {
        role: "assistant",
        tool_calls: [{ id: "call_1", type: "function", function: { name: "look", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "call_1", content: "A cat." },
    ];
    const backend = await simulated();
    await ask(await stageBefore(backend), "/v1/chat/completions", chatBody({ messages }));
    expect(received(backend)["messages"]).toEqual(messages);
  });

  it("in-3: gives tool calls and structured output as the backend made them", async () => {
    const stage = await stageBefore(await simulated());
    const tool = {
      name: "get_weather",
      parameters: { type: "object", properties: { city: { type: "string" } } },
    };
    const called = (await ask(stage, "/v1/chat/completions", {
      ...chatBody({ messages: [{ role: "user", content: "What is the weather?" }] }),
      tools: [{ type: "function", function: tool }],
    })) as {
      choices: { message: { tool_calls: { function: { name: string } }[] }; finish_reason: string }[];
    };
    expect(called.choices[0]!.message.tool_calls[0]!.function.name).toBe("get_weather");
    expect(called.choices[0]!.finish_reason).toBe("tool_calls");

    const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
    const structured = (await ask(
      stage,
      "/v1/chat/completions",
      chatBody({ response_format: { type: "json_schema", json_schema: { name: "a", schema } } }),
    )) as { choices: { message: { content: string } }[] };
    expect(JSON.parse(structured.choices[0]!.message.content)).toHaveProperty("ok");
  });

  it("ac-16: sends the backend's credential and never the client's", async () => {
    const backend = await simulated();
    const stage = await stageBefore(backend);
    await (
      await chat(
        stage,
        {},
        { headers: { authorization: "Bearer sk-client", cookie: "a=b", "x-api-key": "k" } },
      )
    ).text();
    const { headers } = backend.requests[0]!;
    expect(headers.authorization).toBe(`Bearer ${CREDENTIAL}`);
    expect(JSON.stringify(headers)).not.toContain("sk-client");
    expect(headers).not.toHaveProperty("cookie");
    expect(headers).not.toHaveProperty("x-api-key");
  });

  it("keeps the client's request id, and gives it to the backend", async () => {
    const backend = await simulated();
    const response = await chat(await stageBefore(backend), {}, { headers: { "x-request-id": "req-7f3a" } });
    expect(response.headers.get("x-request-id")).toBe("req-7f3a");
    expect(backend.requests[0]!.headers["x-request-id"]).toBe("req-7f3a");
  });
});

describe("POST /v1/completions", () => {
  it("in-4: gives the backend's text, whole and streamed", async () => {
    const stage = await stageBefore(await simulated({ text: "Once upon a time." }));
    const body = { model: ALIAS, prompt: "Tell.", max_tokens: 50 };
    const whole = (await ask(stage, "/v1/completions", body)) as { choices: { text: string }[] };
    expect(whole).toMatchObject({ object: "text_completion", model: ALIAS });
    expect(whole.choices[0]!.text).toBe("Once upon a time.");
    const stream = await (await post(`${stage.url}/v1/completions`, { ...body, stream: true })).text();
    const events = stream.trimEnd().split("\n\n");
    expect(events.pop()).toBe("data: [DONE]");
    const chunks = events.map(
      (event) => JSON.parse(event.slice(6)) as { model: string; choices: { text: string }[] },
    );
    expect(chunks.map(({ choices }) => choices[0]!.text).join("")).toBe("Once upon a time.");
    expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set([ALIAS]));
  });

  it("in-4 E8: takes a stream of several prompts for whole when all have finished", async () => {
    const stage = await stageBefore(await simulated());
    const body = { model: MODEL, prompt: ["a", "b"], stream: true };
    expect((await (await post(`${stage.url}/v1/completions`, body)).text()).endsWith("[DONE]\n\n")).toBe(
      true,
    );
  });
});

describe("POST /v1/responses", () => {
  const LADDER = [
    `event: response.created\ndata: {"type":"response.created","response":{"id":"r-1", "temperature":1.0, "model":"${MODEL}","output":[]},"sequence_number":0}\n\n`,
    `event: response.in_progress\ndata: {"type":"response.in_progress","response":{"id":"r-1","model":"${MODEL}"},"sequence_number":1}\n\n`,
    `event: response.output_item.added\ndata: {"type":"response.output_item.added","output_index":0,"item":{"id":"m-1","type":"message"},"sequence_number":2}\n\n`,
    `event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"m-1","delta":"\\u00e9","sequence_number":3}\n\n`,
    `event: response.output_text.done\ndata: {"type":"response.output_text.done","item_id":"m-1","text":"\\u00e9","sequence_number":4}\n\n`,
    `event: response.completed\ndata: {"type":"response.completed","response":{"top_p": 1.0,"model": "${MODEL}","status":"completed","usage":{"input_tokens":3,"output_tokens":4,"total_tokens":7}},"sequence_number":5}\n\n`,
  ];
  const request = { input: "Say something.", stream: true };

  it("in-10 st-1: passes the ladder of typed events byte for byte", async () => {
    const stage = await stageBefore(await answering(streamReply(...LADDER)));
    const response = await post(`${stage.url}/v1/responses`, { model: MODEL, ...request });
    expectProvenance(response);
    expect(await response.text()).toBe(LADDER.join(""));
    expect((await stage.ended()).usage?.totalTokens).toBe(7);
  });

  it("in-10 mo-4: restores the model inside `response`, and no other byte", async () => {
    const stage = await stageBefore(await answering(streamReply(...LADDER)));
    const stream = await (await post(`${stage.url}/v1/responses`, { model: ALIAS, ...request })).text();
    expect(stream).toBe(LADDER.join("").replaceAll(`"${MODEL}"`, `"${ALIAS}"`));
  });

  it("in-10: gives whole replies under the name that was asked for", async () => {
    const stage = await stageBefore(await simulated({ tokens: 4 }));
    const reply = await ask(stage, "/v1/responses", { model: ALIAS, input: "Say something." });
    expect(reply).toMatchObject({ object: "response", model: ALIAS, status: "completed" });
    expect((await stage.ended()).usage?.outputTokens).toBe(4);
  });
});

describe("POST /v1/embeddings", () => {
  it("in-5: gives one vector an input, in order, the same numbers in both encodings", async () => {
    const backend = await simulated({ dimensions: 8 });
    const stage = await stageBefore(backend);
    const body = { model: ALIAS, input: ["a", "b", "c"], user: "somebody" };
    type Vectors = { model: string; data: { index: number; embedding: number[] | string }[] };
    const floats = (await ask(stage, "/v1/embeddings", body)) as unknown as Vectors;
    const base64 = (await ask(stage, "/v1/embeddings", {
      ...body,
      encoding_format: "base64",
    })) as unknown as Vectors;
    expect(floats.model).toBe(ALIAS);
    expect(floats.data.map(({ index }) => index)).toEqual([0, 1, 2]);
    for (const [index, { embedding }] of base64.data.entries()) {
      const bytes = Buffer.from(embedding as string, "base64");
      const numbers = Array.from({ length: 8 }, (_, at) => bytes.readFloatLE(at * 4));
      expect(numbers).toEqual(floats.data[index]!.embedding);
    }
    expect(received(backend)).toEqual({ ...body, model: MODEL, encoding_format: "base64" });
  });

  it("in-5: refuses a request without a model, naming the field", async () => {
    const response = await post(`${(await stageBefore(await simulated())).url}/v1/embeddings`, {
      input: "a",
    });
    expect(response.status).toBe(400);
    expect(await errorOf(response)).toMatchObject({ code: "missing_parameter", param: "model" });
  });
});

describe("POST /v1/rerank", () => {
  it.each(["/v1/rerank", "/rerank"])("in-6: %s sorts, and gives the score under both names", async (path) => {
    const results = [
      { index: 2, relevance_score: 0.2 },
      { index: 0, score: 0.9, document: "not asked for" },
      { index: 1, relevance_score: 0.5 },
    ];
    const stage = await stageBefore(await answering(jsonReply({ id: "r-1", model: MODEL, results })));
    const reply = await ask(stage, path, { model: ALIAS, query: "q", documents: ["a", "b", "c"], top_n: 2 });
    expect(reply).toEqual({
      id: "r-1",
      model: ALIAS,
      results: [
        { index: 0, relevance_score: 0.9, score: 0.9 },
        { index: 1, relevance_score: 0.5, score: 0.5 },
      ],
    });
  });

  it("in-6: returns documents when asked to", async () => {
    const stage = await stageBefore(await simulated());
    const documents = ["a cat", "a dog"];
    const body = { model: MODEL, query: "cat", documents, return_documents: true };
    const { results } = (await ask(stage, "/v1/rerank", body)) as {
      results: { index: number; document: Json }[];
    };
    expect(results).toHaveLength(2);
    for (const { index, document } of results) expect(document).toEqual({ text: documents[index] });
  });
});

describe("POST /v1/audio/speech", () => {
  it("in-7: relays the audio's bytes and headers", async () => {
    const backend = await simulated({ speechBytes: 300_000 });
    const body = { model: MODEL, input: "Hello.", voice: "alloy" };
    const direct = await post(`${backend.url}/v1/audio/speech`, body);
    const expected = new Uint8Array(await direct.arrayBuffer());
    const response = await post(`${(await stageBefore(backend)).url}/v1/audio/speech`, body);
    expectProvenance(response);
    expect(sha256(new Uint8Array(await response.arrayBuffer()))).toBe(sha256(expected));
    for (const name of ["content-type", "content-disposition", "etag", "last-modified"])
      expect(response.headers.get(name)).toBe(direct.headers.get(name));
  });

  it("in-7: relays events where they are asked for", async () => {
    const backend = await simulated();
    const body = { model: MODEL, input: "Hello.", voice: "alloy", stream_format: "sse" };
    const direct = await (await post(`${backend.url}/v1/audio/speech`, body)).text();
    const response = await post(`${(await stageBefore(backend)).url}/v1/audio/speech`, body);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await response.text()).toBe(direct);
  });

  it("in-7: refuses more than 4,096 characters, and calls nobody", async () => {
    const backend = await simulated();
    const stage = await stageBefore(backend);
    const say = (input: string) =>
      post(`${stage.url}/v1/audio/speech`, { model: MODEL, input, voice: "alloy" });
    expect((await say("x".repeat(4_096))).status).toBe(200);
    const refused = await say("x".repeat(4_097));
    expect(refused.status).toBe(400);
    expect((await errorOf(refused)).param).toBe("input");
    expect(backend.requests).toHaveLength(1);
  });
});

describe("multipart operations", () => {
  const file = randomBytes(200_000);

  function form(fields: Record<string, string>, files: Record<string, Uint8Array[]>): FormData {
    const data = new FormData();
    for (const [name, value] of Object.entries(fields)) data.append(name, value);
    for (const [name, contents] of Object.entries(files))
      for (const [index, bytes] of contents.entries())
        data.append(name, new Blob([bytes]), `${name}-${index}.bin`);
    return data;
  }

  function send(stage: Stage, path: string, body: FormData): Promise<Response> {
    return fetch(stage.url + path, { method: "POST", body });
  }

  it.each(["/v1/audio/transcriptions", "/v1/audio/translations"])(
    "in-8: %s carries the file's bytes and the other fields",
    async (path) => {
      const backend = await simulated();
      const body = form({ model: ALIAS, language: "de", temperature: "0.2" }, { file: [file] });
      const response = await send(await stageBefore(backend), path, body);
      expect(response.status).toBe(200);
      expectProvenance(response);
      const { text } = (await response.json()) as { text: string };
      expect(text).toContain(sha256(file));
      expect(backend.requests[0]!.form!.fields).toEqual([
        ["model", MODEL],
        ["language", "de"],
        ["temperature", "0.2"],
      ]);
      expect(backend.requests[0]!.form!.files).toMatchObject([
        { field: "file", filename: "file-0.bin", bytes: file.length, sha256: sha256(file) },
      ]);
    },
  );

  it("in-8 M4: finds a model that stands after the file", async () => {
    const backend = await simulated();
    const body = new FormData();
    body.append("file", new Blob([file]), "a.wav");
    body.append("model", ALIAS);
    const response = await send(await stageBefore(backend), "/v1/audio/transcriptions", body);
    expect(response.status).toBe(200);
    expect(backend.requests[0]!.form!.fields).toEqual([["model", MODEL]]);
    expect(backend.requests[0]!.form!.files[0]!.sha256).toBe(sha256(file));
  });

  it.each([
    ["text", "text/plain; charset=utf-8"],
    ["srt", "text/plain; charset=utf-8"],
    ["vtt", "text/vtt; charset=utf-8"],
    ["json", "application/json"],
    ["verbose_json", "application/json"],
  ])("in-8: a reply of %s stays %s", async (format, type) => {
    const stage = await stageBefore(await simulated());
    const body = form({ model: MODEL, response_format: format }, { file: [file] });
    const response = await send(stage, "/v1/audio/transcriptions", body);
    expect(response.headers.get("content-type")).toBe(type);
    const text = await response.text();
    expect(text).toContain(sha256(file));
    if (format === "vtt") expect(text.startsWith("WEBVTT\n\n")).toBe(true);
  });

  it("in-8: streams a transcript where it is asked for", async () => {
    const stage = await stageBefore(await simulated());
    const body = form({ model: MODEL, stream: "true" }, { file: [file] });
    const response = await send(stage, "/v1/audio/transcriptions", body);
    expect(response.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    const events = (await response.text()).trimEnd().split("\n\n");
    expect(JSON.parse(events.at(-1)!.slice(6))).toMatchObject({ type: "transcript.text.done" });
    expect(await stage.ended()).toMatchObject({ outcome: "complete", usage: { inputTokens: 1 } });
  });

  it("in-9: edits carry every image and the mask", async () => {
    const backend = await simulated();
    const images = [randomBytes(1_000), randomBytes(2_000)];
    const mask = randomBytes(500);
    const body = form({ model: ALIAS, prompt: "Make it blue." }, { "image[]": images, mask: [mask] });
    const response = await send(await stageBefore(backend), "/v1/images/edits", body);
    expect(response.status).toBe(200);
    expectProvenance(response);
    const { data } = (await response.json()) as { data: { b64_json: string }[] };
    expect(Buffer.from(data[0]!.b64_json, "base64").subarray(1, 4).toString()).toBe("PNG");
    expect(backend.requests[0]!.form!.files.map(({ field, sha256 }) => [field, sha256])).toEqual([
      ["image[]", sha256(images[0]!)],
      ["image[]", sha256(images[1]!)],
      ["mask", sha256(mask)],
    ]);
  });

  it("in-9: variations carry their image", async () => {
    const backend = await simulated();
    const body = form({ model: MODEL, n: "2" }, { image: [file] });
    const response = await send(await stageBefore(backend), "/v1/images/variations", body);
    expect(response.status).toBe(200);
    expect(((await response.json()) as { data: unknown[] }).data).toHaveLength(2);
    expect(backend.requests[0]!.form!.files[0]!.sha256).toBe(sha256(file));
  });
});

describe("POST /v1/images/generations", () => {
  it("in-9: gives URLs, revised prompts and usage as they came", async () => {
    const backend = await simulated({ models: ["dall-e-3"] });
    const body = { model: "dall-e-3", prompt: "A cat.", n: 2, style: "vivid" };
    const direct = (await (await post(`${backend.url}/v1/images/generations`, body)).json()) as Json;
    const stage = await startStage({ backends: { main: openaiAt(backend, { models: ["dall-e-3"] }) } });
    const reply = await ask(stage, "/v1/images/generations", body);
    expect({ ...reply, created: 0 }).toEqual({ ...direct, created: 0 });
    expect(received(backend)).toEqual(body);
  });

  it("in-9 st-1: streams partial images", async () => {
    const backend = await simulated();
    const body = { model: MODEL, prompt: "A cat.", stream: true, partial_images: 2 };
    const response = await post(`${(await stageBefore(backend)).url}/v1/images/generations`, body);
    const types = (await response.text())
      .trimEnd()
      .split("\n\n")
      .map((event) => event.split("\n")[0]);
    expect(types).toEqual([
      "event: image_generation.partial_image",
      "event: image_generation.partial_image",
      "event: image_generation.completed",
    ]);
  });
});

describe("POST /v1/moderations", () => {
  it("relays the verdict", async () => {
    const stage = await stageBefore(await simulated());
    const reply = await ask(stage, "/v1/moderations", { model: ALIAS, input: ["I hate you", "hello"] });
    expect(reply).toMatchObject({ model: ALIAS, results: [{ flagged: true }, { flagged: false }] });
  });
});

describe("GET /v1/models", () => {
  it("in-14: lists what may be asked for, once each, by name too", async () => {
    const backend = await simulated();
    const stage = await startStage({
      backends: { main: openaiAt(backend, { models: [MODEL, "org/model:7b"], vendorPrefixes: ["v"] }) },
      models: { [ALIAS]: { targets: [{ backend: "main", model: MODEL }] } },
    });
    const response = await fetch(`${stage.url}/v1/models`);
    expect(response.headers.get("x-request-id")).toMatch(/^\S+$/);
    const list = (await response.json()) as { object: string; data: Json[] };
    expect(list.object).toBe("list");
    expect(list.data).toHaveLength(5);
    expect(new Set(list.data.map(({ id }) => id))).toEqual(
      new Set([MODEL, ALIAS, "org/model:7b", `v:${MODEL}`, "v:org/model:7b"]),
    );
    for (const path of ["org/model:7b", "org%2Fmodel%3A7b"]) {
      const one = (await (await fetch(`${stage.url}/v1/models/${path}`)).json()) as Json;
      expect(one).toEqual(list.data.find(({ id }) => id === "org/model:7b"));
    }
    expect(backend.requests).toHaveLength(0);
  });

  it("in-14: does not know what is not there", async () => {
    const stage = await stageBefore(await simulated());
    const response = await fetch(`${stage.url}/v1/models/nobody`);
    expect(response.status).toBe(404);
    expect(await errorOf(response)).toMatchObject({ code: "model_not_found", param: "model" });
  });
});

describe("refusals", () => {
  interface Refusal {
    title: string;
    path?: string;
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    status: number;
    error: { type: string; code: string; param: string | null };
  }
  const invalid = "invalid_request_error";
  const REFUSALS: Refusal[] = [
    {
      title: "broken JSON",
      body: "{",
      status: 400,
      error: { type: invalid, code: "invalid_json", param: null },
    },
    {
      title: "no messages",
      body: `{"model":"${MODEL}"}`,
      status: 400,
      error: { type: invalid, code: "missing_parameter", param: "messages" },
    },
    {
      title: "a list of messages that has none",
      body: JSON.stringify(chatBody({ messages: [] })),
      status: 400,
      error: { type: invalid, code: "invalid_request", param: "messages" },
    },
    {
      title: "nothing to embed",
      path: "/v1/embeddings",
      body: `{"model":"${MODEL}","input":[ ]}`,
      status: 400,
      error: { type: invalid, code: "invalid_request", param: "input" },
    },
    {
      title: "an empty text to embed",
      path: "/v1/embeddings",
      body: `{"model":"${MODEL}","input":""}`,
      status: 400,
      error: { type: invalid, code: "invalid_request", param: "input" },
    },
    {
      title: "no documents to rank",
      path: "/v1/rerank",
      body: `{"model":"${MODEL}","query":"a","documents":[]}`,
      status: 400,
      error: { type: invalid, code: "invalid_request", param: "documents" },
    },
    {
      title: "ill-typed field",
      body: JSON.stringify(chatBody({ temperature: "hot" })),
      status: 400,
      error: { type: invalid, code: "invalid_request", param: "temperature" },
    },
    {
      title: "no model",
      body: JSON.stringify(chatBody({ model: undefined })),
      status: 400,
      error: { type: invalid, code: "missing_parameter", param: "model" },
    },
    {
      title: "unknown model",
      body: JSON.stringify(chatBody({ model: "nobody" })),
      status: 404,
      error: { type: invalid, code: "model_not_found", param: "model" },
    },
    {
      title: "an operation that no backend of the model has",
      path: "/v1/audio/speech",
      body: JSON.stringify({ model: "llama", input: "a", voice: "b" }),
      status: 501,
      error: { type: invalid, code: "unsupported_operation", param: null },
    },
    {
      title: "another content type",
      headers: { "content-type": "text/plain" },
      body: JSON.stringify(chatBody()),
      status: 415,
      error: { type: invalid, code: "unsupported_media_type", param: null },
    },
    {
      title: "no such route",
      path: "/v1/nothing",
      body: "{}",
      status: 404,
      error: { type: invalid, code: "not_found", param: null },
    },
    {
      title: "another method",
      method: "PUT",
      body: "{}",
      status: 405,
      error: { type: invalid, code: "method_not_allowed", param: null },
    },
    {
      title: "a body over the limit",
      body: JSON.stringify(chatBody({ messages: [{ role: "user", content: "x".repeat(2_000) }] })),
      status: 413,
      error: { type: invalid, code: "request_too_large", param: null },
    },
  ];

  it.each(REFUSALS)("$title: $status in OpenAI's shape, and no call to a backend", async (refusal) => {
    const backend = await simulated();
    const stage = await startStage({
      backends: {
        main: openaiAt(backend),
        llama: { adapter: "ollama", baseURL: backend.url, models: ["llama"] },
      },
      server: { limits: { jsonBytes: 1_500 } },
    });
    const response = await fetch(stage.url + (refusal.path ?? "/v1/chat/completions"), {
      method: refusal.method ?? "POST",
      headers: { "content-type": "application/json", ...refusal.headers },
      ...(refusal.body !== undefined && { body: refusal.body }),
    });
    expect(response.status).toBe(refusal.status);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("x-request-id")).toMatch(/^\S+$/);
    expect(await response.json()).toEqual({
      error: { message: expect.any(String) as string, ...refusal.error },
    });
    expect(backend.requests).toHaveLength(0);
  });

  /** Fields that belong to no operation are the backend's to judge. */
  const REQUESTS: [path: string, body: Json][] = [
    ["/v1/chat/completions", chatBody()],
    ["/v1/chat/completions", chatBody({ stream: true })],
    ["/v1/completions", { model: MODEL, prompt: "a" }],
    ["/v1/responses", { model: MODEL, input: "a", stream: true }],
    ["/v1/embeddings", { model: MODEL, input: "a" }],
    ["/v1/rerank", { model: MODEL, query: "a", documents: ["b"] }],
    ["/v1/audio/speech", { model: MODEL, input: "a", voice: "b" }],
    ["/v1/images/generations", { model: MODEL, prompt: "a" }],
    ["/v1/moderations", { model: MODEL, input: "a" }],
  ];

  it.each(REQUESTS)(
    "P1: no failure of a backend at %s tells a secret, a path, a URL or a stack",
    async (path, body) => {
      for (const status of [400, 401, 403, 404, 422, 429, 500, 503]) {
        const upstream = await scripted(async (connection) => {
          const { headers } = await connection.readRequest();
          const quoted = `${headers["authorization"]} for http://${headers["host"]}/v1`;
          await connection.send(
            jsonReply({ error: { message: quoted, code: quoted, param: quoted } }, status),
          );
        });
        const stage = await stageBefore(upstream);
        const response = await post(stage.url + path, body);
        const text = await response.text();
        expect(response.status).toBeGreaterThanOrEqual(400);
        expect(JSON.parse(text)).toHaveProperty("error.code");
        const told = text + JSON.stringify([...response.headers]) + stage.lines.join("");
        expect(told).not.toContain(CREDENTIAL);
        expect(text).not.toContain(new URL(upstream.url).host);
        expect(text).not.toMatch(/\bat .*\.ts:|node_modules|file:\/\/|\/src\//);
      }
    },
  );
});
