/**
 * What every server with OpenAI's API is asked and answers, as far as the adapters of the family share it. What each does
 * otherwise is stated here as its vendor states it, apart from the adapters' own code.
 */
import type { JsonObject, OperationName } from "gatewright";
import type { Exchange, ExchangeKind, HubOutcome, UpstreamReply } from "@gatewright/adapter-tests";

interface FamilyFacts {
  /** Name of the limit that arrives where a client says `max_completion_tokens`. */
  limit: "max_tokens" | "max_completion_tokens";
  /** Role that arrives where a client says `developer`. */
  developer: "system" | "developer";
  /**
   * How reasoning that the server calls `reasoning` comes to a client of OpenAI's API; undefined: it says
   * `reasoning_content`.
   */
  reasoning: "reasoning" | "reasoning_content" | undefined;
  /** Where the `reasoning_content` of an earlier answer arrives; undefined: nowhere, which is reported. */
  history: "reasoning" | "reasoning_content" | undefined;
  /** How embeddings in base64 are asked for; absent: there is no case of it. */
  embeddings?: "base64" | "numbers";
  /** How documents that are objects arrive. */
  rerank?: "texts" | "objects";
  /** It tells usage in streams unasked. */
  tellsUsage?: true;
  /** Its errors are of another shape. */
  ownErrors?: true;
  /** It gives no answers by a schema. */
  unformatted?: true;
}

const bytes: FamilyFacts = {
  limit: "max_completion_tokens",
  developer: "developer",
  reasoning: "reasoning",
  history: "reasoning_content",
};
const olderLimit: FamilyFacts = {
  limit: "max_tokens",
  developer: "system",
  reasoning: undefined,
  history: "reasoning_content",
};
const strict: FamilyFacts = {
  limit: "max_completion_tokens",
  developer: "system",
  reasoning: "reasoning_content",
  history: "reasoning",
};

export const FAMILY: Readonly<Record<string, FamilyFacts>> = {
  baichuan: { ...olderLimit, embeddings: "numbers" },
  baidu: { ...bytes, embeddings: "numbers", rerank: "objects" },
  cerebras: strict,
  deepinfra: { ...olderLimit, embeddings: "base64" },
  deepseek: olderLimit,
  fireworks: { ...olderLimit, embeddings: "base64" },
  gpustack: { ...bytes, embeddings: "base64", rerank: "objects" },
  // The models that reason take it back: see changed-vendor.test.ts.
  groq: { ...strict, history: undefined },
  llamacpp: { ...bytes, embeddings: "base64", rerank: "texts" },
  lmstudio: { ...olderLimit, reasoning: "reasoning_content", embeddings: "numbers" },
  localai: { ...olderLimit, reasoning: "reasoning_content", embeddings: "numbers", rerank: "texts" },
  minimax: bytes,
  mistral: {
    ...olderLimit,
    history: undefined,
    embeddings: "base64",
    tellsUsage: true,
    ownErrors: true,
  },
  moonshot: olderLimit,
  nvidia: { ...olderLimit, reasoning: "reasoning_content", embeddings: "base64" },
  "openai-compatible": { ...bytes, embeddings: "base64", rerank: "objects" },
  "ollama-openai": { ...strict, limit: "max_tokens", embeddings: "numbers" },
  openrouter: { ...bytes, embeddings: "base64" },
  perplexity: olderLimit,
  qwen: { ...olderLimit, embeddings: "numbers" },
  sglang: { ...bytes, embeddings: "numbers", rerank: "texts" },
  siliconflow: { ...olderLimit, embeddings: "base64", rerank: "objects" },
  stepfun: { ...olderLimit, reasoning: "reasoning_content" },
  together: { ...olderLimit, reasoning: "reasoning_content", embeddings: "base64", rerank: "objects" },
  vllm: { ...bytes, embeddings: "base64", rerank: "texts" },
  volcengine: { ...bytes, embeddings: "numbers" },
  xai: bytes,
  xinference: { ...olderLimit, embeddings: "numbers", rerank: "texts" },
  xllm: { ...olderLimit, embeddings: "base64", unformatted: true },
  yi: olderLimit,
  zhipu: { ...olderLimit, embeddings: "numbers" },
};

const NO_REFUSALS = "a model that declines does so in its words";

/** Kinds that a server has no exchange of its own of, with what says that there are none. */
export const WAIVED: Readonly<Record<string, Readonly<Partial<Record<ExchangeKind, string>>>>> = {
  baichuan: {
    vision:
      "`content` is text or a file (https://docs.cloudsway.net/zh/maasapi/api-reference/text/MaaS_baichuan)",
    "usage details": "totals alone (https://f8cxtsvnr8.apifox.cn/api-135485574)",
  },
  gpustack: { refusal: `${NO_REFUSALS}: it passes on what its engines say` },
  llamacpp: { refusal: `${NO_REFUSALS} (ggml-org/llama.cpp, tools/server/server-task.cpp)` },
  lmstudio: { refusal: `${NO_REFUSALS} (https://lmstudio.ai/docs/developer/openai-compat/tools)` },
  localai: {
    "usage details": "totals alone (mudler/LocalAI, core/schema/openai.go, `OpenAIUsage`)",
    refusal: `${NO_REFUSALS} (mudler/LocalAI, core/schema/message.go)`,
  },
  mistral: { refusal: `${NO_REFUSALS} (https://docs.mistral.ai/api, \`finish_reason\`)` },
  "ollama-openai": {
    "usage details": "totals alone (ollama/ollama, openai/openai.go, `Usage`)",
    refusal: `${NO_REFUSALS} (ollama/ollama, openai/openai.go, \`Message\`)`,
  },
  sglang: { refusal: `${NO_REFUSALS} (sgl-project/sglang, entrypoints/openai/protocol.py)` },
  vllm: {
    refusal: `${NO_REFUSALS}: \`refusal\` is always null (vllm-project/vllm, chat_completion/protocol.py)`,
  },
  xinference: {
    "usage details": "totals alone (xorbitsai/inference, xinference/types.py, `CompletionUsage`)",
    refusal: `${NO_REFUSALS} (xorbitsai/inference, xinference/types.py)`,
  },
  xllm: {
    "usage details": "totals alone (jd-opensource/xllm, xllm/api_service/chat_service_impl.cpp)",
    errors: "each is a 500 in plain text (jd-opensource/xllm, xllm/api_service/non_stream_call.h)",
    refusal: `${NO_REFUSALS} (jd-opensource/xllm, xllm/proto/chat.proto)`,
  },
};

const KEY = "sk-fam-31f0c9";
const UPSTREAM = "vendor/model-1";
const CLIENT = "smart";
const JSON_TYPE = { "content-type": "application/json" };
const SSE_TYPE = { "content-type": "text/event-stream; charset=utf-8" };
const user = { role: "user", content: "Hi" };
const usage = { prompt_tokens: 9, completion_tokens: 4, total_tokens: 13 };
const head = { id: "chatcmpl-9x", object: "chat.completion", created: 1_767_000_000 };
const chunkHead = { ...head, object: "chat.completion.chunk" };

interface Case {
  id: string;
  title: string;
  operation?: OperationName;
  path?: string;
  request: JsonObject;
  /** The request as it arrives, but for the model's name. */
  sent: JsonObject;
  reply: UpstreamReply;
  hub: HubOutcome;
}

/** The exchanges that an adapter of the family shares with the others; none for any other adapter. */
export function familyExchanges(adapter: string): Exchange[] {
  const facts = FAMILY[adapter];
  if (!facts) return [];
  const cases = [
    plain(facts),
    history(facts),
    tools(),
    reasoning(facts),
    cutShort(facts),
    declined(),
    ...streams(facts),
    ...(facts.ownErrors ? [] : errors(facts)),
    ...errorsInAnswers(facts),
    ...(facts.embeddings ? [embeddings(facts.embeddings)] : []),
    ...(facts.rerank ? [rerank(facts.rerank)] : []),
  ];
  return cases.map(toExchange);
}

function toExchange({ id, title, operation = "chat", path, request, sent, reply, hub }: Case): Exchange {
  return {
    id: `family-${id}`,
    title: `the family: ${title}`,
    operation,
    backend: { model: UPSTREAM, apiKey: KEY, options: {} },
    request: { model: CLIENT, ...request },
    upstream: {
      request: {
        method: "POST",
        path: path ?? "/chat/completions",
        headers: { authorization: `Bearer ${KEY}` },
        body: { model: UPSTREAM, ...sent },
      },
      reply,
    },
    hub,
  };
}

function whole(body: JsonObject): UpstreamReply {
  return { status: 200, headers: JSON_TYPE, body: { ...body, model: UPSTREAM } };
}

function answer(message: JsonObject, finish_reason: string): JsonObject {
  return {
    ...head,
    choices: [{ index: 0, message: { role: "assistant", ...message }, finish_reason }],
    usage,
  };
}

function plain({ limit, developer }: FamilyFacts): Case {
  const rest = { temperature: 0.2, stop: ["END"], x_invented: { a: [1] } };
  const reply = answer({ content: "Hello!" }, "stop");
  return {
    id: "plain",
    title: "in-1, in-2: a plain chat, with the token limit and the role that the server knows",
    request: {
      messages: [{ role: "developer", content: "Be short." }, user],
      max_completion_tokens: 64,
      ...rest,
    },
    sent: { messages: [{ role: developer, content: "Be short." }, user], [limit]: 64, ...rest },
    reply: whole(reply),
    hub: { reply: { ...reply, model: CLIENT } },
  };
}

/** Ids of nine letters and digits, which every server takes. */
const calls = [
  { id: "callweath", type: "function", function: { name: "weather", arguments: '{"city":"Bern"}' } },
  { id: "callclock", type: "function", function: { name: "clock", arguments: "{}" } },
];
const toolList = [
  { type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } },
  { type: "function", function: { name: "clock", parameters: { type: "object", properties: {} } } },
];

function tools(): Case {
  const request = { messages: [user], tools: toolList, tool_choice: "auto", parallel_tool_calls: true };
  const reply = answer({ content: "", tool_calls: calls }, "tool_calls");
  const { parallel_tool_calls: _, ...others } = request;
  return {
    id: "tools",
    title: "two calls at once",
    request: others,
    sent: others,
    reply: whole(reply),
    hub: { reply: { ...reply, model: CLIENT } },
  };
}

function history({ history: arrives }: FamilyFacts): Case {
  const image = { type: "image_url", image_url: { url: "data:image/png;base64,aWNvbg==" } };
  const asked = { role: "user", content: [{ type: "text", text: "Look" }, image] };
  const called = { role: "assistant", content: "", tool_calls: [calls[0]] };
  const result = { role: "tool", tool_call_id: "callweath", content: "Rain" };
  const reply = answer({ content: "It rains." }, "stop");
  return {
    id: "history",
    title: "in-3: the turn after a call, with its reasoning and an image",
    request: { messages: [asked, { ...called, reasoning_content: "Weather first." }, result] },
    sent: { messages: [asked, { ...called, ...(arrives && { [arrives]: "Weather first." }) }, result] },
    reply: whole(reply),
    hub: {
      reply: { ...reply, model: CLIENT },
      ...(!arrives && { dropped: ["messages[].reasoning_content"] }),
    },
  };
}

function reasoning(facts: FamilyFacts): Case {
  const { reasoning: name = "reasoning_content" } = facts;
  const reply = (field: string) => answer({ content: "4", [field]: "2 and 2" }, "stop");
  const own = facts.reasoning ? "reasoning" : "reasoning_content";
  return {
    id: "reasoning",
    title: "reasoning, under the name that the server has for it",
    request: { messages: [user] },
    sent: { messages: [user] },
    reply: whole(reply(own)),
    hub: {
      reply: { ...reply(name), model: CLIENT },
      ...(name === "reasoning" && {
        bridged: { reply: { ...reply("reasoning_content"), model: UPSTREAM } },
      }),
    },
  };
}

function cutShort({ unformatted }: FamilyFacts): Case {
  const schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
  const json_schema = { name: "place", strict: true, schema };
  const format = { response_format: { type: "json_schema", json_schema } };
  const request = { messages: [user], ...(!unformatted && format) };
  const details = {
    prompt_tokens_details: { cached_tokens: 4 },
    completion_tokens_details: { reasoning_tokens: 2 },
  };
  const reply = { ...answer({ content: '{"ci' }, "length"), usage: { ...usage, ...details } };
  return {
    id: "cut-short",
    title: "an answer by a schema that the limit cuts short, and what its tokens were used for",
    request,
    sent: request,
    reply: whole(reply),
    hub: { reply: { ...reply, model: CLIENT } },
  };
}

function declined(): Case {
  const reply = answer({ content: null, refusal: "I cannot help with that." }, "stop");
  return {
    id: "declined",
    title: "an answer that the model declines",
    request: { messages: [user] },
    sent: { messages: [user] },
    reply: whole(reply),
    hub: { reply: { ...reply, model: CLIENT } },
  };
}

function streams(facts: FamilyFacts): Case[] {
  const { reasoning: name = "reasoning_content", tellsUsage } = facts;
  const own = facts.reasoning ? "reasoning" : "reasoning_content";
  const chunk = (delta: JsonObject, finish_reason: string | null = null): JsonObject => ({
    ...chunkHead,
    choices: [{ index: 0, delta, finish_reason }],
  });
  const used = { ...chunkHead, choices: [], usage };
  const deltas = (field: string) => [
    chunk({ role: "assistant", content: "" }),
    chunk({ [field]: "Grüß" }),
    chunk({ content: "Grüß" }),
    chunk({ content: " Gott" }),
    chunk({}, "stop"),
  ];
  const called = [
    chunk({ role: "assistant", content: "" }),
    chunk({ tool_calls: [{ index: 0, ...calls[0], function: { name: "weather", arguments: "" } }] }),
    chunk({ tool_calls: [{ index: 0, type: "function", function: { arguments: '{"city":"Bern"}' } }] }),
    chunk({}, "tool_calls"),
  ];
  const named = (events: JsonObject[], model: string) => events.map((event) => ({ ...event, model }));
  const sse = (events: JsonObject[]) =>
    named(events, UPSTREAM).map((event) => `data: ${JSON.stringify(event)}\n\n`);
  const request = { messages: [user], stream: true };
  const usageAsked = { stream_options: { include_usage: true } };
  const sent = { ...request, ...(!tellsUsage && usageAsked) };
  const whole = (events: JsonObject[]) => cutInside([": keep-alive\n\n", ...sse(events), "data: [DONE]\n\n"]);
  const bridged = (events: JsonObject[]) =>
    name === "reasoning" && { bridged: { stream: named(events, UPSTREAM) } };

  return [
    {
      id: "stream",
      title: "st-1, st-5: a stream of a client that asked for no usage",
      request,
      sent,
      reply: { status: 200, headers: SSE_TYPE, chunks: whole([...deltas(own), used]) },
      hub: {
        stream: named(deltas(name), CLIENT),
        ...bridged([...deltas("reasoning_content"), used]),
      },
    },
    {
      id: "stream-usage",
      title: "st-5: a stream of a client that asked for usage",
      request: { ...request, ...usageAsked },
      sent,
      reply: { status: 200, headers: SSE_TYPE, chunks: whole([...deltas("reasoning_content"), used]) },
      hub: { stream: named([...deltas("reasoning_content"), used], CLIENT) },
    },
    {
      id: "stream-tools",
      title: "a call in pieces",
      request: { ...request, tools: toolList },
      sent: { ...sent, tools: toolList },
      reply: { status: 200, headers: SSE_TYPE, chunks: whole([...called, used]) },
      hub: { stream: named(called, CLIENT) },
    },
    {
      id: "stream-cut",
      title: "st-6: a stream that is cut before its finish",
      request,
      sent,
      reply: { status: 200, headers: SSE_TYPE, chunks: sse(deltas("reasoning_content").slice(0, 3)) },
      hub: { stream: named(deltas("reasoning_content").slice(0, 3), CLIENT), truncated: true },
    },
    {
      id: "stream-error",
      title: "st-6: an error in the middle of a stream",
      request,
      sent,
      reply: {
        status: 200,
        headers: SSE_TYPE,
        chunks: [
          ...sse(deltas("reasoning_content").slice(0, 3)),
          `data: {"error":{"message":"Gone.","code":503}}\n\n`,
        ],
      },
      hub: {
        stream: [
          ...named(deltas("reasoning_content").slice(0, 3), CLIENT),
          { error: { message: "Gone.", code: 503 } },
        ],
      },
    },
  ];
}

/** The first non-ASCII character falls apart between two chunks, as on a network. */
function cutInside(chunks: string[]): Uint8Array[] {
  const all = Buffer.from(chunks.join(""));
  const at = all.indexOf(0xc3) + 1;
  return at > 0 ? [all.subarray(0, at), all.subarray(at)] : [all];
}

function errors({ limit }: FamilyFacts): Case[] {
  const failing = (id: string, title: string, reply: UpstreamReply, error: HubOutcome["error"]): Case => ({
    id: `error-${id}`,
    title,
    request: { messages: [user], max_completion_tokens: 8 },
    sent: { messages: [user], [limit]: 8 },
    reply: { ...reply, headers: { ...JSON_TYPE, ...reply.headers } },
    hub: { error },
  });
  const body = (message: string, type: string, code: unknown) => ({ error: { message, type, code } });
  return [
    failing(
      "context",
      "400 keeps its code",
      {
        status: 400,
        headers: {},
        body: body("Too long.", "invalid_request_error", "context_length_exceeded"),
      },
      {
        status: 400,
        code: "context_length_exceeded",
        read: { message: "Too long.", type: "invalid_request_error", code: "context_length_exceeded" },
      },
    ),
    failing(
      "key",
      "401 of the gateway's own key is the gateway's trouble",
      { status: 401, headers: {}, body: body("Bad key.", "auth", "invalid_api_key") },
      {
        status: 502,
        code: "upstream_auth_error",
        read: { message: "Bad key.", type: "auth", code: "invalid_api_key" },
      },
    ),
    failing(
      "rate",
      "429 with a wait",
      { status: 429, headers: { "retry-after": "2" }, body: body("Slow down.", "requests", 429) },
      {
        status: 429,
        code: "rate_limit_exceeded",
        read: { message: "Slow down.", type: "requests", code: 429 },
      },
    ),
    failing(
      "loading",
      "503 while the model loads",
      { status: 503, headers: {}, body: body("Loading model", "unavailable_error", 503) },
      {
        status: 502,
        code: "provider_error",
        read: { message: "Loading model", type: "unavailable_error", code: 503 },
      },
    ),
  ];
}

/** What some servers answer with status 200. */
function errorsInAnswers({ limit, tellsUsage }: FamilyFacts): Case[] {
  const request = { messages: [user], max_completion_tokens: 8 };
  const sent = { messages: [user], [limit]: 8 };
  const tooMany = { status: 429, code: "rate_limit_exceeded", read: { status: 429, message: "Slow down." } };
  const failing = (id: string, title: string, body: JsonObject, error: HubOutcome["error"]): Case => ({
    id: `error-in-200-${id}`,
    title: `a 200 that is an error: ${title}`,
    request,
    sent,
    reply: { status: 200, headers: JSON_TYPE, body },
    hub: { error },
  });
  return [
    failing("object", "`error`", { error: { message: "Slow down.", code: 429 } }, tooMany),
    failing("bare", "`object`", { object: "error", message: "Slow down.", type: "x", code: 429 }, tooMany),
    failing(
      "text",
      "a text",
      { error: "Gone." },
      {
        status: 502,
        code: "provider_error",
        read: { status: 500, message: "Gone." },
      },
    ),
    {
      ...failing(
        "stream",
        "where a stream was asked for",
        { error: { message: "Slow down.", code: 429 } },
        tooMany,
      ),
      request: { ...request, stream: true },
      sent: { ...sent, stream: true, ...(!tellsUsage && { stream_options: { include_usage: true } }) },
    },
  ];
}

/** 1 and -0.5 as little-endian float32. */
const BASE64 = "AACAPwAAAL8=";

function embeddings(kind: "base64" | "numbers"): Case {
  const list = (embedding: unknown) => ({
    object: "list",
    data: [{ object: "embedding", index: 0, embedding }],
    usage: { prompt_tokens: 2, total_tokens: 2 },
  });
  return {
    id: "embeddings",
    title: "in-5: embeddings in base64, which OpenAI's SDK asks for",
    operation: "embeddings",
    path: "/embeddings",
    request: { input: ["Hi"], encoding_format: "base64" },
    sent: { input: ["Hi"], ...(kind === "base64" && { encoding_format: "base64" }) },
    reply: whole(list(kind === "base64" ? BASE64 : [1, -0.5])),
    hub: { reply: { ...list(BASE64), model: CLIENT } },
  };
}

function rerank(kind: "texts" | "objects"): Case {
  const documents = ["rain", { text: "sun" }];
  return {
    id: "rerank",
    title: "in-6: rerank, documents given as texts and as objects",
    operation: "rerank",
    path: "/rerank",
    request: { query: "weather", documents, top_n: 1, return_documents: true },
    sent: {
      query: "weather",
      documents: kind === "texts" ? ["rain", "sun"] : documents,
      top_n: 1,
      return_documents: true,
    },
    reply: {
      status: 200,
      headers: JSON_TYPE,
      body: {
        id: "rr-1",
        model: UPSTREAM,
        results: [
          { index: 1, relevance_score: 0.75, document: { text: "sun" } },
          { index: 0, relevance_score: 0.5, document: { text: "rain" } },
        ],
        usage: { total_tokens: 7, prompt_tokens: 7 },
      },
    },
    hub: {
      reply: {
        id: "rr-1",
        model: CLIENT,
        results: [{ index: 1, relevance_score: 0.75, score: 0.75, document: { text: "sun" } }],
        usage: { total_tokens: 7, prompt_tokens: 7 },
      },
    },
  };
}
