import { isJsonObject, wrongField } from "gatewright";
import type { DownstreamRequest, JsonObject } from "gatewright";
import { headerMismatch, invalidParams, unsupportedVersion } from "./faults.ts";
import type { RpcRequest } from "./json-rpc.ts";

/** A revision of the protocol, as far as they differ for a server of tools. */
export interface Revision {
  readonly version: string;
  /** Without `initialize`: each request says in `_meta` and headers what was agreed upon there. */
  readonly stateless: boolean;
  /** Tools have titles and schemas of their results, and results a structured form. */
  readonly structured: boolean;
  /** Arguments at fault are told to the model, as a result, and not to the client. */
  readonly modelMendsArguments: boolean;
  /** Several messages may come in one body. */
  readonly batches: boolean;
}

/** The newest first: https://modelcontextprotocol.io/specification/versioning. */
const REVISIONS: readonly Revision[] = [
  { version: "2026-07-28", stateless: true, structured: true, modelMendsArguments: true, batches: false },
  { version: "2025-11-25", stateless: false, structured: true, modelMendsArguments: true, batches: false },
  { version: "2025-06-18", stateless: false, structured: true, modelMendsArguments: false, batches: false },
  { version: "2025-03-26", stateless: false, structured: false, modelMendsArguments: false, batches: true },
  { version: "2024-11-05", stateless: false, structured: false, modelMendsArguments: false, batches: true },
];

export const VERSIONS: readonly string[] = REVISIONS.map(({ version }) => version);

/** Who states none is taken for a client from before there was the header. */
const UNSTATED = "2025-03-26";

type Headers = DownstreamRequest["headers"];

/** What the header states. Throws 400 for a version that there is not. */
export function statedRevision(headers: Headers): Revision {
  return revisionOf(headers["mcp-protocol-version"] ?? UNSTATED);
}

/** What `initialize` agrees upon: what the client asks for, or the newest of its kind. */
export function negotiate({ protocolVersion }: JsonObject): Revision {
  if (typeof protocolVersion !== "string")
    throw invalidParams(wrongField("protocolVersion", "a text", protocolVersion).message);
  const known = REVISIONS.filter(({ stateless }) => !stateless);
  return known.find(({ version }) => version === protocolVersion) ?? known[0]!;
}

const VERSION_KEY = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities";

/**
 * The revision that a request is of. Throws 400 where headers and body do not say the same, so that nobody on the way
 * who reads the headers alone sees another request (2026-07-28, Streamable HTTP, "Server Validation").
 */
export function requestRevision(request: RpcRequest, headers: Headers): Revision {
  if (request.method === "initialize") return negotiate(request.params);
  const meta = metaOf(request.params);
  const inBody = meta[VERSION_KEY];
  const inHeader = headers["mcp-protocol-version"];
  if (inBody !== undefined && inBody !== inHeader)
    throw headerMismatch("The header MCP-Protocol-Version and `_meta` do not state the same version");
  const revision = statedRevision(headers);
  if (!revision.stateless) return revision;
  if (inBody === undefined) throw invalidParams(`\`_meta\` lacks \`${VERSION_KEY}\``);
  if (!isJsonObject(meta[CAPABILITIES_KEY])) throw invalidParams(`\`_meta\` lacks \`${CAPABILITIES_KEY}\``);
  mustMatch("Mcp-Method", headers["mcp-method"], request.method);
  if (request.method === "tools/call")
    mustMatch("Mcp-Name", decodeValue(headers["mcp-name"]), request.params["name"]);
  return revision;
}

/** `_meta` of a request's parameters. */
export function metaOf({ _meta: meta }: JsonObject): JsonObject {
  return isJsonObject(meta) ? meta : {};
}

function revisionOf(stated: string): Revision {
  const revision = REVISIONS.find(({ version }) => version === stated);
  if (!revision) throw unsupportedVersion(stated, VERSIONS);
  return revision;
}

function mustMatch(name: string, header: string | undefined, value: unknown): void {
  if (header !== value)
    throw headerMismatch(
      `The header ${name} ${header === undefined ? "is missing" : "does not match the body"}`,
    );
}

/** A value that a header cannot hold as it is comes as Base64 of its UTF-8. */
function decodeValue(value: string | undefined): string | undefined {
  const encoded = value === undefined ? undefined : /^=\?base64\?(.*)\?=$/.exec(value)?.[1];
  return encoded === undefined ? value : Buffer.from(encoded, "base64").toString("utf8");
}
