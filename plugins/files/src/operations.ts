import { defineOperation, GatewayError, openaiDialect, requireType } from "gatewright";
import type { DownstreamRequest, Operation } from "gatewright";

declare module "gatewright" {
  interface OperationNames {
    files: true;
    fileUpload: true;
    fileList: true;
    fileRetrieval: true;
    fileDeletion: true;
    batches: true;
    batchCreation: true;
    batchList: true;
    batchRetrieval: true;
    batchCancellation: true;
  }
}

/** What is kept at a backend. */
export type Kind = "file" | "batch";

const ROOTS: Readonly<Record<Kind, string>> = { file: "/v1/files", batch: "/v1/batches" };

/** What may follow an id, by method. */
const BELOW_ID: Readonly<Record<Kind, Readonly<Record<string, readonly string[]>>>> = {
  file: { GET: ["", "/content"], DELETE: [""] },
  batch: { GET: [""], POST: ["/cancel"] },
};

/** The id in a path, e.g. of `/v1/files/file-1/content`. Throws 404 for a path that leads nowhere. */
export function readId({ method, path }: DownstreamRequest, kind: Kind): string {
  const [, id, part] = /^\/v1\/\w+\/([\w-]{1,128})(\/\w+)?$/.exec(path) ?? [];
  // HEAD is GET without the body.
  const parts = BELOW_ID[kind][method === "HEAD" ? "GET" : method];
  if (id === undefined || !parts?.includes(part ?? ""))
    throw new GatewayError("not_found", { message: `No route ${method} ${path}` });
  return id;
}

/**
 * `/v1/files` and `/v1/batches` of OpenAI's API. Nothing of them names a model: they are about the account that has them.
 * A file's content is passed on as it comes, and so is what is said of it.
 */
export function createOperations(): Operation[] {
  const file = { ...shared("file"), mappedAs: "files" } as const;
  const batch = { ...shared("batch"), mappedAs: "batches" } as const;
  const [files, batches] = [ROOTS.file, ROOTS.batch];
  const upload = { method: "POST", paths: [files], body: "multipart", replaySafe: false } as const;
  return [
    defineOperation({ ...file, ...upload, name: "fileUpload", reply: "json" }),
    defineOperation({ ...file, name: "fileList", paths: [files], reply: "json" }),
    defineOperation({ ...file, name: "fileRetrieval", paths: [`${files}/**`], reply: "binary" }),
    defineOperation({
      ...file,
      name: "fileDeletion",
      method: "DELETE",
      paths: [`${files}/**`],
      reply: "json",
    }),
    defineOperation({
      ...batch,
      name: "batchCreation",
      method: "POST",
      paths: [batches],
      body: "json",
      reply: "json",
      replaySafe: false,
      validate: (body) => requireType(body, "input_file_id", ["string"], "the id of a file"),
    }),
    defineOperation({
      ...batch,
      name: "batchList",
      paths: [batches],
      reply: "json",
      // Which of them the client wants is worked out here: the backend is asked how the latest are doing.
      pathBelow: () => "?limit=100",
    }),
    defineOperation({ ...batch, name: "batchRetrieval", paths: [`${batches}/**`], reply: "json" }),
    defineOperation({
      ...batch,
      name: "batchCancellation",
      method: "POST",
      paths: [`${batches}/**`],
      reply: "json",
      replaySafe: false,
    }),
  ];
}

function shared(kind: Kind) {
  return {
    method: "GET",
    dialect: openaiDialect,
    body: "none",
    modelless: true,
    // RFC 9110, section 9.2.2: to read, or to delete, twice is to do it once.
    replaySafe: true,
    pathBelow: ({ path }: DownstreamRequest) => path.slice(ROOTS[kind].length),
  } as const;
}
