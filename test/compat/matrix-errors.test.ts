import Anthropic from "@anthropic-ai/sdk";
import { ApiError } from "@google/genai";
import OpenAI from "openai";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Fault } from "../../playground/src/simulated-backend.ts";
import { CLIENT_NAMES, CLIENTS, type Client, type ClientName } from "./_matrix-clients.ts";
import { BACKENDS, MODELS, resetBackends, startMatrixRig, type MatrixRig } from "./_matrix-rig.ts";

let rig: MatrixRig;
beforeAll(async () => {
  rig = await startMatrixRig();
});
beforeEach(() => resetBackends(rig));
afterAll(() => rig[Symbol.asyncDispose]());

const CELLS = CLIENT_NAMES.flatMap((client) => BACKENDS.map((backend) => [client, backend] as const));

/** How a status of the gateway shows: the class of the SDK, and what the dialect calls it. */
type Kind = "badRequest" | "unauthorized" | "notFound" | "limited" | "failed";
const STATUSES: Readonly<Record<Kind, number>> = {
  badRequest: 400,
  unauthorized: 401,
  notFound: 404,
  limited: 429,
  // A backend that failed is the gateway's 502.
  failed: 502,
};

const CLASSES: Readonly<Record<ClientName, Readonly<Record<Kind, unknown>>>> = {
  chat: {
    badRequest: OpenAI.BadRequestError,
    unauthorized: OpenAI.AuthenticationError,
    notFound: OpenAI.NotFoundError,
    limited: OpenAI.RateLimitError,
    failed: OpenAI.InternalServerError,
  },
  responses: {
    badRequest: OpenAI.BadRequestError,
    unauthorized: OpenAI.AuthenticationError,
    notFound: OpenAI.NotFoundError,
    limited: OpenAI.RateLimitError,
    failed: OpenAI.InternalServerError,
  },
  messages: {
    badRequest: Anthropic.BadRequestError,
    unauthorized: Anthropic.AuthenticationError,
    notFound: Anthropic.NotFoundError,
    limited: Anthropic.RateLimitError,
    failed: Anthropic.InternalServerError,
  },
  gemini: {
    badRequest: ApiError,
    unauthorized: ApiError,
    notFound: ApiError,
    limited: ApiError,
    failed: ApiError,
  },
};

/** The dialect's own word, as it stands in the error that the SDK shows. */
const WORDS: Readonly<Record<ClientName, Readonly<Partial<Record<Kind, string>>>>> = {
  chat: { badRequest: "", unauthorized: "", notFound: "", limited: "", failed: "" },
  responses: { badRequest: "", unauthorized: "", notFound: "", limited: "", failed: "" },
  messages: {
    badRequest: "invalid_request_error",
    unauthorized: "authentication_error",
    notFound: "not_found_error",
    limited: "rate_limit_error",
    failed: "api_error",
  },
  gemini: {
    badRequest: "INVALID_ARGUMENT",
    unauthorized: "UNAUTHENTICATED",
    notFound: "NOT_FOUND",
    limited: "RESOURCE_EXHAUSTED",
    failed: "UNAVAILABLE",
  },
};

async function errorOf(answer: Promise<unknown>): Promise<Error & { status?: number }> {
  try {
    await answer;
  } catch (error) {
    return error as Error;
  }
  throw new Error("The call did not fail.");
}

describe.each(CELLS)("%s client on the %s backend", (clientName, backendName) => {
  const model = MODELS[backendName];
  const client = (): Client => CLIENTS[clientName](rig.gateway.url);
  const backend = () => rig.backends[backendName];

  function expectKind(error: Error & { status?: number }, kind: Kind): void {
    expect(error).toBeInstanceOf(CLASSES[clientName][kind]);
    expect(error.status).toBe(STATUSES[kind]);
    expect(error.message).toContain(WORDS[clientName][kind]);
  }

  const faults: readonly (readonly [Kind, Fault])[] = [
    ["badRequest", { kind: "status", status: 400 }],
    ["limited", { kind: "status", status: 429 }],
    ["failed", { kind: "status", status: 500 }],
  ];
  it.each(
    faults.flatMap(([kind, fault]) => [false, true].map((streamed) => [kind, streamed, fault] as const)),
  )("throws the SDK's own error where the backend says %s, streamed: %s", async (kind, streamed, fault) => {
    backend().faults = [fault];
    const error = await errorOf(client().ask({ model, text: "Hello!" }, streamed));
    expectKind(error, kind);
    // The backend's own words, where the client is at fault.
    if (kind === "badRequest") expect(error.message).toContain("A fault of status 400.");
  });

  it("hides that the gateway's own key was refused", async () => {
    backend().faults = [{ kind: "status", status: 401 }];
    const error = await errorOf(client().ask({ model, text: "Hello!" }, false));
    expectKind(error, "failed");
    expect(error.message).not.toContain("A fault of status 401.");
  });

  it("throws for a wrong key of the client's, and asks no backend", async () => {
    const stranger = CLIENTS[clientName](rig.gateway.url, "sk-gateway-nobody-has-this-one");
    expectKind(await errorOf(stranger.ask({ model, text: "Hello!" }, false)), "unauthorized");
    expect(backend().requests).toHaveLength(0);
  });

  const broken: readonly (readonly [string, Fault])[] = [
    ["reports an error", { kind: "stream_error", afterEvents: 7, message: "Out of memory." }],
    ["is cut off", { kind: "cut", afterEvents: 7 }],
    ["ends cleanly, but without its finish", { kind: "missing_finish" }],
    ["sends an event that is no JSON", { kind: "malformed_event", afterEvents: 7 }],
  ];
  it.each(broken)("throws in the middle of a stream that %s", async (_what, fault) => {
    backend().faults = [fault];
    const error = await errorOf(client().ask({ model, text: "Hello!" }, true));
    expect(error.name).not.toBe("TypeError");
    if (clientName === "chat" || clientName === "responses") expect(error).toBeInstanceOf(OpenAI.OpenAIError);
    if (clientName === "messages") expect(error).toBeInstanceOf(Anthropic.AnthropicError);
  });
});

describe.each(CLIENT_NAMES)("%s client", (clientName) => {
  it("throws for a model that nobody has", async () => {
    const client = CLIENTS[clientName](rig.gateway.url);
    const error = await errorOf(client.ask({ model: "nosuch", text: "Hello!" }, false));
    expect(error).toBeInstanceOf(CLASSES[clientName].notFound);
    expect(error.status).toBe(404);
  });
});
