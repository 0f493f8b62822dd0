import type { Adapter, Recognition } from "../adapter.ts";
import { createUndiciTransport } from "../transport/undici-transport.ts";
import { askServer, type ServerAnswer } from "./ask-server.ts";

export type Detection =
  | { readonly adapter: Adapter; readonly baseURL: URL }
  | { readonly adapter?: undefined; readonly reason: Unrecognised };

/** Nobody answers; it fails; it answers, but not to this credential; it is none that an adapter knows. */
export type Unrecognised = "unreachable" | "failing" | "refused" | "unknown";

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 1024 * 1024;

/**
 * Asks a server what it is, by the signs that adapters are known by. All questions go out at once; of several adapters
 * that fit, the one of the lowest rank counts. The URL may hold the `/v1` of OpenAI's API, or not.
 */
export async function detectAdapter(
  url: URL,
  adapters: Iterable<Adapter>,
  apiKey?: string,
): Promise<Detection> {
  const root = new URL(url);
  root.pathname = root.pathname.replace(/\/+$/, "").replace(/\/v1$/, "");
  const signs = [...adapters].flatMap((adapter) =>
    (adapter.recognition ?? []).map((recognition) => ({ adapter, recognition })),
  );
  signs.sort((left, right) => left.recognition.rank - right.recognition.rank);
  const transport = createUndiciTransport(root, { connectMs: TIMEOUT_MS, connections: 16 });
  const asked = new Map<string, Promise<ServerAnswer>>();
  const ask = (adapter: Adapter, { path }: Recognition): Promise<ServerAnswer> => {
    const headers = adapter.auth(apiKey, {});
    const key = JSON.stringify([path, headers]);
    let answer = asked.get(key);
    if (!answer) {
      const from = joinPath(root, path);
      answer = askServer(transport, { path: from, headers, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES });
      asked.set(key, answer);
    }
    return answer;
  };
  try {
    const answers = await Promise.all(signs.map(({ adapter, recognition }) => ask(adapter, recognition)));
    const at = answers.findIndex((answer, index) => isRecognised(signs[index]!.recognition, answer));
    if (at >= 0) {
      const { adapter, recognition } = signs[at]!;
      const baseURL = new URL(root);
      baseURL.pathname = joinPath(root, recognition.basePath ?? "");
      return { adapter, baseURL };
    }
    return { reason: reasonOf(answers) };
  } finally {
    await transport.destroy();
  }
}

function joinPath(root: URL, path: string): string {
  return root.pathname.replace(/\/+$/, "") + path;
}

function isRecognised(recognition: Recognition, answer: ServerAnswer): boolean {
  if (answer.failure !== undefined || answer.status !== 200) return false;
  return recognition.fits(parse(answer.text));
}

/** JSON where it is some, else the text. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function reasonOf(answers: readonly ServerAnswer[]): Unrecognised {
  if (answers.length > 0 && answers.every(({ failure }) => failure !== undefined)) return "unreachable";
  const statuses = answers.flatMap((answer) => (answer.failure === undefined ? [answer.status] : []));
  if (statuses.some((status) => status === 401 || status === 403)) return "refused";
  return statuses.some((status) => status >= 500) ? "failing" : "unknown";
}
