import { isJsonObject } from "gatewright";
import { errorInBody } from "./_openai/errors.ts";
import type { FoundError } from "./_openai/errors.ts";
import { openaiFamily } from "./_openai/family.ts";
import type { FamilyAdapter } from "./_openai/family.ts";

/** MiniMax (https://platform.minimax.io); in China `baseURL` is `https://api.minimaxi.com/v1`. */
const minimax: FamilyAdapter = openaiFamily({
  name: "minimax",
  baseURL: "https://api.minimax.io/v1",
  extensions: ["reasoning_content"],
  modelPatterns: ["MiniMax-*", "abab*"],
  errorInReply: (body) => errorInStatus(body["base_resp"]) ?? errorInBody(body),
});

export default minimax;

/** By the codes of `base_resp` (https://platform.minimax.io/docs/api-reference/errorcode). */
const STATUSES: ReadonlyMap<unknown, number> = new Map([
  [1002, 429],
  [1004, 401],
  [1008, 402],
  [1026, 400],
  [1027, 400],
  [1039, 400],
  [2013, 400],
  [2049, 401],
  [2056, 429],
]);

/** Errors come with status 200; 0 is none. */
function errorInStatus(status: unknown): FoundError | undefined {
  if (!isJsonObject(status)) return undefined;
  const { status_code: code, status_msg: message } = status;
  if (typeof code !== "number" || code === 0) return undefined;
  return {
    status: STATUSES.get(code) ?? 500,
    ...(typeof message === "string" && { message }),
    ...((code === 1026 || code === 1027) && { code: "content_filter" }),
  };
}
