import { GatewayError, missingField, wrongField } from "gatewright";

/** What one message asks for. */
export type Wish =
  | { readonly cancel: true }
  | { readonly cancel?: undefined; readonly path: string; readonly body: Buffer };

/** Of a message, by name, each as it came. */
export type Members = ReadonlyMap<string, Buffer>;

/** Longest id of a request. */
const MAX_ID_LENGTH = 256;

/** The id under which a message is answered. Throws 400 where there is none. */
export function readId(members: Members): string {
  const id = valueOf(members, "id");
  if (typeof id === "string" && id !== "" && id.length <= MAX_ID_LENGTH) return id;
  throw wrong("id", `a text of 1 to ${MAX_ID_LENGTH} characters`, id);
}

/** What a message asks for. Throws 400; whether there is such an endpoint, and what it takes, the chain knows. */
export function readWish(members: Members): Wish {
  const event = valueOf(members, "event");
  if (event === "cancel") return { cancel: true };
  if (event !== undefined) throw wrong("event", "`cancel`, the one event that clients send", event);
  const path = valueOf(members, "endpoint");
  if (typeof path !== "string" || !/^\/[^#\s]*$/.test(path))
    throw wrong("endpoint", "a path, such as `/v1/chat/completions`", path);
  const body = members.get("body");
  if (!body) throw new GatewayError("missing_parameter", missingField("body", "the body of the request"));
  return { path, body };
}

function valueOf(members: Members, name: string): unknown {
  const text = members.get(name);
  return text && (JSON.parse(text.toString("utf8")) as unknown);
}

function wrong(param: string, expected: string, given: unknown): GatewayError {
  return new GatewayError("invalid_request", wrongField(param, expected, given));
}
