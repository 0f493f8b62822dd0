/** Gateways before backends that have chat alone, and before those that keep responses themselves. */
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { defineGatewayPlugin } from "gatewright";
import type { Finished, JsonObject, Plugin } from "gatewright";
import * as v from "valibot";
import { onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../../playground/src/simulated-backend.ts";
import { startTestGateway } from "../../_support/gateway.ts";
import { waitFor } from "../../_support/wait-for.ts";

export const MODEL = "m";
const DIR = fileURLToPath(new URL(".", import.meta.url));

export type Body = Record<string, unknown>;

export interface ResponsesStage {
  readonly url: string;
  readonly lines: readonly string[];
  /** Waits until so many requests have ended, and gives the last end. */
  ended(count?: number): Promise<Finished>;
  call(method: string, path: string, body?: Body, headers?: Record<string, string>): Promise<Response>;
  /** The same without a socket, over web `Request` and `Response`. */
  callWeb(body: Body): Promise<Response>;
  /** The JSON of a good reply. */
  ask(body: Body, headers?: Record<string, string>): Promise<Body>;
  /** The events of a stream. */
  stream(body: Body, headers?: Record<string, string>): Promise<Body[]>;
}

export async function stageOf(
  backends: Record<string, Record<string, unknown>>,
  plugins: readonly Plugin[] = [],
  rest: Record<string, unknown> = {},
): Promise<ResponsesStage> {
  const ends: Finished[] = [];
  const witness = defineGatewayPlugin({
    name: "witness",
    options: v.strictObject({}),
    headersOnly: true,
    setup: () => ({
      middleware: (ctx, next) => {
        ctx.onFinished((end) => ends.push(end));
        return next();
      },
    }),
  });
  const gateway = await startTestGateway({ backends, plugins: [witness(), ...plugins], ...rest }, DIR);
  onTestFinished(() => gateway.close());
  const call: ResponsesStage["call"] = (method, path, body, headers = {}) =>
    fetch(`${gateway.url}/v1/responses${path}`, {
      method,
      headers: { "content-type": "application/json", ...headers },
      ...(body && { body: JSON.stringify(body) }),
    });
  return {
    url: gateway.url,
    lines: gateway.lines,
    async ended(count = 1) {
      await waitFor(`the end of ${count} requests`, () => ends.length >= count);
      return ends[count - 1]!;
    },
    call,
    callWeb: (body) =>
      gateway.server.gateway.fetch(
        new Request("http://gateway.test/v1/responses", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(body),
        }),
      ),
    async ask(body, headers) {
      const response = await call("POST", "", { model: MODEL, ...body }, headers);
      const text = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${text}`);
      return JSON.parse(text) as Body;
    },
    async stream(body, headers) {
      const response = await call("POST", "", { model: MODEL, stream: true, ...body }, headers);
      return eventsIn(await response.text());
    },
  };
}

/** Each event under the name of its line, which must be that of its data. */
export function eventsIn(text: string): Body[] {
  return text
    .trimEnd()
    .split("\n\n")
    .map((event) => {
      const [name = "", data = ""] = event.split("\n");
      const json = JSON.parse(data.replace(/^data: /, "")) as Body;
      if (name !== `event: ${String(json["type"])}`) throw new Error(`${name} on ${data}`);
      return json;
    });
}

/** What the model said, without its thoughts. */
export function textOf(response: unknown): string {
  const { output } = response as { output: { type: string; content?: { text?: string }[] }[] };
  return output
    .filter(({ type }) => type === "message")
    .flatMap(({ content = [] }) => content.map(({ text = "" }) => text))
    .join("");
}

export async function simulatedChat(dialect: "openai" | "ollama" = "openai"): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend({ dialect, models: [MODEL], tokens: 4 });
  onTestFinished(() => backend.close());
  return backend;
}

export const chatOnly = ({ url }: { url: string }): Record<string, unknown> => ({
  adapter: "chat-only",
  baseURL: `${url}/v1`,
  models: [MODEL],
});
export const ollama = ({ url }: { url: string }): Record<string, unknown> => ({
  adapter: "ollama",
  baseURL: url,
  models: [MODEL],
});
export const native = ({ url }: { url: string }): Record<string, unknown> => ({
  adapter: "openai",
  baseURL: `${url}/v1`,
  models: [MODEL],
});

/** Messages of the last chat request that a backend got. */
export function lastMessages({ requests }: SimulatedBackend): Body[] {
  return (requests.at(-1)!.json as { messages: Body[] }).messages;
}

export interface Account {
  readonly url: string;
  /** What was asked of it: method, path with query, body. */
  readonly seen: { method: string; path: string; body: JsonObject }[];
  /** Statuses to answer with instead, one a request. */
  readonly failures: number[];
  /** Items that each response begins with. */
  readonly thoughts: JsonObject[];
}

/** A vendor's account that keeps its responses itself; `name` is part of every id that it gives. */
export async function startAccount(name: string): Promise<Account> {
  const seen: Account["seen"] = [];
  const failures: number[] = [];
  const thoughts: JsonObject[] = [];
  const kept = new Map<string, JsonObject>();
  const server = createServer((request, response) => {
    void (async () => {
      const body = await readJson(request);
      const path = request.url!;
      seen.push({ method: request.method!, path, body });
      const json = (status: number, value: unknown): void => {
        response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
      };
      const failure = failures.shift();
      if (failure !== undefined) return json(failure, { error: { message: "no", code: "no" } });
      const [, id, part = ""] = /^\/v1\/responses\/(\w+)(\/\w+)?/.exec(path) ?? [];
      if (id === undefined) {
        const previous = body["previous_response_id"];
        if (previous !== undefined && !kept.has(previous as string))
          return json(400, { error: { message: "unknown", code: "previous_response_not_found" } });
        const made = {
          id: `resp_${name}${kept.size}`,
          object: "response",
          model: body["model"],
          status: body["background"] === true ? "queued" : "completed",
          output: [
            ...thoughts,
            {
              id: `msg_${name}${kept.size}`,
              type: "message",
              role: "assistant",
              content: [{ type: "output_text", text: `${name}${kept.size}` }],
            },
          ],
        };
        kept.set(made.id, made);
        if (body["stream"] !== true) return json(200, made);
        response.writeHead(200, { "content-type": "text/event-stream" });
        const event = (type: string, fields: object): void => {
          response.write(`event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`);
        };
        event("response.created", { response: made });
        event("response.output_text.delta", { delta: "a" });
        if (body["cut"] !== true) event("response.completed", { response: made });
        response.end();
        return;
      }
      const found = kept.get(id);
      if (!found) return json(404, { error: { message: "gone" } });
      if (request.method === "DELETE") {
        kept.delete(id);
        return json(200, { id, object: "response", deleted: true });
      }
      if (part === "/cancel") return json(200, { ...found, status: "cancelled" });
      if (part === "/input_items") return json(200, { object: "list", data: [{ of: id }] });
      if (path.includes("stream=true")) {
        response.writeHead(200, { "content-type": "text/event-stream" });
        const last = { type: "response.completed", sequence_number: 2, response: found };
        response.end(`event: response.completed\ndata: ${JSON.stringify(last)}\n\n`);
        return;
      }
      json(200, found);
    })();
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  );
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen, failures, thoughts };
}

async function readJson(request: IncomingMessage): Promise<JsonObject> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return chunks.length === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as JsonObject);
}
