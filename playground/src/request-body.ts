import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { readForm } from "./multipart.ts";
import type { RecordedRequest } from "./recorded-request.ts";
import { Refusal } from "./refusal.ts";

/** Bodies that are no upload are held whole, up to here. */
const MAX_JSON_BYTES = 64 * 1024 * 1024;

/**
 * Reads the body into the record. A multipart body flows through a hash and is never held; any other is held and
 * parsed as JSON. @throws Refusal when it is too large, or is multipart or JSON by its Content-Type and broken.
 */
export async function readBody(
  request: IncomingMessage,
  record: RecordedRequest,
  keepBytes: number,
): Promise<void> {
  const contentType = request.headers["content-type"] ?? "";
  const digest = createHash("sha256");
  const kept: Buffer[] = [];
  async function* tapped(): AsyncGenerator<Buffer> {
    // Left early, the request stays open: the refusal still goes out on its connection.
    for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      digest.update(chunk);
      if (record.bodyBytes < keepBytes) kept.push(chunk.subarray(0, keepBytes - record.bodyBytes));
      record.bodyBytes += chunk.length;
      yield chunk;
    }
    record.bodySha256 = digest.digest("hex");
  }
  try {
    if (contentType.startsWith("multipart/form-data")) {
      record.form = await readForm(request.headers, tapped());
    } else {
      record.json = parse(await collect(tapped()), contentType);
    }
  } finally {
    record.body = Buffer.concat(kept);
  }
}

async function collect(chunks: AsyncIterable<Buffer>): Promise<Buffer> {
  const list: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_JSON_BYTES) throw new Refusal(413, `The body is larger than ${MAX_JSON_BYTES} bytes.`);
    list.push(chunk);
  }
  return Buffer.concat(list);
}

function parse(body: Buffer, contentType: string): unknown {
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString("utf8"));
  } catch (cause) {
    if (!contentType.includes("json")) return undefined;
    throw new Refusal(400, "We could not parse the JSON body of your request.", { cause });
  }
}
