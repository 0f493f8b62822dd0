import { GatewayError, jsonReply, wholeOfQuery } from "gatewright";
import type { JsonObject, Reply } from "gatewright";

const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 100;

export interface Page<T> {
  readonly items: readonly T[];
  readonly hasMore: boolean;
}

/**
 * The items that `limit`, `after` and `order` of a query ask for, out of all ids, the latest first. Ids that `find` has
 * nothing for are passed over; no more of them are looked up than the page needs.
 */
export async function pickPage<T>(
  ids: readonly string[],
  query: URLSearchParams,
  find: (id: string) => Promise<T | undefined>,
): Promise<Page<T>> {
  const limit = readLimit(query);
  const ordered = query.get("order") === "asc" ? ids.toReversed() : ids;
  const after = query.get("after");
  const start = after === null ? 0 : ordered.indexOf(after) + 1;
  if (after !== null && start === 0)
    throw new GatewayError("invalid_request", {
      param: "after",
      message: "`after` must be an id of this list",
    });
  const items: T[] = [];
  for (let at = start; at < ordered.length && items.length <= limit; at += MAX_LIMIT) {
    const found = await Promise.all(ordered.slice(at, at + MAX_LIMIT).map(find));
    for (const item of found) if (item !== undefined) items.push(item);
  }
  return { items: items.slice(0, limit), hasMore: items.length > limit };
}

/** OpenAI takes up to 10,000 for files: here a page is shorter, and says that there is more. */
function readLimit(query: URLSearchParams): number {
  return Math.min(wholeOfQuery(query, "limit", 1) ?? DEFAULT_LIMIT, MAX_LIMIT);
}

export function pageReply(data: readonly JsonObject[], hasMore: boolean): Reply {
  const list = {
    object: "list",
    data,
    first_id: data[0]?.["id"] ?? null,
    last_id: data.at(-1)?.["id"] ?? null,
    has_more: hasMore,
  };
  return jsonReply(list);
}
