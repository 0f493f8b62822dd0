import { defineAdapter, isSecret } from "gatewright";
import type { Adapter, FieldTable, OperationName, Secret } from "gatewright";
import * as v from "valibot";
import { ExtraHeaders, toSentHeaders } from "./_extra-headers.ts";
import { createAccessTokens } from "./_wenxin/access-token.ts";
import { chatStream, errorInReply, fromChatReply } from "./_wenxin/chat-reply.ts";
import { chatFields, toChatRequest } from "./_wenxin/chat-request.ts";

export const WenxinOptions = v.strictObject({
  /** The application's secret key; its API key is `apiKey`. */
  secretKey: v.pipe(
    v.union(
      [v.pipe(v.string(), v.nonEmpty()), v.custom<Secret>(isSecret)],
      "a secret from env(), or a string",
    ),
    v.metadata({ secret: true }),
  ),
  /** Where access tokens are given. */
  tokenURL: v.optional(v.pipe(v.string(), v.url()), "https://aip.baidubce.com/oauth/2.0/token"),
  /** Further headers of every request to this backend; a value may be `env("NAME")`. */
  headers: v.optional(ExtraHeaders, {}),
});

/** What becomes of each request field, by operation. Fields that are not listed are forwarded. */
export const fields: Readonly<Partial<Record<OperationName, FieldTable>>> = { chat: chatFields };

const tokens = createAccessTokens();
const CHAT = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat";

/**
 * Baidu's Wenxin by its first API, for accounts with a key and a secret: the token that they buy goes into the URL. The
 * model's name is that of its endpoint, e.g. `completions_pro` for ERNIE 4.0. There is no list of these, and no probe that
 * costs nothing. The second API is the adapter `baidu`.
 */
const wenxin: Adapter<typeof WenxinOptions> = defineAdapter({
  name: "wenxin",
  provider: "baidu",
  options: WenxinOptions,
  baseURL: "https://aip.baidubce.com",
  auth: () => ({}),
  async authorize({ url }, { apiKey, options: { secretKey, tokenURL }, refused, signal }) {
    if (apiKey === undefined) throw new Error("wenxin: the backend has no `apiKey`");
    const account = { clientId: apiKey, clientSecret: secretKey, tokenURL };
    const last = refused ? url.searchParams.get("access_token") : null;
    const token = await tokens.token(account, { signal, ...(last !== null && { refused: last }) });
    url.searchParams.set("access_token", token);
    return {};
  },
  headers: ({ headers }) => toSentHeaders(headers),
  operations: {
    chat: {
      path: `${CHAT}/{model}`,
      toRequest: toChatRequest,
      fromResponse: fromChatReply,
      stream: chatStream,
    },
  },
  vendorPrefixes: ["wenxin"],
  errorInReply,
});

export default wenxin;
