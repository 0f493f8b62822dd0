import { isJsonObject, VERSION, wrongField } from "gatewright";
import type { Context, GatewayHost, JsonObject } from "gatewright";
import { chat } from "./chat.ts";
import { embeddings } from "./embeddings.ts";
import { invalidParams, methodNotFound } from "./faults.ts";
import type { RpcRequest } from "./json-rpc.ts";
import { listModels } from "./list-models.ts";
import type { McpOptions } from "./options.ts";
import { metaOf, negotiate, VERSIONS, type Revision } from "./revisions.ts";
import { nameOfCall, type RunningCalls } from "./running-calls.ts";
import type { Tool, ToolHost } from "./tool.ts";
import { callTool } from "./tool-call.ts";

export interface McpServer {
  readonly gateway: GatewayHost;
  readonly options: McpOptions;
  readonly calls: RunningCalls;
}

/** Where a request stands: all that is known besides what it says. */
export interface Place {
  readonly ctx: Context;
  readonly server: McpServer;
  readonly revision: Revision;
  /** Its place in a batch. */
  readonly index: number;
}

/** Who sees an answer come, and may look away. */
export interface Watcher {
  readonly watch: ToolHost["watch"];
  readonly leaving: AbortController;
}

const TOOLS: ReadonlyMap<unknown, Tool> = new Map(
  [listModels, chat, embeddings].map((tool) => [tool.name, tool]),
);
const SERVER_INFO = { name: "gatewright", version: VERSION };
const CAPABILITIES = { tools: {} };
const INSTRUCTIONS =
  "An AI gateway. `list_models` tells which models there are; `chat` asks one of them, `embeddings` turns texts into vectors.";
/** None of it depends on who asks, and it changes with the gateway's version alone. */
const CACHEABLE = { ttlMs: 3_600_000, cacheScope: "public" };

/** The result of a request. Throws the faults of one that is not valid, and what is no fault of its own. */
export async function answer(request: RpcRequest, place: Place, watcher?: Watcher): Promise<JsonObject> {
  const result = await resultOf(request, place, watcher);
  if (!place.revision.stateless) return result;
  const meta = { ...metaOf(result), "io.modelcontextprotocol/serverInfo": SERVER_INFO };
  return { ...result, resultType: "complete", _meta: meta };
}

/** The request calls a tool that can be watched. */
export function isWatchable({ method, params }: RpcRequest): boolean {
  return method === "tools/call" && TOOLS.get(params["name"])?.watchable === true;
}

function resultOf(
  request: RpcRequest,
  place: Place,
  watcher: Watcher | undefined,
): JsonObject | Promise<JsonObject> {
  const { method, params } = request;
  const { revision } = place;
  if (method === "tools/call") return runTool(request, place, watcher);
  if (method === "tools/list") return listTools(params, revision);
  if (method === "initialize") return initialize(params);
  if (method === "ping" && !revision.stateless) return {};
  if (method === "server/discover" && revision.stateless) return discover();
  throw methodNotFound(method);
}

function initialize(params: JsonObject): JsonObject {
  const { version: protocolVersion } = negotiate(params);
  return { protocolVersion, capabilities: CAPABILITIES, serverInfo: SERVER_INFO, instructions: INSTRUCTIONS };
}

function discover(): JsonObject {
  return {
    supportedVersions: VERSIONS,
    capabilities: CAPABILITIES,
    instructions: INSTRUCTIONS,
    ...CACHEABLE,
  };
}

function listTools({ cursor }: JsonObject, revision: Revision): JsonObject {
  if (cursor !== undefined) throw invalidParams("There is one page of tools, and no cursor");
  const tools = [...TOOLS.values()].map((tool) => tool.describe(revision));
  return revision.stateless ? { tools, ...CACHEABLE } : { tools };
}

async function runTool(
  { id, params }: RpcRequest,
  { ctx, server, revision, index }: Place,
  watcher: Watcher | undefined,
): Promise<JsonObject> {
  const { name, arguments: args = {} } = params;
  const tool = TOOLS.get(name);
  if (!tool) throw invalidParams(`Unknown tool: ${typeof name === "string" ? name : "it has no name"}`);
  if (!isJsonObject(args)) throw invalidParams(wrongField("arguments", "an object", args).message);
  const { gateway, calls } = server;
  const { watch, leaving = new AbortController() } = watcher ?? {};
  const callName = revision.stateless ? undefined : nameOfCall(ctx, id);
  const end = calls.begin(callName, leaving, ctx.signal);
  try {
    return await callTool(tool, args, { ctx, gateway, revision, index, signal: leaving.signal, watch });
  } finally {
    end();
  }
}
