import type { Finished } from "../context.ts";
import type { Exchange } from "../request/exchange.ts";

/** Writes the one line that every request leaves. */
export type RequestLog = (exchange: Exchange, finished: Finished) => void;

/**
 * The facts of a request as a JSON line, without a word of its content; durations in whole milliseconds. Written by
 * hand, since it is for every request: names are quoted once, the second of the day is spelled once.
 */
export function requestLine(exchange: Exchange, finished: Finished): string {
  const { target, error } = finished;
  const usage = exchange.toldUsage();
  const { requestedModel, principal } = exchange;
  const model = requestedModel === "" ? "" : `,"model":${quote(requestedModel)}`;
  const backend = target ? `,"backend":${quote(target.backend.name)}` : "";
  const firstToken =
    finished.timeToFirstTokenMs === undefined
      ? ""
      : `,"firstTokenMs":${Math.round(finished.timeToFirstTokenMs)}`;
  const tokens = usage ? `,"inputTokens":${usage.inputTokens},"outputTokens":${usage.outputTokens}` : "";
  const key = principal ? `,"key":${quote(principal.id)}` : "";
  const code = error ? `,"error":${quote(error.code)}` : "";
  return `{"time":"${timeOfDay()}","level":"info","message":"request","requestId":"${exchange.id}","operation":"${exchange.operation.name}"${model}${backend},"status":${finished.status},"outcome":"${finished.outcome}","stream":${exchange.stream},"attempts":${finished.attempts.length},"durationMs":${Math.round(finished.durationMs)}${firstToken}${tokens},"bytesIn":${finished.bytesIn},"bytesOut":${finished.bytesOut}${key},"client":"${exchange.request.clientAddress}"${code}}`;
}

/** Names in their JSON form. Bounded: clients choose models. */
const quoted = new Map<string, string>();
const MAX_QUOTED = 4_096;

function quote(name: string): string {
  let text = quoted.get(name);
  if (text === undefined) {
    if (quoted.size >= MAX_QUOTED) quoted.clear();
    text = JSON.stringify(name);
    quoted.set(name, text);
  }
  return text;
}

let second = -1;
let secondText = "";

/** RFC 3339, in UTC. */
function timeOfDay(): string {
  const now = Date.now();
  const ms = now % 1000;
  if (now - ms !== second) {
    second = now - ms;
    secondText = new Date(second).toISOString().slice(0, -4);
  }
  return `${secondText}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
}
