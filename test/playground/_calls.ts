/** One server-sent event as it stands on the wire; only what OpenAI's writers use. */
export interface SentEvent {
  type?: string;
  data: string;
}

export type Json = Record<string, any>; // oxlint-disable-line typescript/no-explicit-any -- replies are read freely in tests

export function post(
  url: string,
  body: unknown,
  init: { headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
    body: JSON.stringify(body),
  });
}

export async function postForJson(url: string, body: unknown): Promise<Json> {
  return (await (await post(url, body)).json()) as Json;
}

/** Events of a stream that ended cleanly. */
export function parseEvents(text: string): SentEvent[] {
  return text
    .split("\n\n")
    .filter((frame) => frame !== "")
    .map((frame) => {
      const lines = frame.split("\n");
      const value = (name: string) =>
        lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      return { type: value("event"), data: value("data") ?? frame };
    });
}

export async function postForEvents(url: string, body: unknown): Promise<SentEvent[]> {
  return parseEvents(await (await post(url, body)).text());
}

/** The events of an OpenAI stream, parsed; the terminator is checked and left out. */
export async function postForChunks(url: string, body: Json): Promise<Json[]> {
  const events = await postForEvents(url, { ...body, stream: true });
  if (events.at(-1)?.data !== "[DONE]") throw new Error("The stream has no terminator.");
  return events.slice(0, -1).map(({ data }) => JSON.parse(data) as Json);
}

export function parseLines(text: string): Json[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Json);
}
