import type { IncomingHttpHeaders } from "node:http";
import { GatewayError } from "../errors.ts";

/** Sixteen bytes in base64 (RFC 6455, section 4.1). */
const KEY = /^[+/\da-z]{22}==$/i;

export function asksForWebSocket({ upgrade }: IncomingHttpHeaders): boolean {
  return upgrade !== undefined && upgrade.toLowerCase() === "websocket";
}

/** Throws the refusal of a handshake that is none (RFC 6455, section 4.2.1). */
export function checkHandshake(headers: IncomingHttpHeaders): void {
  if (headers["sec-websocket-version"] !== "13")
    throw new GatewayError("upgrade_required", {
      message: "Only version 13 of WebSocket is spoken here",
      headers: { "sec-websocket-version": "13" },
    });
  if (!KEY.test(headers["sec-websocket-key"] ?? ""))
    throw new GatewayError("invalid_request", { message: "`Sec-WebSocket-Key` is missing or not valid" });
}

/** What a plain request of a path gets that is for WebSocket alone (RFC 9110, section 15.5.22). */
export function upgradeRequired(): GatewayError {
  return new GatewayError("upgrade_required", { headers: { upgrade: "websocket" } });
}
