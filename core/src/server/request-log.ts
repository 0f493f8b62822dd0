import type { Outcome, Usage } from "../attempt.ts";
import type { Finished } from "../context.ts";
import { causeOf } from "../errors.ts";
import type { Exchange } from "../request/exchange.ts";

/** Writes the one line that every request leaves. */
export type RequestLog = (exchange: Exchange, finished: Finished) => void;

/** The facts of a request, without a word of its content. Durations in milliseconds. */
export interface RequestFacts {
  readonly endedAt: number;
  readonly requestId: string;
  readonly operation: string;
  readonly model: string;
  readonly backend: string | undefined;
  readonly status: number;
  readonly outcome: Outcome;
  readonly stream: boolean;
  readonly attempts: number;
  readonly durationMs: number;
  readonly firstTokenMs: number | undefined;
  readonly usage: Usage | undefined;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly key: string | undefined;
  readonly client: string;
  readonly dropped: readonly string[] | undefined;
  readonly error: string | undefined;
  readonly cause: string | undefined;
}

/** Notes the facts when a request is over. They are spelled in a row with those of others, which takes less each. */
export function requestFacts(exchange: Exchange, finished: Finished): RequestFacts {
  return {
    endedAt: Date.now(),
    requestId: exchange.id,
    operation: exchange.operation.name,
    model: exchange.requestedModel,
    backend: finished.target?.backend.name,
    status: finished.status,
    outcome: finished.outcome,
    stream: exchange.stream,
    attempts: finished.attempts.length,
    durationMs: finished.durationMs,
    firstTokenMs: finished.timeToFirstTokenMs,
    usage: exchange.toldUsage(),
    bytesIn: finished.bytesIn,
    bytesOut: finished.bytesOut,
    key: exchange.principal?.id,
    client: exchange.request.clientAddress,
    dropped: exchange.lateDrops(),
    error: finished.error?.code,
    cause: finished.error && causeOf(finished.error),
  };
}

/** A line of JSON. Written by hand: names are quoted once, the second of the day is spelled once. */
export function requestLine(facts: RequestFacts): string {
  const { usage } = facts;
  const firstToken =
    facts.firstTokenMs === undefined ? "" : `,"firstTokenMs":${Math.round(facts.firstTokenMs)}`;
  const tokens = usage ? `,"inputTokens":${usage.inputTokens},"outputTokens":${usage.outputTokens}` : "";
  const key = facts.key === undefined ? "" : `,"key":${quote(facts.key)}`;
  const dropped = facts.dropped ? `,"dropped":${JSON.stringify(facts.dropped.join(", "))}` : "";
  const code = facts.error === undefined ? "" : `,"error":${quote(facts.error)}`;
  const cause = facts.cause === undefined ? "" : `,"cause":${quote(facts.cause)}`;
  return `{"time":"${spellTime(facts.endedAt)}","level":"info","message":"request","requestId":"${facts.requestId}",${spellNames(facts)},"status":${facts.status},"outcome":"${facts.outcome}","stream":${facts.stream},"attempts":${facts.attempts},"durationMs":${Math.round(facts.durationMs)}${firstToken}${tokens},"bytesIn":${facts.bytesIn},"bytesOut":${facts.bytesOut}${key},"client":"${facts.client}"${dropped}${code}${cause}}`;
}

/** What the last line named. The next mostly names the same, and a text in one piece is copied faster than its parts. */
const named = { operation: "", model: "", backend: undefined as string | undefined, text: "" };

/** The members that say what was asked, of which model, and who answered. */
function spellNames({ operation, model, backend }: RequestFacts): string {
  if (operation !== named.operation || model !== named.model || backend !== named.backend) {
    named.operation = operation;
    named.model = model;
    named.backend = backend;
    // Undefined members are left out.
    named.text = JSON.stringify({ operation, model: model === "" ? undefined : model, backend }).slice(1, -1);
  }
  return named.text;
}

/** Ids of keys, and codes, in their JSON form. Bounded: there may be many keys. */
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
function spellTime(at: number): string {
  const ms = at % 1000;
  if (at - ms !== second) {
    second = at - ms;
    secondText = new Date(second).toISOString().slice(0, -4);
  }
  return `${secondText}${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
}
