/** Gateways and backends that last as long as the test that starts them. */
import { defineGatewayPlugin } from "gatewright";
import type { Context, Finished, Plugin } from "gatewright";
import * as v from "valibot";
import { onTestFinished } from "vitest";
import { startSimulatedBackend } from "../../playground/src/simulated-backend.ts";
import type { SimulatedBackend, SimulatedBackendOptions } from "../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../_support/gateway.ts";
import { chunk, LAST_CHUNK, replyHead, startScriptedUpstream } from "../_support/scripted-upstream.ts";
import type { ScriptedUpstream, UpstreamConnection } from "../_support/scripted-upstream.ts";
import { waitFor } from "../_support/wait-for.ts";

/** Model that every backend here serves, by its own name. */
export const MODEL = "gpt-4o-mini";
/** The same under the name that clients ask for where renaming is the point. */
export const ALIAS = "house-model";
/** The gateway's credential at its backends: must never be seen by a client. */
export const CREDENTIAL = "sk-upstream-canary-7f3a91";

/** A gateway under test and what it says about its requests. */
export interface Stage {
  readonly url: string;
  /** Log lines. */
  readonly lines: readonly string[];
  /** Contexts as the first layer saw them, in order of arrival. */
  readonly contexts: readonly Context[];
  /** Every end that was reported, in order: one a request, if all is well. */
  readonly ends: readonly Finished[];
  /** Waits until so many requests have ended, and gives the last end. */
  ended(count?: number): Promise<Finished>;
  /** Attempts running now, over all targets that were used. */
  inFlight(): number;
}

export interface StageConfig {
  backends: Record<string, Record<string, unknown>>;
  models?: Record<string, unknown>;
  timeouts?: Record<string, number>;
  server?: Record<string, unknown>;
  plugins?: readonly Plugin[];
  state?: object;
}

export async function startStage(config: StageConfig): Promise<Stage> {
  const contexts: Context[] = [];
  const ends: Finished[] = [];
  const witness = defineGatewayPlugin({
    name: "witness",
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware: (ctx, next) => {
        contexts.push(ctx);
        ctx.onFinished((end) => ends.push(end));
        return next();
      },
    }),
  });
  const gateway = await startTestGateway({ ...config, plugins: [witness(), ...(config.plugins ?? [])] });
  onTestFinished(() => gateway.close());
  return {
    url: gateway.url,
    lines: gateway.lines,
    contexts,
    ends,
    async ended(count = 1) {
      await waitFor(`the end of ${count} requests`, () => ends.length >= count);
      return ends[count - 1]!;
    },
    inFlight() {
      const targets = new Set(contexts.flatMap((ctx) => ctx.attempts.map(({ target }) => target)));
      return [...targets].reduce((sum, target) => sum + target.inFlight, 0);
    },
  };
}

/** A backend entry for a server that speaks OpenAI's API. */
export function openaiAt({ url }: { url: string }, rest: Record<string, unknown> = {}) {
  return { adapter: "openai", baseURL: `${url}/v1`, apiKey: CREDENTIAL, models: [MODEL], ...rest };
}

export function ollamaAt({ url }: { url: string }, rest: Record<string, unknown> = {}) {
  return { adapter: "ollama", baseURL: url, models: [MODEL], ...rest };
}

/** A gateway before one OpenAI backend. */
export function stageBefore(upstream: { url: string }, rest: Partial<StageConfig> = {}): Promise<Stage> {
  return startStage({
    backends: { main: openaiAt(upstream) },
    models: { [ALIAS]: { targets: [{ backend: "main", model: MODEL }] } },
    ...rest,
  });
}

export async function simulated(options: Partial<SimulatedBackendOptions> = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect: "openai", models: [MODEL], ...options });
  onTestFinished(() => backend.close());
  return backend;
}

/** A backend that answers each connection as the script says. */
export async function scripted(
  script: (connection: UpstreamConnection) => void | Promise<void>,
): Promise<ScriptedUpstream> {
  const upstream = await startScriptedUpstream(script);
  onTestFinished(() => upstream.close());
  return upstream;
}

/** A backend that answers every request with the same bytes. */
export function answering(reply: Uint8Array | string): Promise<ScriptedUpstream> {
  return scripted(async (connection) => {
    for (;;) {
      await connection.readRequest();
      await connection.send(reply);
    }
  });
}

export const EVENT_STREAM = { "content-type": "text/event-stream", "transfer-encoding": "chunked" };
export const NDJSON = { "content-type": "application/x-ndjson", "transfer-encoding": "chunked" };

/** A whole event stream as an HTTP message; each piece is a chunk of its own. */
export function streamReply(...pieces: (string | Uint8Array)[]): Buffer {
  return Buffer.concat([
    Buffer.from(replyHead(200, EVENT_STREAM)),
    ...pieces.map((piece) => chunk(piece)),
    Buffer.from(LAST_CHUNK),
  ]);
}

/** A whole JSON reply as an HTTP message. */
export function jsonReply(json: unknown, status = 200, headers: Record<string, string> = {}): string {
  const body = typeof json === "string" ? json : JSON.stringify(json);
  const length = String(Buffer.byteLength(body));
  return (
    replyHead(status, { "content-type": "application/json", "content-length": length, ...headers }) + body
  );
}

/** One chunk of a chat stream as an event. */
export function delta(content: string, rest: Record<string, unknown> = {}): string {
  return event({ choices: [{ index: 0, delta: { content }, finish_reason: null }], ...rest });
}

export const FINISH = event({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] });
export const DONE = "data: [DONE]\n\n";

export function event(json: Record<string, unknown>): string {
  return `data: ${JSON.stringify({ id: "c-1", object: "chat.completion.chunk", model: MODEL, ...json })}\n\n`;
}

export function post(url: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", ...(init.headers as Record<string, string>) },
    body: JSON.stringify(body),
  });
}

export function chatBody(rest: Record<string, unknown> = {}): Record<string, unknown> {
  return { model: MODEL, messages: [{ role: "user", content: "Say something." }], ...rest };
}

export function chat(
  stage: Stage,
  rest: Record<string, unknown> = {},
  init?: RequestInit,
): Promise<Response> {
  return post(`${stage.url}/v1/chat/completions`, chatBody(rest), init);
}

/** The text of a chat stream, read whole. */
export async function chatStream(stage: Stage, rest: Record<string, unknown> = {}): Promise<string> {
  const response = await chat(stage, { stream: true, ...rest });
  return response.text();
}

export interface ErrorBody {
  error: { message: string; type: string; param: string | null; code: string };
}

export async function errorOf(response: Response): Promise<ErrorBody["error"]> {
  return ((await response.json()) as ErrorBody).error;
}

/** The error in the last event of a broken stream. @throws when the stream does not end in one. */
export function errorEvent(stream: string): ErrorBody["error"] {
  const last = stream.trimEnd().split("\n\n").at(-1)!;
  const { error } = JSON.parse(last.replace(/^data: /, "")) as Partial<ErrorBody>;
  if (!error) throw new Error(`no error event at the end: ${last}`);
  return error;
}
