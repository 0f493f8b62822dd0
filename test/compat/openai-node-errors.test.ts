import { apiKeys } from "@gatewright/api-keys";
import OpenAI, { APIError, APIUserAbortError } from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { waitFor } from "../_support/wait-for.ts";
import { BACKENDS, CHAT_MODELS, resetBackends, startRig, type Rig } from "./_rig.ts";

const KEY = "sk-gateway-0123456789abcdefghij";
const EMBEDDINGS_KEY = "sk-gateway-embeddings-0123456789";

let open: Rig;
let keyed: Rig;
beforeAll(async () => {
  open = await startRig();
  const keys = [
    { id: "all", key: KEY },
    { id: "embeddings", key: EMBEDDINGS_KEY, scopes: ["embeddings" as const] },
  ];
  keyed = await startRig([apiKeys({ keys })]);
});
beforeEach(() => {
  resetBackends(open);
  resetBackends(keyed);
});
afterAll(async () => {
  await open[Symbol.asyncDispose]();
  await keyed[Symbol.asyncDispose]();
});

function connect(rig: Rig, options: ConstructorParameters<typeof OpenAI>[0] = {}): OpenAI {
  return new OpenAI({ baseURL: rig.baseURL, apiKey: "not-needed", maxRetries: 0, ...options });
}

const messages = [{ role: "user" as const, content: "Hello!" }];

/** The error that a call rejects with. */
async function failureOf(call: Promise<unknown>): Promise<APIError> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof APIError) return error;
  throw new Error("the call did not fail by an error of the API", { cause: error });
}

describe.each(BACKENDS)("openai for Node, errors on the %s backend", (name) => {
  const model = CHAT_MODELS[name];
  const chat = (client: OpenAI) => client.chat.completions.create({ model, messages });

  it("8: needs no key where no key is asked for, and the backend sees only the gateway's", async () => {
    await chat(connect(open));
    expect(open[name].requests).toHaveLength(1);
    expect(open[name].requests[0]!.headers.authorization).not.toContain("not-needed");
  });

  it("ac-2: is let in by Authorization and by X-API-Key, neither of which goes upstream", async () => {
    await chat(connect(keyed, { apiKey: KEY }));
    await chat(connect(keyed, { defaultHeaders: { "X-API-Key": KEY } }));
    expect(keyed[name].requests).toHaveLength(2);
    expect(JSON.stringify(keyed[name].requests.map(({ rawHeaders }) => rawHeaders))).not.toContain(KEY);
  });

  it("gets AuthenticationError for a wrong key", async () => {
    const error = await failureOf(chat(connect(keyed, { apiKey: "sk-gateway-nobody-has-this-one" })));
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError);
    expect(error).toMatchObject({ status: 401, code: "invalid_api_key", type: "authentication_error" });
    expect(keyed[name].requests).toHaveLength(0);
  });

  it("gets PermissionDeniedError for a key without the scope", async () => {
    const error = await failureOf(chat(connect(keyed, { apiKey: EMBEDDINGS_KEY })));
    expect(error).toBeInstanceOf(OpenAI.PermissionDeniedError);
    expect(error).toMatchObject({ status: 403, code: "insufficient_permissions" });
  });

  it("gets BadRequestError with code and param of the gateway's refusal", async () => {
    const error = await failureOf(
      connect(open).chat.completions.create({ model, messages: "Hello!" as unknown as [] }),
    );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, code: "invalid_request", param: "messages" });
    expect(error.requestID).toMatch(/./);
    expect(open[name].requests).toHaveLength(0);
  });

  it("gets RateLimitError with the wait that the backend asks for", async () => {
    open[name].faults = [{ kind: "status", status: 429, headers: { "retry-after": "7" } }];
    const error = await failureOf(chat(connect(open)));
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    expect(error).toMatchObject({ status: 429, code: "rate_limit_exceeded" });
    expect(error.headers!.get("retry-after")).toBe("7");
  });

  it("tries again by itself when the backend is at its limit, and gets the answer", async () => {
    open[name].faults = [{ kind: "status", status: 429, headers: { "retry-after-ms": "1" } }];
    const reply = await chat(connect(open, { maxRetries: 1 }));
    expect(reply.model).toBe(model);
    expect(open[name].requests).toHaveLength(2);
  });

  it("gets InternalServerError 502 when the backend fails", async () => {
    open[name].faults = [{ kind: "status", status: 500, body: { error: "secret trace" } }];
    const error = await failureOf(chat(connect(open)));
    expect(error).toBeInstanceOf(OpenAI.InternalServerError);
    expect(error).toMatchObject({ status: 502, code: "provider_error" });
    expect(error.message).not.toContain("secret");
  });

  it("st-6: gets a status when a stream fails before its first content", async () => {
    // Each time: a kept connection that fails before the headers is tried once more by the gateway itself.
    open[name].faults = () => ({ kind: "cut", afterEvents: 0 });
    const error = await failureOf(connect(open).chat.completions.create({ model, messages, stream: true }));
    expect(error).toMatchObject({ status: 502, code: "provider_error" });
  });

  it.each(["reset", "close", "end"] as const)("st-6: throws on a stream cut by %s", async (how) => {
    open[name].faults = [{ kind: "cut", afterEvents: 5, how }];
    const stream = await connect(open).chat.completions.create({ model, messages, stream: true });
    let text = "";
    const reading = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? "";
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "upstream_interrupted" });
    expect(text).not.toBe("");
  });

  it("st-7, E14: closes the upstream when the caller aborts in mid-stream", async () => {
    open[name].settings.tokenMs = 50;
    const controller = new AbortController();
    const stream = await connect(open).chat.completions.create(
      { model, messages, stream: true },
      { signal: controller.signal },
    );
    const finishes: unknown[] = [];
    for await (const { choices } of stream) {
      finishes.push(choices[0]!.finish_reason);
      controller.abort();
    }
    const [request] = open[name].requests;
    await request!.closed;
    expect(finishes).not.toContain("stop");
    expect(request!.aborted).toBe(true);
  });

  it("st-7, E14: closes the upstream when the caller breaks out of the loop", async () => {
    open[name].settings.tokenMs = 50;
    const stream = await connect(open).chat.completions.create({ model, messages, stream: true });
    for await (const _chunk of stream) break;
    const [request] = open[name].requests;
    await request!.closed;
    expect(request!.aborted).toBe(true);
  });

  it("st-7, E14: closes the upstream when the caller aborts before an answer", async () => {
    open[name].faults = [{ kind: "no_answer" }];
    const controller = new AbortController();
    const call = connect(open).chat.completions.create({ model, messages }, { signal: controller.signal });
    const failed = expect(call).rejects.toThrow(APIUserAbortError);
    const [request] = await waitFor("the call upstream", () =>
      open[name].requests.length > 0 ? open[name].requests : undefined,
    );
    controller.abort();
    await failed;
    await request!.closed;
    expect(request!.aborted).toBe(true);
  });
});

describe("openai for Node, errors", () => {
  it("gets NotFoundError for a model that nobody has", async () => {
    const error = await failureOf(connect(open).chat.completions.create({ model: "gpt-9", messages }));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ status: 404, code: "model_not_found", param: "model" });
  });

  it("gets NotFoundError for a route that does not exist", async () => {
    const error = await failureOf(connect(open).fineTuning.jobs.retrieve("job-1"));
    expect(error).toBeInstanceOf(OpenAI.NotFoundError);
    expect(error).toMatchObject({ code: "not_found" });
  });

  it("gets BadRequestError with the backend's own param", async () => {
    const error = await failureOf(
      connect(open).embeddings.create({ model: "text-embedding-3-small", input: "Hello!", dimensions: -1 }),
    );
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, param: "dimensions" });
  });

  it("E9, st-6: throws on a stream of responses that was cut", async () => {
    open.openai.faults = [{ kind: "cut", afterEvents: 8 }];
    const stream = await connect(open).responses.create({
      model: CHAT_MODELS.openai,
      input: "Hello!",
      stream: true,
    });
    const types: string[] = [];
    const reading = (async () => {
      for await (const event of stream) types.push(event.type);
    })();
    expect(await failureOf(reading)).toMatchObject({ code: "upstream_interrupted" });
    expect(types).toContain("response.output_text.delta");
    expect(types).not.toContain("response.completed");
  });
});

describe("openai for Node, operations that Ollama does not have", () => {
  const model = CHAT_MODELS.ollama;
  const file = new File(["RIFF"], "speech.wav");
  const image = new File(["PNG"], "one.png", { type: "image/png" });

  it.each<[string, (client: OpenAI) => Promise<unknown>]>([
    ["speech", (client) => client.audio.speech.create({ model, voice: "alloy", input: "Hello!" })],
    ["transcription", (client) => client.audio.transcriptions.create({ model, file })],
    ["translation", (client) => client.audio.translations.create({ model, file })],
    ["image generation", (client) => client.images.generate({ model, prompt: "A boat" })],
    ["image edit", (client) => client.images.edit({ model, prompt: "A boat", image })],
    ["moderation", (client) => client.moderations.create({ model, input: "Hello!" })],
  ])("answers 501 to %s, which the SDK does not try again", async (_name, call) => {
    let calls = 0;
    const client = connect(open, {
      maxRetries: 2,
      fetch: (url, init) => {
        // The SDK also asks for a `data:` URL, to see whether forms can be sent.
        if (typeof url === "string" && url.startsWith(open.baseURL)) calls++;
        return fetch(url, init);
      },
    });
    const error = await failureOf(call(client));
    expect(error).toMatchObject({ status: 501, code: "unsupported_operation" });
    expect(error.message).toContain(model);
    expect(calls).toBe(1);
    expect(open.ollama.requests).toHaveLength(0);
  });
});
