import { GatewayError, isJsonObject, parseJson } from "gatewright";
import type { JsonObject } from "gatewright";

/** The JSON object that the gateway answered a request with. */
export async function readJson(response: Response): Promise<JsonObject> {
  const json = parseJson(await response.text());
  if (!isJsonObject(json))
    throw new GatewayError("provider_error", { message: "The reply of the backend is no JSON object" });
  return json;
}

/** The error that the gateway answered a request with. */
export async function readRefusal(response: Response): Promise<GatewayError> {
  const { error } = await readJson(response);
  return toError(error, response.status, response.headers.get("retry-after"));
}

/** What stands under `error`, in a reply or in an event of a stream. */
export function toError(error: unknown, status = 502, retryAfter: string | null = null): GatewayError {
  const { code, type, message, param } = isJsonObject(error) ? error : {};
  return new GatewayError(textOf(code) ?? "provider_error", {
    status,
    type: textOf(type),
    message: textOf(message),
    param: textOf(param),
    headers: retryAfter === null ? {} : { "retry-after": retryAfter },
  });
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}
