import { GatewayError, isJsonObject, describeGiven, wrongField } from "gatewright";
import type { JsonObject } from "gatewright";

/** An integer too long for a number is an opaque text, of which `stringifyJson` makes the digits again. */
export type RequestId = string | number;

/** One that is to be answered. */
export interface RpcRequest {
  readonly kind: "request";
  readonly id: RequestId;
  readonly method: string;
  readonly params: JsonObject;
}

/** What a client sends (JSON-RPC 2.0, sections 4 and 5). */
export type RpcMessage =
  | RpcRequest
  | { readonly kind: "notification"; readonly method: string; readonly params: JsonObject }
  | { readonly kind: "response" };

/** Throws 400 for what is no message. */
export function readMessage(json: unknown): RpcMessage {
  if (!isJsonObject(json)) throw notRpc(`Expected a JSON-RPC message, an object, got ${describeGiven(json)}`);
  const { jsonrpc, id, method, params = {} } = json;
  if (jsonrpc !== "2.0") throw wrong("jsonrpc", '"2.0"', jsonrpc);
  if (method === undefined && ("result" in json || "error" in json)) return { kind: "response" };
  if (typeof method !== "string") throw wrong("method", "a text", method);
  if (!isJsonObject(params)) throw wrong("params", "an object", params);
  if (id === undefined) return { kind: "notification", method, params };
  // Unlike in JSON-RPC it must not be null (MCP, "Base Protocol", Requests).
  if (!isRequestId(id)) throw wrong("id", "a text or an integer", id);
  return { kind: "request", id, method, params };
}

export function isRequestId(value: unknown): value is RequestId {
  return typeof value === "string" || Number.isInteger(value);
}

export function resultMessage(id: RequestId, result: JsonObject): JsonObject {
  return { jsonrpc: "2.0", id, result };
}

/** Without an id where the message at fault has none, or could not be read. */
export function errorMessage(id: RequestId | undefined, error: GatewayError): JsonObject {
  const { code, message, type, details } = error;
  const body = { code: rpcCode(error), message, data: { code, type, ...details } };
  return id === undefined ? { jsonrpc: "2.0", error: body } : { jsonrpc: "2.0", id, error: body };
}

/**
 * By the gateway's own codes; all others are requests that are not valid, or failures. The last two are MCP's
 * (https://modelcontextprotocol.io/specification/2026-07-28/basic#error-codes).
 */
const RPC_CODES: Readonly<Record<string, number>> = {
  invalid_json: -32_700,
  mcp_method_not_found: -32_601,
  mcp_invalid_params: -32_602,
  mcp_header_mismatch: -32_020,
  mcp_unsupported_version: -32_022,
};
const INVALID_REQUEST = -32_600;
const INTERNAL_ERROR = -32_603;

function rpcCode({ code, status }: GatewayError): number {
  return RPC_CODES[code] ?? (status >= 500 ? INTERNAL_ERROR : INVALID_REQUEST);
}

function wrong(member: string, expected: string, given: unknown): GatewayError {
  return notRpc(wrongField(member, expected, given).message);
}

function notRpc(message: string): GatewayError {
  return new GatewayError("invalid_request", { message });
}
