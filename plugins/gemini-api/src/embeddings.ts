import {
  compact,
  defineOperation,
  drop,
  isEmpty,
  report,
  translate,
  UnsupportedField,
  requireType,
} from "gatewright";
import type { FieldTable, JsonObject, MappingInfo, Operation } from "gatewright";
import { listOf } from "./candidate.ts";
import { geminiDialect } from "./dialect.ts";
import { pathsOf } from "./generate-content.ts";
import { readMessage, toList } from "./google-json.ts";
import { toTexts } from "./contents.ts";
import { readUsageMetadata } from "./usage.ts";

/** Fates of the fields of `embedContent`, and of the members of one of `requests` in `batchEmbedContents`. */
export const embedContentFields: FieldTable = {
  model: translate("the path has it; of a batch it has to be the same"),
  content: translate("`input`: its texts, joined by line breaks"),
  outputDimensionality: translate("`dimensions`"),
  taskType: drop("others have one kind of embedding", (value) => value === "TASK_TYPE_UNSPECIFIED"),
  title: drop("others have one kind of embedding", isEmpty),
  autoTruncate: drop("others decide it by themselves"),
};

/** Fates of the fields of `batchEmbedContents`. */
export const batchEmbedContentsFields: FieldTable = {
  model: translate("the path has it"),
  requests: translate("one item of `input` each"),
};

const common = {
  method: "POST",
  dialect: geminiDialect,
  body: "json",
  reply: "json",
  replaySafe: true,
  usage: readUsageMetadata,
  ownMembers: ["model"],
} as const satisfies Partial<Operation>;

/** `POST /v1beta/models/{model}:embedContent`. */
export const geminiEmbedContent: Operation = defineOperation({
  ...common,
  name: "geminiEmbedContent",
  paths: pathsOf("embedContent"),
  validate: (body) => requireType(body, "content", ["object"], "an object"),
  bridge: {
    operation: "embeddings",
    toRequest(request) {
      const dropped = new Set<string>();
      const { input, dimensions, forwarded } = toInput(request, dropped, "");
      return { body: compact({ ...forwarded, input, dimensions }), dropped: [...dropped] };
    },
    fromResponse: (reply) => ({ embedding: toEmbeddings(reply)[0], ...toEmbeddingUsage(reply) }),
  },
});

/** `POST /v1beta/models/{model}:batchEmbedContents`, which SDKs use for one content as well. */
export const geminiBatchEmbedContents: Operation = defineOperation({
  ...common,
  name: "geminiBatchEmbedContents",
  paths: pathsOf("batchEmbedContents"),
  validate: (body) => requireType(body, "requests", ["array"], "a list"),
  bridge: {
    operation: "embeddings",
    toRequest: toBatch,
    fromResponse: (reply) => ({ embeddings: toEmbeddings(reply), ...toEmbeddingUsage(reply) }),
  },
});

/** One request for all of them, which others take only with the same settings. */
function toBatch(request: JsonObject, info: MappingInfo): { body: JsonObject; dropped: readonly string[] } {
  const dropped = new Set<string>();
  const { forwarded, translated } = readMessage(request, batchEmbedContentsFields, dropped, "");
  const items = toList(translated["requests"], "requests").map((item, index) => {
    const at = `requests[${index}]`;
    const read = toInput(item, dropped, at);
    if (read.model !== undefined && read.model !== `models/${info.requestedModel}`)
      throw new UnsupportedField(`${at}.model`, `\`${at}.model\` must be the model in the path`);
    for (const name of Object.keys(read.forwarded)) report(dropped, `${at}.${name}`);
    return read;
  });
  const other = items.findIndex(({ dimensions }) => dimensions !== items[0]!.dimensions);
  if (other > 0) {
    const at = `requests[${other}].outputDimensionality`;
    throw new UnsupportedField(at, `\`${at}\` must be the same in all requests`);
  }
  const input = items.map((item) => item.input);
  const body = compact({ ...forwarded, input, dimensions: items[0]?.dimensions });
  return { body, dropped: [...dropped] };
}

function toInput(
  request: unknown,
  dropped: Set<string>,
  at: string,
): { model: unknown; input: string; dimensions: unknown; forwarded: JsonObject } {
  const { forwarded, translated } = readMessage(request, embedContentFields, dropped, at);
  const { model, content, outputDimensionality: dimensions } = translated;
  const texts = toTexts(content, dropped, at === "" ? "content" : `${at}.content`);
  return { model, input: texts.join("\n"), dimensions, forwarded };
}

/** In the order of the request, whichever that of the reply is. */
function toEmbeddings(reply: JsonObject): JsonObject[] {
  const items = listOf(reply["data"]).toSorted((a, b) => Number(a["index"]) - Number(b["index"]));
  if (items.length === 0) throw new TypeError("the reply has no embeddings");
  return items.map(({ embedding }) => ({ values: toNumbers(embedding) }));
}

/** Some servers answer in base64, as SDKs of OpenAI ask them to: float32, little-endian. */
function toNumbers(embedding: unknown): unknown {
  if (typeof embedding !== "string") return embedding;
  const bytes = Buffer.from(embedding, "base64");
  return Array.from({ length: Math.floor(bytes.length / 4) }, (_, index) => bytes.readFloatLE(index * 4));
}

function toEmbeddingUsage({ usage }: JsonObject): JsonObject {
  const count = (usage as JsonObject | undefined)?.["prompt_tokens"];
  return typeof count === "number" ? { usageMetadata: { promptTokenCount: count } } : {};
}
