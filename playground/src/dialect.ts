import type { IncomingHttpHeaders } from "node:http";
import type { JsonObject } from "./json-fields.ts";
import type { RecordedRequest } from "./recorded-request.ts";
import type { Refusal } from "./refusal.ts";
import type { Reply } from "./reply.ts";
import type { Settings } from "./settings.ts";

/** One request and the reply to it, as a handler gets them. */
export interface Exchange {
  readonly request: RecordedRequest;
  /** The JSON body; empty where there is none. */
  readonly body: JsonObject;
  /** What stands in the place of a route's `*`, decoded. */
  readonly rest: string;
  readonly reply: Reply;
  readonly settings: Settings;
  /** Where clients reach the backend, without a slash at the end. */
  readonly url: string;
}

/** Answers one request. @throws Refusal to answer with an error instead. */
export type Handler = (exchange: Exchange) => Promise<void>;

/** What a backend speaks. */
export interface Dialect {
  /** By method and path, as in `POST /v1/chat/completions`; a `*` at the end stands for the rest of the path. */
  readonly routes: Readonly<Record<string, Handler>>;
  /** Headers of every reply. */
  headers(): Record<string, string>;
  /** The key that a request brings. */
  keyOf(headers: IncomingHttpHeaders): unknown;
  /** What a request without the right key is told. */
  wrongKey(): Refusal;
  /** The body of an error. */
  error(
    status: number,
    message: string,
    details?: { code?: string | null; param?: string | null },
  ): JsonObject;
}

/** The key of `Authorization: Bearer`. */
export function bearerOf({ authorization }: IncomingHttpHeaders): string | undefined {
  return authorization?.startsWith("Bearer ") ? authorization.slice("Bearer ".length) : undefined;
}
