import { GatewayError } from "gatewright";

const TYPE = "invalid_request_error";

export function methodNotFound(method: string): GatewayError {
  return new GatewayError("mcp_method_not_found", {
    status: 404,
    type: TYPE,
    message: `Method not found: ${method}`,
  });
}

export function invalidParams(message: string): GatewayError {
  return new GatewayError("mcp_invalid_params", { status: 400, type: TYPE, message });
}

export function headerMismatch(message: string): GatewayError {
  return new GatewayError("mcp_header_mismatch", { status: 400, type: TYPE, message });
}

export function unsupportedVersion(requested: string, supported: readonly string[]): GatewayError {
  return new GatewayError("mcp_unsupported_version", {
    status: 400,
    type: TYPE,
    message: "Unsupported protocol version",
    details: { supported, requested },
  });
}
