import { backendHeaders, backendPath, type Backend } from "../backend.ts";
import { revealSecret } from "../config/secret.ts";
import type { Transport, TransportCall } from "../transport/transport.ts";

/** What a server said to a GET, or why it said nothing: a word for logs, such as `connect` or `timeout`. */
export type ServerAnswer =
  | { readonly status: number; readonly text: string; readonly failure?: undefined }
  | {
      readonly failure: string;
      /** Of a reply that is `too_large`: as much of it came. */
      readonly status?: number;
    };

export interface Question {
  /** From the root of the server. */
  readonly path: string;
  /** Beside `user-agent`, and `accept` for JSON, unless they name another. */
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly maxBytes: number;
  /** Gives the question up. */
  readonly signal?: AbortSignal;
}

/** One GET, answered within the time limit whatever the server does. Redirects are not followed. */
export function askServer(transport: Transport, question: Question): Promise<ServerAnswer> {
  return new Promise((resolve) => {
    const chunks: Uint8Array[] = [];
    let [status, bytes] = [0, 0];
    let call: TransportCall | undefined;
    const giveUp = (): void => finish({ failure: "given up" });
    const finish = (answer: ServerAnswer): void => {
      clearTimeout(timer);
      question.signal?.removeEventListener("abort", giveUp);
      call?.abort();
      resolve(answer);
    };
    const timer = setTimeout(finish, question.timeoutMs, { failure: "timeout" }).unref();
    question.signal?.addEventListener("abort", giveUp, { once: true });
    const headers = Object.entries({
      "user-agent": "gatewright",
      accept: "application/json",
      ...question.headers,
    });
    call = transport.send(
      { method: "GET", path: question.path, headers: headers.flat(), body: null },
      {
        onHeaders: (code) => {
          status = code;
        },
        onData: (chunk) => {
          bytes += chunk.length;
          if (bytes > question.maxBytes) finish({ failure: "too_large", status });
          else chunks.push(chunk);
        },
        onEnd: () => finish({ status, text: Buffer.concat(chunks).toString("utf8") }),
        onError: ({ kind }) => finish({ failure: kind }),
      },
    );
  });
}

/** Asks a backend as itself: with its credential and headers, below its base URL. */
export async function askBackend(
  backend: Backend,
  path: string,
  limits: Pick<Question, "timeoutMs" | "maxBytes"> & { readonly signal: AbortSignal },
): Promise<ServerAnswer> {
  const { adapter, options, baseURL, transport } = backend;
  const apiKey = backend.apiKey && revealSecret(backend.apiKey);
  const url = new URL(backendPath(backend, path), baseURL);
  const headers = backendHeaders(backend);
  const signal = AbortSignal.any([limits.signal, AbortSignal.timeout(limits.timeoutMs)]);
  const signed = await adapter.authorize?.(
    { method: "GET", url, headers },
    { apiKey, options, refused: false, signal },
  );
  limits.signal.throwIfAborted();
  return askServer(transport, {
    ...limits,
    path: url.pathname + url.search,
    headers: { ...headers, ...signed },
  });
}
