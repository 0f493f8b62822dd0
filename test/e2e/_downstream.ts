import {
  startSimulatedBackend,
  type SimulatedBackend,
  type SimulatedBackendOptions,
} from "../../playground/src/simulated-backend.ts";
import { startTestGateway, type TestGateway } from "../_support/gateway.ts";
import { connectRaw, readReply, requestText, type RawClient } from "../_support/raw-client.ts";

export const MODEL = "gpt-4o-mini";
/** A name of the gateway's own for the same model: asked for, it has to be rewritten on both ways. */
export const ALIAS = "best";

/** A gateway before one simulated OpenAI backend, both on free ports. */
export interface Pair extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly backend: SimulatedBackend;
}

export async function startPair(
  config: Record<string, unknown> = {},
  backendOptions: Partial<SimulatedBackendOptions> = {},
): Promise<Pair> {
  const backend = await startSimulatedBackend({
    dialect: "openai",
    models: [MODEL, "whisper-1", "tts-1", "gpt-image-1"],
    ...backendOptions,
  });
  const gateway = await startTestGateway({ ...configFor(backend.url), ...config });
  return {
    gateway,
    backend,
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await backend.close();
    },
  };
}

/** The config of a gateway before one server that speaks OpenAI's API. */
export function configFor(url: string): Record<string, unknown> {
  const models = [MODEL, "whisper-1", "tts-1", "gpt-image-1"];
  return {
    backends: { only: { adapter: "openai", baseURL: `${url}/v1`, apiKey: "provider-key", models } },
    models: { [ALIAS]: { targets: [{ backend: "only", model: MODEL }] } },
  };
}

export const CHAT_BODY = JSON.stringify({ model: MODEL, messages: [{ role: "user", content: "Hi" }] });

/** A chat request as text, with headers and body of one's own. */
export function chatText(headers: Record<string, string> = {}, body: string = CHAT_BODY): string {
  return requestText("POST", "/v1/chat/completions", {
    headers: { "Content-Type": "application/json", ...headers },
    body,
  });
}

/** A request whose header lines are given as they shall stand on the wire. */
export function rawText(requestLine: string, lines: readonly string[], body = ""): string {
  return [requestLine, ...lines, "", body].join("\r\n");
}

export type RawReply = Awaited<ReturnType<typeof readReply>>;

/** Sends bytes on a connection of their own and reads one reply. */
export async function sendOnce(url: string, bytes: Uint8Array | string): Promise<RawReply> {
  const client = await connectRaw(url);
  await client.send(bytes);
  const reply = await readReply(client);
  client.destroy();
  return reply;
}

/** The same, and then waits for the gateway to close the connection: `rest` is what it sent besides. */
export async function sendToClose(
  url: string,
  bytes: Uint8Array | string,
): Promise<RawReply & { rest: string }> {
  const client = await connectRaw(url);
  await sendWhile(client, bytes);
  const reply = await readReply(client);
  const rest = String(await client.readToEnd());
  client.destroy();
  return { ...reply, rest };
}

/** Sends although the other side may hang up in between. */
export async function sendWhile(client: RawClient, bytes: Uint8Array | string): Promise<void> {
  await client.send(bytes).catch(() => {});
}

/** The `error` object of a reply in OpenAI's shape. */
export function errorOf(reply: { body: Uint8Array }): { code: string; type: string; param: string | null } {
  const { error } = JSON.parse(String(reply.body)) as {
    error: { code: string; type: string; param: string | null };
  };
  return error;
}

export function post(
  pair: Pair,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(pair.gateway.url + path, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}
