import { stringifyJson, writeSse } from "gatewright";
import type { Dialect, GatewayError } from "gatewright";
import { errorMessage } from "./json-rpc.ts";

/** Refusals of the whole HTTP request: errors of JSON-RPC that belong to no message. */
export const mcpDialect: Dialect = {
  name: "mcp",
  errorBody: writeError,
  // To who has cancelled nothing more is said (MCP, "Cancellation").
  errorEvent: (error) =>
    error.code === "client_closed_request" ? "" : writeSse(writeError(error), "message"),
};

function writeError(error: GatewayError): string {
  return stringifyJson(errorMessage(undefined, error));
}
