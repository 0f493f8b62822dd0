import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface CurlReply {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly text: string;
  /** Throws where the body is no JSON. */
  json(): Record<string, unknown>;
}

export interface CurlRequest {
  method?: "GET" | "POST";
  headers?: Record<string, string>;
  /** Sent as `-d` with a JSON text. */
  body?: unknown;
}

/** Calls by the real `curl`, as a document shows it; by `fetch` where the machine has none. */
export async function curl(url: string, request: CurlRequest = {}): Promise<CurlReply> {
  return (await hasCurl()) ? byCurl(url, request) : byFetch(url, request);
}

let found: Promise<boolean> | undefined;

function hasCurl(): Promise<boolean> {
  return (found ??= run("curl", ["--version"]).then(
    () => true,
    () => false,
  ));
}

async function byCurl(url: string, { method = "POST", headers = {}, body }: CurlRequest): Promise<CurlReply> {
  const dir = await mkdtemp(join(tmpdir(), "gatewright-curl-"));
  const output = join(dir, "body");
  try {
    const sent = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
    const data = body === undefined ? [] : ["-d", JSON.stringify(body)];
    // `-q`: no settings of the user's own.
    const flags = ["-q", "-sS", "-X", method, "--output", output, "-w", "%{http_code} %{content_type}"];
    const { stdout } = await run("curl", [...flags, ...sent, ...data, url]);
    const [, status, contentType] = /^(\d+) (.*)$/.exec(stdout)!;
    return toReply(Number(status), contentType!, await readFile(output));
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function byFetch(url: string, { method = "POST", headers, body }: CurlRequest): Promise<CurlReply> {
  const response = await fetch(url, {
    method,
    headers,
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const bytes = Buffer.from(await response.arrayBuffer());
  return toReply(response.status, response.headers.get("content-type") ?? "", bytes);
}

function toReply(status: number, contentType: string, bytes: Buffer): CurlReply {
  const text = bytes.toString();
  return { status, contentType, bytes, text, json: () => JSON.parse(text) as Record<string, unknown> };
}
