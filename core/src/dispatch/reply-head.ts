import type { StreamMapping } from "../adapter.ts";
import type { GatewayError } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";
import type { UpstreamHeaders } from "../transport/transport.ts";
import type { PreparedCall } from "./prepared-call.ts";
import { malformedReply } from "./upstream-error.ts";

/** Reply headers of a backend that go on to the client. Its limits, cookies and names of servers do not. */
const PASSED_HEADERS = ["content-type", "content-disposition", "etag", "last-modified", "content-language"];

export const EVENT_STREAM = "text/event-stream";
export const JSON_TYPE = "application/json";

/** How a body is read: event by event, as bytes that flow through, or once all of it has come. */
export type Reading = "events" | "bytes" | "whole";

/** The content type without its parameters, in lower case; empty where there is none. */
export function mediaType(headers: UpstreamHeaders): string {
  const value = headers["content-type"];
  if (typeof value !== "string") return "";
  const semicolon = value.indexOf(";");
  return (semicolon < 0 ? value : value.slice(0, semicolon)).trim().toLowerCase();
}

/** A fresh record, for the reply to add to. */
export function passedHeaders(headers: UpstreamHeaders): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_HEADERS) {
    const value = headers[name];
    if (typeof value === "string") passed[name] = value;
  }
  return passed;
}

/** Why a reply below status 400 cannot be read, whatever its content. */
export function headFault(status: number, headers: UpstreamHeaders): GatewayError | undefined {
  if (status >= 300) return malformedReply(`The backend answered with a redirect (${status})`, status);
  const encoding = headers["content-encoding"];
  if (encoding === undefined || encoding === "identity") return undefined;
  return malformedReply("The backend compressed a reply that was asked for uncompressed", status);
}

/** How a body of this media type is read, or the error where it is not what was asked for. */
export function readingOf(
  type: string,
  status: number,
  { operation, stream }: Exchange,
  { plan, target }: PreparedCall,
): Reading | GatewayError {
  if (stream && operation.stream) {
    if (type === streamType(plan.translation?.mapping.stream?.format)) return "events";
    // JSON may be the error that the adapter knows.
    const mayBeError = type === JSON_TYPE && target.backend.adapter.errorInReply !== undefined;
    if (!operation.streamOptional && !mayBeError) return noStream(type, status);
  } else if (type === EVENT_STREAM)
    return malformedReply("The backend streamed a reply that was asked for whole", status);
  // What is made on request comes as JSON only where it could not be made: a file that is fetched may be of JSON.
  const mayBeError = type === JSON_TYPE && operation.method === "POST";
  return operation.reply === "binary" && !mayBeError ? "bytes" : "whole";
}

export function noStream(type: string, status: number): GatewayError {
  return malformedReply(
    `The backend answered ${type || "without a content type"} where a stream was asked for`,
    status,
  );
}

function streamType(format: StreamMapping["format"] | undefined): string {
  if (typeof format === "object") return format.contentType;
  return format === "ndjson" ? "application/x-ndjson" : EVENT_STREAM;
}
