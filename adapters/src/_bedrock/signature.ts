import { createHash, createHmac } from "node:crypto";
import type { OutgoingCall } from "gatewright";
import { SignatureV4 } from "@smithy/signature-v4";

const ADDED_HEADERS: ReadonlySet<string> = new Set(["authorization", "x-amz-date", "x-amz-security-token"]);

/** Whose request it is, in clear text. */
export interface AwsAccount {
  region: string;
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string | undefined;
}

/**
 * Headers that sign a request by AWS Signature Version 4, over its path, body, host and media type:
 * https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
 * Headers that say nothing to Bedrock stay out of it. A signature is good for some minutes from `now`.
 */
export async function signRequest(
  { method, url, headers, body }: OutgoingCall,
  { region, accessKeyId, secretAccessKey, sessionToken }: AwsAccount,
  now: Date = new Date(),
): Promise<Record<string, string>> {
  const signer = new SignatureV4({
    service: "bedrock",
    region,
    credentials: { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) },
    sha256: Sha256,
    applyChecksum: false,
  });
  const contentType = headers["content-type"];
  const signed = await signer.sign(
    {
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: { host: url.host, ...(contentType !== undefined && { "content-type": contentType }) },
      body,
    },
    { signingDate: now },
  );
  return Object.fromEntries(Object.entries(signed.headers).filter(([name]) => ADDED_HEADERS.has(name)));
}

type Bytes = string | ArrayBuffer | ArrayBufferView;

/** Node's own SHA-256, keyed or not, in the form that the signer takes. */
class Sha256 {
  readonly #hash;

  constructor(secret?: Bytes) {
    this.#hash = secret === undefined ? createHash("sha256") : createHmac("sha256", toBytes(secret));
  }

  update(data: Bytes): void {
    this.#hash.update(toBytes(data));
  }

  async digest(): Promise<Uint8Array> {
    return this.#hash.digest();
  }
}

function toBytes(data: Bytes): Uint8Array {
  if (typeof data === "string") return Buffer.from(data);
  return ArrayBuffer.isView(data)
    ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    : new Uint8Array(data);
}
