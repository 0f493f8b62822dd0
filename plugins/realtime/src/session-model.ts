import { isJsonObject, parseJson, stringifyJson } from "gatewright";
import type { JsonObject } from "gatewright";

const MARK = Buffer.from('"session.');

/** The name of a session's model, in the events that have one, as the client asked for it. */
export function nameForClient(message: Buffer, requestedModel: string): string | undefined {
  const event = readEvent(message, "session.created", "session.updated");
  return event && withModel(event, requestedModel);
}

/** A client that repeats the name it asked for means the backend's; another one is for the backend to refuse. */
export function nameForBackend(
  message: Buffer,
  requestedModel: string,
  upstreamModel: string,
): string | undefined {
  const event = readEvent(message, "session.update");
  return event?.session["model"] === requestedModel ? withModel(event, upstreamModel) : undefined;
}

type SessionEvent = JsonObject & { session: JsonObject };

/** An event of one of these types whose session names a model. Others, audio above all, are not parsed. */
function readEvent(message: Buffer, ...types: readonly string[]): SessionEvent | undefined {
  if (!message.includes(MARK)) return undefined;
  let event: unknown;
  try {
    event = parseJson(message.toString("utf8"));
  } catch {
    // What is no JSON is the backend's and the client's business.
    return undefined;
  }
  if (!isJsonObject(event) || !types.includes(String(event["type"]))) return undefined;
  const { session } = event;
  return isJsonObject(session) && typeof session["model"] === "string" ? { ...event, session } : undefined;
}

function withModel(event: SessionEvent, model: string): string {
  return stringifyJson({ ...event, session: { ...event.session, model } });
}
