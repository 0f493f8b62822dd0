import { createInnerRequest, GatewayError, isGatewayError } from "gatewright";
import type { Context, GatewayHost, JsonObject } from "gatewright";
import { readRefusal } from "./reply-json.ts";
import type { Revision } from "./revisions.ts";
import type { Tool, ToolAnswer, ToolHost } from "./tool.ts";

export interface ToolCall {
  readonly ctx: Context;
  readonly gateway: GatewayHost;
  readonly revision: Revision;
  /** Gives the call up. */
  readonly signal: AbortSignal;
  /** Its place in a batch. */
  readonly index: number;
  readonly watch?: ToolHost["watch"];
}

/**
 * The result of `tools/call`. What the gateway refuses is a result as well, since the model that called can make
 * something of it. Throws for arguments at fault where the revision takes these for errors of the protocol, and
 * `client_closed_request` for a call that was given up.
 */
export async function callTool(tool: Tool, args: unknown, call: ToolCall): Promise<JsonObject> {
  const { ctx, gateway, revision, signal, index, watch } = call;
  const dropped: string[] = [];
  const host: ToolHost = {
    ...(watch && { watch }),
    async ask(path, body) {
      const request = createInnerRequest(ctx, { path, body, index, signal });
      const response = await gateway.fetch(request, { address: ctx.request.clientAddress });
      if (!response.ok) throw await readRefusal(response);
      dropped.push(...(response.headers.get("x-gatewright-dropped")?.split(", ") ?? []));
      return response;
    },
  };
  try {
    const answer = await tool.call(args, host);
    return toResult(answer, [...dropped, ...(answer.dropped ?? [])], revision);
  } catch (error) {
    if (signal.aborted) throw new GatewayError("client_closed_request");
    if (!isGatewayError(error)) throw error;
    if (error.code === "mcp_invalid_params" && !revision.modelMendsArguments) throw error;
    return toErrorResult(error);
  }
}

function toResult(
  { content, structured }: ToolAnswer,
  dropped: readonly string[],
  revision: Revision,
): JsonObject {
  return {
    content,
    ...(revision.structured && { structuredContent: structured }),
    ...(dropped.length > 0 && { _meta: { "gatewright/dropped": dropped } }),
  };
}

function toErrorResult({ code, message, status, param, headers }: GatewayError): JsonObject {
  const retryAfter = headers["retry-after"];
  const error = { code, message, status, ...(param !== null && { param }) };
  return {
    content: [{ type: "text", text: `${code}: ${message}` }],
    isError: true,
    _meta: {
      "gatewright/error": retryAfter === undefined ? error : { ...error, retry_after: Number(retryAfter) },
    },
  };
}
