import type { Finished } from "../context.ts";
import type { Exchange } from "../request/exchange.ts";

/** Writes the one line that every request leaves. */
export type RequestLog = (exchange: Exchange, finished: Finished) => void;

/** The facts of a request, without a word of its content. Durations in whole milliseconds. */
export function describeRequest(exchange: Exchange, finished: Finished): Record<string, unknown> {
  const { usage, target, error } = finished;
  return {
    requestId: exchange.id,
    operation: exchange.operation.name,
    model: exchange.requestedModel || undefined,
    backend: target?.backend.name,
    status: finished.status,
    outcome: finished.outcome,
    stream: exchange.stream,
    attempts: finished.attempts.length,
    durationMs: Math.round(finished.durationMs),
    firstTokenMs:
      finished.timeToFirstTokenMs === undefined ? undefined : Math.round(finished.timeToFirstTokenMs),
    inputTokens: usage?.inputTokens,
    outputTokens: usage?.outputTokens,
    bytesIn: finished.bytesIn,
    bytesOut: finished.bytesOut,
    key: exchange.principal?.id,
    client: exchange.request.clientAddress,
    error: error?.code,
  };
}
