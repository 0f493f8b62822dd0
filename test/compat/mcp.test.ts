/** The official clients of the Model Context Protocol, of both generations, against `/mcp`. */
import { apiKeys } from "@gatewright/api-keys";
import { balancer } from "@gatewright/balancer";
import { mcp } from "@gatewright/mcp";
import { rateLimit } from "@gatewright/rate-limit";
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernTransport,
} from "@modelcontextprotocol/client";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  isInitializeRequest,
  type CallToolResult,
  type JSONRPCMessage,
} from "@modelcontextprotocol/sdk/types.js";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { startSimulatedBackend, type SimulatedBackend } from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { waitFor } from "../_support/wait-for.ts";

const KEY = "sk-mcp-sdk-0123456789abcdefghijkl";
const POOR_KEY = "sk-mcp-poor-0123456789abcdefghij";
const CHAT = "gpt-4o-mini";
const EMBEDDING = "text-embedding-3-small";
const TEXT = "all that glitters";

let backend: SimulatedBackend;
let gateway: TestGateway;

beforeAll(async () => {
  backend = await startSimulatedBackend({ dialect: "openai", models: [CHAT, EMBEDDING] });
  gateway = await startTestGateway({
    backends: { only: { adapter: "openai", baseURL: `${backend.url}/v1`, models: [CHAT, EMBEDDING] } },
    plugins: [
      apiKeys({
        keys: [
          { id: "app", key: KEY },
          { id: "poor", key: POOR_KEY, models: [CHAT], tenant: "poor" },
        ],
      }),
      rateLimit({ limits: [{ scope: "key", rate: 10_000, per: "hour" }] }),
      mcp({ progressMs: 0 }),
      balancer(),
    ],
  });
});
afterAll(async () => {
  await gateway.close();
  await backend.close();
});
beforeEach(() => {
  backend.clear();
  backend.faults = [];
  Object.assign(backend.settings, { text: TEXT, tokenMs: 0 });
});

interface CallOptions {
  signal?: AbortSignal;
  onprogress?: (progress: { progress: number; message?: string }) => void;
}

/** What both clients can do. */
interface AnyClient {
  readonly serverName: string | undefined;
  listTools(): Promise<{ tools: { name: string; outputSchema?: unknown }[] }>;
  call(name: string, args: Record<string, unknown>, options?: CallOptions): Promise<CallToolResult>;
  close(): Promise<void>;
}

const INFO = { name: "compat", version: "1.0.0" };

function transportOptions(key: string): { requestInit: RequestInit } {
  return { requestInit: { headers: { authorization: `Bearer ${key}` } } };
}

/** The first generation always asks for its newest version: an older one is asked for in its name. */
async function connectLegacy(version: string, key = KEY): Promise<Client> {
  const client = new Client(INFO);
  const transport = new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), transportOptions(key));
  const send = transport.send.bind(transport);
  transport.send = (message: JSONRPCMessage | JSONRPCMessage[], options) => {
    if (!Array.isArray(message) && isInitializeRequest(message)) message.params.protocolVersion = version;
    return send(message, options);
  };
  await client.connect(transport);
  onTestFinished(() => client.close());
  return client;
}

async function connectModern(mode: "auto" | "legacy" | { pin: string }, key = KEY): Promise<ModernClient> {
  const client = new ModernClient(INFO, { versionNegotiation: { mode } });
  await client.connect(new ModernTransport(new URL(`${gateway.url}/mcp`), transportOptions(key)));
  onTestFinished(() => client.close());
  return client;
}

async function legacy(version: string, key?: string): Promise<AnyClient> {
  const client = await connectLegacy(version, key);
  return {
    serverName: client.getServerVersion()?.name,
    listTools: () => client.listTools(),
    call: async (name, args, options) =>
      (await client.callTool({ name, arguments: args }, undefined, options)) as CallToolResult,
    close: () => client.close(),
  };
}

async function modern(mode: Parameters<typeof connectModern>[0], key?: string): Promise<AnyClient> {
  const client = await connectModern(mode, key);
  return {
    serverName: client.getServerVersion()?.name,
    listTools: () => client.listTools(),
    call: async (name, args, options) =>
      (await client.callTool({ name, arguments: args }, options)) as CallToolResult,
    close: () => client.close(),
  };
}

const CLIENTS: [version: string, client: string, connect: (key?: string) => Promise<AnyClient>][] = [
  ...["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"].map(
    (version) => [version, "sdk 1", (key?: string) => legacy(version, key)] as (typeof CLIENTS)[number],
  ),
  ["2025-11-25", "client 2", (key) => modern("legacy", key)],
  ["2026-07-28", "client 2", (key) => modern("auto", key)],
  ["2026-07-28", "client 2, pinned", (key) => modern({ pin: "2026-07-28" }, key)],
];

const chatArguments = { model: CHAT, prompt: "Hello", max_tokens: 100 };

describe.each(CLIENTS)("in-16: MCP %s (%s)", (version, _, connect) => {
  const isStructured = version >= "2025-06-18";

  it("connects, and lists the tools", async () => {
    const client = await connect();
    expect(client.serverName).toBe("gatewright");
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(["list_models", "chat", "embeddings"]);
    expect(tools.every(({ outputSchema }) => (outputSchema !== undefined) === isStructured)).toBe(true);
  });

  it("calls each tool, whose results hold to their schemas", async () => {
    const client = await connect();
    // Once it knows the tools the client checks results against their schemas.
    await client.listTools();
    const listed = await client.call("list_models", { operation: "chat" });
    expect(JSON.stringify(listed.content)).toContain(CHAT);
    const answer = await client.call("chat", chatArguments);
    expect(answer).toMatchObject({ content: [{ type: "text", text: TEXT }] });
    const vectors = await client.call("embeddings", { model: EMBEDDING, input: ["a", "b"] });
    expect(vectors.isError).toBeFalsy();
    if (!isStructured) return;
    expect(listed.structuredContent).toMatchObject({ models: expect.arrayContaining([]) as unknown });
    expect(answer.structuredContent).toMatchObject({ model: CHAT, text: TEXT, finish_reason: "stop" });
    expect((vectors.structuredContent as { embeddings: number[][] }).embeddings).toHaveLength(2);
  });

  it("sees the answer come", async () => {
    const client = await connect();
    const pieces: string[] = [];
    const counts: number[] = [];
    const answer = await client.call("chat", chatArguments, {
      onprogress: ({ message, progress }) => {
        pieces.push(message ?? "");
        counts.push(progress);
      },
    });
    expect(answer).toMatchObject({ content: [{ text: TEXT }] });
    expect(pieces.join("")).toBe(TEXT);
    expect(pieces.length).toBeGreaterThan(1);
    expect(counts.at(-1)).toBe(TEXT.length);
  });

  it("is told what the gateway refuses as a result", async () => {
    const client = await connect(POOR_KEY);
    await client.listTools();
    const refused = await client.call("embeddings", { model: EMBEDDING, input: "a" });
    expect(refused.isError).toBe(true);
    expect(JSON.stringify(refused.content)).toContain("model_not_allowed");
    const models = await client.call("list_models", {});
    expect(JSON.stringify(models.content)).not.toContain(EMBEDDING);
  });

  it("fails on an unknown tool", async () => {
    const client = await connect();
    await expect(client.call("nosuch", {})).rejects.toMatchObject({ code: -32602 });
  });

  it("is told of arguments at fault, as its version has it", async () => {
    const client = await connect();
    const call = client.call("chat", { model: CHAT });
    if (version < "2025-11-25") await expect(call).rejects.toMatchObject({ code: -32602 });
    else expect(await call).toMatchObject({ isError: true });
    expect(backend.requests).toEqual([]);
  });

  it.each([false, true])("cancels a call, up to the backend (watched: %s)", async (watched) => {
    Object.assign(backend.settings, { text: "word ".repeat(2_000), tokenMs: 20 });
    const client = await connect();
    const leaving = new AbortController();
    const call = client.call(
      "chat",
      { model: CHAT, prompt: "a" },
      {
        signal: leaving.signal,
        ...(watched && { onprogress: () => undefined }),
      },
    );
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    leaving.abort("enough");
    await expect(call).rejects.toThrow("enough");
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    Object.assign(backend.settings, { text: TEXT, tokenMs: 0 });
    // And goes on.
    expect(await client.call("chat", chatArguments)).toMatchObject({
      content: [{ text: TEXT }],
    });
  });

  it("ends its calls where it closes", async () => {
    Object.assign(backend.settings, { text: "word ".repeat(2_000), tokenMs: 20 });
    const client = await connect();
    const call = client.call("chat", { model: CHAT, prompt: "a" });
    const failed = expect(call).rejects.toThrow();
    await waitFor("the request at the backend", () => backend.requests.length === 1);
    await client.close();
    await failed;
    await waitFor("the upstream call is closed", () => backend.requests[0]!.aborted);
    await waitFor("nothing runs", () => gateway.server.gateway.active === 0);
  });

  it("is refused without a key", async () => {
    await expect(connect("sk-of-nobody-0123456789")).rejects.toThrow();
    expect(backend.requests).toEqual([]);
  });
});

describe("MCP, what only one generation has", () => {
  it("pings, and ends a session that is none", async () => {
    const client = await connectLegacy("2025-11-25");
    await client.ping();
    const transport = client.transport as StreamableHTTPClientTransport;
    expect(transport.sessionId).toMatch(/./);
    expect(transport.protocolVersion).toBe("2025-11-25");
    await transport.terminateSession();
  });

  it("agrees upon the newest version of all", async () => {
    const client = await connectModern("auto");
    expect(client.getNegotiatedProtocolVersion()).toBe("2026-07-28");
  });
});
