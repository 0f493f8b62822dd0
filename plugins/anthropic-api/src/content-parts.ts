import { compact, isJsonObject, report, reportRest, UnsupportedField, wrongShape } from "gatewright";
import type { JsonObject, RequestMapping } from "gatewright";

/** The members of a block but its type, and where it stands. */
export interface Block {
  readonly type: string;
  readonly members: JsonObject;
  /** E.g. `messages[2].content[0]`. */
  readonly at: string;
}

/** The blocks of a content, which may be a text alone. */
export function toBlocks(content: unknown, at: string): Block[] {
  if (typeof content === "string") return [{ type: "text", members: { text: content }, at }];
  if (!Array.isArray(content)) throw wrongShape(at, "a text or a list of blocks", content);
  return content.map((block: unknown, index) => {
    const place = `${at}[${index}]`;
    const { type, ...members }: JsonObject = isJsonObject(block) ? block : {};
    if (typeof type !== "string") throw wrongShape(place, "a content block", type);
    return { type, members, at: place };
  });
}

/** A block that a user may send, as parts; undefined for one of another type. */
export function toParts({ type, members, at }: Block, mapping: RequestMapping): JsonObject[] | undefined {
  const { cache_control, ...rest } = members;
  const parts = partsOf({ type, members: rest, at }, mapping);
  if (parts) keepCacheControl(parts.at(-1), cache_control, at, mapping);
  return parts;
}

/** Puts the mark of a cached prefix where the backend has it. */
export function keepCacheControl(
  target: JsonObject | undefined,
  mark: unknown,
  at: string,
  { takes, dropped }: RequestMapping,
): void {
  if (mark === undefined || mark === null) return;
  if (target && takes("cache_control")) target["cache_control"] = mark;
  else report(dropped, `${at}.cache_control`);
}

function partsOf(block: Block, mapping: RequestMapping): JsonObject[] | undefined {
  switch (block.type) {
    case "text":
      return [{ type: "text", text: toText(block, mapping) }];
    case "image":
      return [toImagePart(block, mapping)];
    case "document":
      return toDocumentParts(block, mapping);
    case "search_result":
      return [{ type: "text", text: toSearchText(block, mapping) }];
    case "tool_reference":
      return [
        { type: "text", text: `The tool ${asText(block.members["tool_name"], block.at)} can be used.` },
      ];
    default:
      return undefined;
  }
}

function toText({ members, at }: Block, { dropped }: RequestMapping): string {
  const { text, citations, ...rest } = members;
  if (Array.isArray(citations) && citations.length > 0) report(dropped, `${at}.citations`);
  reportRest(dropped, rest, `${at}.`);
  return asText(text, `${at}.text`);
}

function toImagePart({ members, at }: Block, { dropped }: RequestMapping): JsonObject {
  const { source, ...rest } = members;
  reportRest(dropped, rest, `${at}.`);
  return { type: "image_url", image_url: { url: toURL(source, `${at}.source`) } };
}

/** A data URL, or the URL that the client gave. */
function toURL(source: unknown, at: string): string {
  if (isJsonObject(source) && source["type"] === "url") return asText(source["url"], `${at}.url`);
  if (isJsonObject(source) && source["type"] === "base64")
    return `data:${asText(source["media_type"], `${at}.media_type`)};base64,${asText(source["data"], `${at}.data`)}`;
  throw new UnsupportedField(at, `\`${at}\`: the file is at another vendor`);
}

/** A PDF is a `file`, a plain text its text. Title and context stand before it, as Claude sees them. */
function toDocumentParts({ members, at }: Block, mapping: RequestMapping): JsonObject[] {
  const { source, title, context, citations, ...rest } = members;
  if (isJsonObject(citations) && citations["enabled"] === true) report(mapping.dropped, `${at}.citations`);
  reportRest(mapping.dropped, rest, `${at}.`);
  const place = `${at}.source`;
  const type = isJsonObject(source) ? source["type"] : undefined;
  const introduction = [title, context].filter((text) => typeof text === "string" && text !== "");
  const before = introduction.length > 0 ? [{ type: "text", text: introduction.join("\n") }] : [];
  if (type === "base64") {
    const file = compact({
      filename: typeof title === "string" && title !== "" ? title : "document.pdf",
      file_data: toURL(source, place),
    });
    return [...before, { type: "file", file }];
  }
  if (type === "text")
    return [...before, { type: "text", text: asText((source as JsonObject)["data"], `${place}.data`) }];
  if (type === "content") {
    const blocks = toBlocks((source as JsonObject)["content"], `${place}.content`);
    return [...before, ...blocks.flatMap((block) => toParts(block, mapping) ?? refuseBlock(block))];
  }
  throw new UnsupportedField(place, `\`${place}\`: the document must come with the request`);
}

function toSearchText({ members, at }: Block, mapping: RequestMapping): string {
  const { title, source, content, citations, ...rest } = members;
  if (isJsonObject(citations) && citations["enabled"] === true) report(mapping.dropped, `${at}.citations`);
  reportRest(mapping.dropped, rest, `${at}.`);
  const texts = toBlocks(content, `${at}.content`).map((block) =>
    block.type === "text" ? toText(block, mapping) : refuseBlock(block),
  );
  return [title, source, ...texts].filter((text) => typeof text === "string").join("\n");
}

export function refuseBlock({ type, at }: Block): never {
  throw new UnsupportedField(at, `\`${at}\`: a block of type \`${type}\` cannot be carried`);
}

export function asText(value: unknown, at: string): string {
  if (typeof value !== "string") throw wrongShape(at, "a string", value);
  return value;
}

/** Parts as a content: a text alone where that is all there is to them, which every server takes. */
export function toContent(parts: readonly JsonObject[], between: string): string | readonly JsonObject[] {
  const plain = parts.every((part) => part["type"] === "text" && part["cache_control"] === undefined);
  return plain ? parts.map((part) => part["text"]).join(between) : parts;
}
