import type { Finished } from "../context.ts";
import type { Exchange } from "../request/exchange.ts";

/** Writes the one line that every request leaves. */
export type RequestLog = (exchange: Exchange, finished: Finished) => void;

/**
 * The facts of a request as a JSON line, without a word of its content; durations in whole milliseconds. Written by
 * hand: this runs for every request.
 */
export function requestLine(exchange: Exchange, finished: Finished, time: string): string {
  const { usage, target, error } = finished;
  let line = `{"time":"${time}","level":"info","message":"request","requestId":"${exchange.id}","operation":"${exchange.operation.name}"`;
  if (exchange.requestedModel) line += `,"model":${JSON.stringify(exchange.requestedModel)}`;
  if (target) line += `,"backend":${JSON.stringify(target.backend.name)}`;
  line += `,"status":${finished.status},"outcome":"${finished.outcome}","stream":${exchange.stream},"attempts":${finished.attempts.length},"durationMs":${Math.round(finished.durationMs)}`;
  if (finished.timeToFirstTokenMs !== undefined)
    line += `,"firstTokenMs":${Math.round(finished.timeToFirstTokenMs)}`;
  if (usage) line += `,"inputTokens":${usage.inputTokens},"outputTokens":${usage.outputTokens}`;
  line += `,"bytesIn":${finished.bytesIn},"bytesOut":${finished.bytesOut}`;
  if (exchange.principal) line += `,"key":${JSON.stringify(exchange.principal.id)}`;
  line += `,"client":"${exchange.request.clientAddress}"`;
  if (error) line += `,"error":${JSON.stringify(error.code)}`;
  return `${line}}`;
}
