import { parseJson, stringifyJson } from "../body/exact-json.ts";
import { isJsonObject } from "../json-object.ts";
import type { JsonObject } from "../operation.ts";

/**
 * Begins every sealed text. It is base64, as is what follows it: Google's dialect has bytes where others have a text, and
 * clients decode them and encode them anew.
 */
export const SEAL = "gatewrightv1";

/** What of an answer a vendor wants back with the next turn, for which another dialect has no place. */
export type SealedItem =
  | (JsonObject & { readonly type: "thinking" | "redacted_thinking" })
  | {
      readonly type: "extra_content";
      /** The call that it belongs to; absent for that of the message. */
      readonly call_id?: string;
      readonly extra_content: JsonObject;
    };

/**
 * For bridges: such items as a text for the place in which the dialect keeps a signature of its own vendor's, since clients
 * return that as it came. No items make a text as well: it tells that the vendor of the dialect signed nothing. Not
 * encrypted, as what it holds is the vendors' own proof.
 */
export function seal(items: readonly (JsonObject | SealedItem)[]): string {
  return SEAL + Buffer.from(stringifyJson(items)).toString("base64");
}

/** Somebody's gateway wrote it: a vendor would refuse it for a forged signature of its own. */
export function isSealed(text: unknown): text is string {
  return typeof text === "string" && text.startsWith(SEAL);
}

/** Of either alphabet (RFC 4648, sections 4 and 5), filled up or not. Node reads over what is none. */
const BASE64 = /^[\w+/-]*={0,2}$/;

/** The items of a sealed text; undefined for what somebody else wrote. */
export function unseal(text: unknown): JsonObject[] | undefined {
  if (!isSealed(text)) return undefined;
  const sealed = text.slice(SEAL.length);
  if (!BASE64.test(sealed)) return undefined;
  try {
    const items = parseJson(Buffer.from(sealed, "base64").toString("utf8"));
    return Array.isArray(items) && items.every(isJsonObject) ? items : undefined;
  } catch {
    // A client's own making: as foreign as any other.
    return undefined;
  }
}

/** What unsealed items say, each kind in the hub's own words. */
export interface Unsealed {
  readonly thinkingBlocks: readonly JsonObject[];
  /** `extra_content` by the id of its call, and of the message itself under undefined. */
  readonly extras: ReadonlyMap<string | undefined, JsonObject>;
}

export function sortSealed(items: readonly JsonObject[]): Unsealed {
  const thinkingBlocks: JsonObject[] = [];
  const extras = new Map<string | undefined, JsonObject>();
  for (const item of items) {
    const { type, call_id: id, extra_content: extra } = item;
    if (type !== "extra_content") thinkingBlocks.push(item);
    else if (isJsonObject(extra)) extras.set(typeof id === "string" ? id : undefined, extra);
  }
  return { thinkingBlocks, extras };
}
