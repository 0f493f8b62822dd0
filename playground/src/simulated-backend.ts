import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createAnthropicDialect } from "./anthropic-dialect.ts";
import type { Dialect, Handler } from "./dialect.ts";
import { createFaultDealer, type Fault, type FaultScript } from "./faults.ts";
import { createGeminiDialect } from "./gemini-dialect.ts";
import { asObject } from "./json-fields.ts";
import { createOllamaDialect } from "./ollama-dialect.ts";
import { createOpenAIDialect } from "./openai-dialect.ts";
import { recordRequest, type RecordedRequest } from "./recorded-request.ts";
import { Refusal } from "./refusal.ts";
import { Reply } from "./reply.ts";
import { readBody } from "./request-body.ts";
import { DEFAULT_MODELS, DEFAULT_SETTINGS, type Settings } from "./settings.ts";

export type { Fault, FaultScript } from "./faults.ts";
export type { RecordedRequest } from "./recorded-request.ts";
export type { Settings } from "./settings.ts";

const DIALECTS = {
  openai: createOpenAIDialect,
  ollama: createOllamaDialect,
  anthropic: createAnthropicDialect,
  gemini: createGeminiDialect,
};

/** Idle connections outlive those of any client, so that no test meets one that closes by itself. */
const KEEP_ALIVE_MS = 120_000;

export interface SimulatedBackendOptions extends Partial<Settings> {
  dialect: keyof typeof DIALECTS;
  /** @default "127.0.0.1" */
  host?: string;
  /** @default 0, a free one */
  port?: number;
  faults?: FaultScript;
}

/** A running backend: a real HTTP server that answers as a model server does, without a model. */
export interface SimulatedBackend {
  /** Without a slash at the end. */
  readonly url: string;
  /** In force for requests that come after a change. */
  readonly settings: Settings;
  /** Setting it starts the new script from its beginning; `[]` makes the backend healthy. */
  faults: FaultScript;
  /** What came in, oldest first: the last `keepRequests`. */
  readonly requests: readonly RecordedRequest[];
  /** The requests of one path, without query. */
  requestsTo(path: string): RecordedRequest[];
  /** Connections open now. */
  readonly openConnections: number;
  /** Forgets the requests so far. */
  clear(): void;
  /** Cuts what runs and frees the port. */
  close(): Promise<void>;
}

/** Starts a backend. @throws the system's error when the port is taken. */
export async function startSimulatedBackend(options: SimulatedBackendOptions): Promise<SimulatedBackend> {
  const { dialect: kind, host = "127.0.0.1", port = 0, faults: firstScript = [], ...given } = options;
  const dialect = DIALECTS[kind]();
  const settings: Settings = { ...DEFAULT_SETTINGS, name: kind, models: [...DEFAULT_MODELS[kind]], ...given };
  const requests: RecordedRequest[] = [];
  const connections = new WeakMap<Socket, number>();
  const open = new Set<Socket>();
  let script = firstScript;
  let deal = createFaultDealer(script);
  let requestCount = 0;
  let connectionCount = 0;
  let url = "";

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const recording = recordRequest(request, ++requestCount, connections.get(request.socket)!);
    const { record } = recording;
    requests.push(record);
    if (requests.length > settings.keepRequests) requests.shift();
    record.fault = deal(record);
    const reply = new Reply(response, record, settings, record.fault);
    response.once("close", () => recording.close(!response.writableFinished && !reply.broken));
    response.setHeader("x-simulated-backend", settings.name);
    for (const [name, value] of Object.entries(dialect.headers())) response.setHeader(name, value);
    try {
      await answerRequest(request, record, reply);
    } catch (error) {
      // The client left, or a fault ended the reply: nothing is wrong here, and there is no one to tell.
      if (reply.over.aborted || (request.destroyed && !request.complete)) return;
      response.destroy();
      throw error;
    }
  }

  async function answerRequest(
    request: IncomingMessage,
    record: RecordedRequest,
    reply: Reply,
  ): Promise<void> {
    try {
      if (await meetEarlyFault(record.fault, reply, dialect)) return;
      await readBody(request, record, settings.keepBodyBytes);
      if (await meetFault(record.fault, reply, dialect)) return;
      authorize(dialect, record, settings);
      const { handler, rest } = findRoute(dialect, record);
      await handler({ request: record, body: asObject(record.json), rest, reply, settings, url });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      await reply.json(dialect.error(error.status, error.message, error), error.status);
    }
  }

  const server = createServer({ noDelay: true, keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0 });
  server.on("request", (request, response) => void serve(request, response));
  server.on("connection", (socket) => {
    connections.set(socket, ++connectionCount);
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.listen(port, host);
  await once(server, "listening");
  url = `http://${host}:${(server.address() as AddressInfo).port}`;

  return {
    url,
    settings,
    requests,
    get faults() {
      return script;
    },
    set faults(next) {
      script = next;
      deal = createFaultDealer(next);
    },
    get openConnections() {
      return open.size;
    },
    requestsTo: (path) => requests.filter((request) => request.path === path),
    clear: () => void requests.splice(0),
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

/** Faults that do not wait for the body of the request. @returns true when the reply is settled. */
async function meetEarlyFault(fault: Fault | undefined, reply: Reply, dialect: Dialect): Promise<boolean> {
  const isEarly = (fault?.kind === "reset" || fault?.kind === "status") && fault.early === true;
  return isEarly && meetFault(fault, reply, dialect);
}

/** Faults before the reply; those within it are met by `Reply`. @returns true when the reply is settled. */
async function meetFault(fault: Fault | undefined, reply: Reply, dialect: Dialect): Promise<boolean> {
  switch (fault?.kind) {
    case "reset":
    case "close":
      return reply.breakOff(fault.kind);
    case "no_answer":
      return reply.silence();
    case "delay":
      await reply.wait(fault.ms);
      return false;
    case "status": {
      const { status, headers, body = dialect.error(status, `A fault of status ${status}.`) } = fault;
      if (typeof body === "string")
        await reply.whole(body, { "content-type": "text/plain", ...headers }, status);
      else await reply.json(body, status, headers);
      return true;
    }
    case "error_body":
      await reply.json(fault.body ?? dialect.error(500, "The server had an error."));
      return true;
    default:
      return false;
  }
}

function authorize(dialect: Dialect, { headers }: RecordedRequest, { requireKey }: Settings): void {
  if (requireKey === undefined || dialect.keyOf(headers) === requireKey) return;
  throw dialect.wrongKey();
}

function findRoute(dialect: Dialect, { method, path }: RecordedRequest): { handler: Handler; rest: string } {
  const exact = dialect.routes[`${method} ${path}`];
  if (exact) return { handler: exact, rest: "" };
  const wanted = `${method} ${path}`;
  for (const [route, handler] of Object.entries(dialect.routes)) {
    const start = route.slice(0, -1);
    if (route.endsWith("*") && wanted.startsWith(start)) {
      return { handler, rest: decodeURIComponent(wanted.slice(start.length)) };
    }
  }
  throw new Refusal(404, `Invalid URL (${wanted})`);
}
