import { ERROR_CODES, isJsonObject, openaiDialect, SseDecoder } from "gatewright";
import type { ErrorCode, GatewayError } from "gatewright";

/** The last message of a request. */
export interface LastMessage {
  readonly text: string;
  /** It tells that the client's credential was refused. */
  readonly unauthorized: boolean;
}

/** About the one HTTP message that a reply would have been. */
const OWN_HEADERS = ["cache-control", "content-length"];

/** Of an event stream in OpenAI's dialect; says nothing that `done` does not. */
const TERMINATOR = "[DONE]";

/** An error inside of a stream has no status, and in some dialects no code that would tell it. */
const STREAM_ERROR_STATUS = 502;

/**
 * Makes messages of a reply: a `chunk` for each event of a stream, or for each piece of a reply that is no text, in
 * base64, then `done`; `error` for whatever fails. All but the last go to `tell`, one after the other. Rejects when the
 * reply breaks off.
 */
export async function tellReply(
  id: string,
  response: Response,
  tell: (message: string) => Promise<void>,
): Promise<LastMessage> {
  const { status, headers } = response;
  const type = headers.get("content-type") ?? "";
  const told = Object.fromEntries(headers);
  for (const name of OWN_HEADERS) delete told[name];
  const last = (event: "done" | "error", data: string, code = status): LastMessage => ({
    text: messageText(id, event, data, { status: code, headers: told }),
    // RFC 9110, section 11.6.1: by this header a 401 is about the credential for the gateway itself.
    unauthorized: status === 401 && headers.has("www-authenticate"),
  });

  if (status >= 400) return last("error", toJson(await response.text()).text);
  if (/^text\/event-stream\b/i.test(type)) {
    for await (const event of eventsOf(response)) {
      const { text, value } = toJson(event);
      // What every SDK takes for an error: gateway and backends end a broken stream in it, in each dialect.
      const error = isJsonObject(value) ? value["error"] : undefined;
      if (error) return last("error", text, statusOf(error));
      await tell(messageText(id, "chunk", text));
    }
    return last("done", "null");
  }
  if (/^text\/|\bjson\b/i.test(type)) return last("done", toJson(await response.text()).text);
  for await (const piece of response.body ?? [])
    await tell(messageText(id, "chunk", `"${Buffer.from(piece).toString("base64")}"`));
  return last("done", "null");
}

/** The `data` of each event. */
async function* eventsOf({ body }: Response): AsyncGenerator<string> {
  const decoder = new SseDecoder();
  const events: string[] = [];
  const keep = ({ data }: { data: string | null }): void => {
    if (data !== null && data !== "" && data !== TERMINATOR) events.push(data);
  };
  for await (const chunk of body ?? []) {
    decoder.push(chunk, keep);
    yield* events.splice(0);
  }
}

/** What is said of a request that failed, or never began. `id` is null where the message had none that could be read. */
export function errorMessage(id: string | null, error: GatewayError): string {
  const { status, headers } = error;
  return messageText(id, "error", openaiDialect.errorBody(error, ""), { status, headers });
}

interface Ending {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
}

/** `data` is JSON text, and stays as it is. */
function messageText(id: string | null, event: string, data: string, ending?: Ending): string {
  const end = ending ? `,"status":${ending.status},"headers":${JSON.stringify(ending.headers)}` : "";
  return `{"id":${JSON.stringify(id)},"event":"${event}"${end},"data":${data}}`;
}

/**
 * Text as JSON: what is JSON already stays as it came, any other becomes a text. It is parsed to know, and not believed:
 * a backend could end the message that it stands in, and begin one in another request's name.
 */
function toJson(text: string): { text: string; value: unknown } {
  try {
    return { text, value: JSON.parse(text) as unknown };
  } catch {
    return { text: JSON.stringify(text), value: text };
  }
}

/** Google's dialect has the status itself for a code. */
function statusOf(error: unknown): number {
  const code = isJsonObject(error) ? error["code"] : undefined;
  if (typeof code === "number" && code >= 400 && code < 600) return code;
  return typeof code === "string" && Object.hasOwn(ERROR_CODES, code)
    ? ERROR_CODES[code as ErrorCode].status
    : STREAM_ERROR_STATUS;
}
