import {
  ALGORITHMS,
  FAILURE_THRESHOLD,
  LIMIT,
  MAX_PROBES,
  ON_STORE_FAILURE,
  OPEN_MS,
  PROCESSES,
  SLOTS,
  TOKENS,
} from "../../configs/drill-numbers.ts";
import { requestHead } from "../chat-request.ts";
import type { Answered, Source, Tally } from "./paced-load.ts";
import type { Answer } from "./upstream.ts";

/** How Redis is in a phase: it answers; it does not, or too late; it comes and goes. */
export type RedisIs = "up" | "down" | "shaky";

/** What a phase showed of one lane. */
export interface Evidence extends Tally {
  readonly seconds: number;
  /** At the upstream. */
  readonly mostInFlight: number;
}

/** One plugin in one mode: what is sent to it, and what its README promises. */
export interface Lane extends Source {
  readonly promise: string;
  /** Null: the promise was kept. */
  broken(redis: RedisIs, evidence: Evidence): string | null;
  /** An answer by which the plugin is seen to use Redis again; `inFlight` is the lane's at the upstream. */
  isBack(kind: string, inFlight: number): boolean;
}

const PER_SECOND = 50;
const SHARE = LIMIT / PROCESSES;
const SLOT_SHARE = SLOTS / PROCESSES;
/** How long the backend takes over requests that hold a slot: some six at once, at the pace of a lane. */
const HOLD_MS = 120;
/** On a machine that others use, a healthy Redis may be late now and then. */
const STRAYS = 0.02;

/** What the backend does for each model. */
export function answerTo(model: string): Answer {
  if (model.startsWith("slots-")) return { kind: "good", afterMs: HOLD_MS };
  if (model === "broken") return { kind: "status", status: 500 };
  return { kind: "good" };
}

export function createLanes(): readonly Lane[] {
  return [
    {
      ...chat("plain"),
      promise: "no plugin: every request is answered",
      kindOf: statusAndCode,
      broken: (_redis, evidence) => only(evidence, ["200"]),
      isBack: (kind) => kind === "200",
    },
    ...[...ALGORITHMS, "tokens" as const].map(limitByShare),
    limitByShare("open-local"),
    {
      ...chat("limit-open"),
      promise: "open: without the store all are admitted",
      kindOf: statusAndCounter,
      broken(redis, evidence) {
        if (redis === "up") return limitFault(evidence, LIMIT, "store");
        return only(evidence, redis === "down" ? ["200 none"] : ["200 none", ...BY_STORE]);
      },
      isBack: (kind) => kind.endsWith(" store"),
    },
    {
      ...chat("limit-closed"),
      promise: "closed: without the store all get 503 state_unavailable",
      kindOf: statusAndCounter,
      broken(redis, evidence) {
        if (redis === "up") return limitFault(evidence, LIMIT, "store");
        return only(evidence, redis === "down" ? [UNAVAILABLE] : [UNAVAILABLE, ...BY_STORE]);
      },
      isBack: (kind) => kind.endsWith(" store"),
    },
    ...ON_STORE_FAILURE.map(slots),
    {
      ...chat("cache", { temperature: 0 }),
      promise: "without the store: a miss, never an error",
      kindOf: (answered) => `${answered.status} ${headerOf(answered, "x-gatewright-cache")}`,
      broken(redis, evidence) {
        // Who asks at the same time as another is given that one's answer, whether or not there is a store.
        const known = only(evidence, ["200 hit", "200 miss", "200 bypass"]);
        if (known !== null || redis === "shaky") return known;
        return redis === "up" ? atLeast(evidence, ["200 hit"], 0.9) : atLeast(evidence, ["200 bypass"], 0.5);
      },
      isBack: (kind) => kind === "200 hit",
    },
    responses(),
    {
      ...chat("broken"),
      promise: "the breaker opens, with the store or without",
      kindOf: statusAndCode,
      broken(_redis, evidence) {
        const known = only(evidence, [FAILED, "503 circuit_breaker_open"]);
        if (known !== null) return known;
        const most = FAILURE_THRESHOLD + MAX_PROBES * Math.ceil((evidence.seconds * 1_000) / OPEN_MS + 1);
        const failed = evidence.kinds.get(FAILED) ?? 0;
        return failed <= most ? null : `${failed} reached the failing backend, at most ${most} may`;
      },
      isBack: (kind) => kind === "503 circuit_breaker_open",
    },
  ];
}

const FAILED = "502 provider_error";
const UNAVAILABLE = "503 state_unavailable";
const BY_STORE = ["200 store", "429 store"];
const BY_SHARE = ["200 local", "429 local"];

/** A limit that goes by its share while the store is down. */
function limitByShare(name: (typeof ALGORITHMS)[number] | "tokens" | "open-local"): Lane {
  return {
    ...chat(`limit-${name}`),
    promise: `open-local: without the store ${SHARE} a second`,
    kindOf: statusAndCounter,
    broken(redis, evidence) {
      if (redis === "up") return limitFault(evidence, LIMIT, "store");
      if (redis === "down") return limitFault(evidence, SHARE, "local");
      const most = (LIMIT + SHARE) * (evidence.seconds + 1);
      const passed = (evidence.kinds.get("200 store") ?? 0) + (evidence.kinds.get("200 local") ?? 0);
      if (passed > most) return `${passed} admitted, store and share together allow ${Math.floor(most)}`;
      return only(evidence, [...BY_STORE, ...BY_SHARE]);
    },
    isBack: (kind) => kind.endsWith(" store"),
  };
}

function slots(mode: (typeof ON_STORE_FAILURE)[number]): Lane {
  const promises = {
    "open-local": `open-local: without the store ${SLOT_SHARE} at once`,
    open: "open: without the store all are admitted",
    closed: "closed: without the store all get 503 state_unavailable",
  };
  const counted = ["200", "503 overloaded"];
  return {
    ...chat(`slots-${mode}`),
    promise: promises[mode],
    kindOf: statusAndCode,
    broken(redis, evidence) {
      if (redis === "up") return only(evidence, counted) ?? slotsFault(evidence, SLOTS);
      if (redis === "shaky")
        return mode === "open-local"
          ? (only(evidence, counted) ?? notAbove(evidence, SLOTS + SLOT_SHARE))
          : only(evidence, mode === "open" ? counted : [...counted, UNAVAILABLE]);
      if (mode === "open-local") return only(evidence, counted) ?? slotsFault(evidence, SLOT_SHARE);
      return only(evidence, mode === "open" ? ["200"] : [UNAVAILABLE]);
    },
    isBack: (kind, inFlight) =>
      mode === "open" ? kind === "503 overloaded" : kind === "200" && inFlight >= SLOTS - 1,
  };
}

/** Makes a response and reads it again, in turns. */
function responses(): Lane {
  let turn = 0;
  let lastId = "none";
  return {
    name: "responses",
    perSecond: PER_SECOND,
    promise: "without the store: answers go out and say store: false; reading is 503 state_unavailable",
    request(port) {
      turn += 1;
      if (turn % 2 === 0)
        return Buffer.from(`GET /v1/responses/${lastId} HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\n\r\n`);
      return post(port, "/v1/responses", { model: "responses", input: "Say something" });
    },
    kindOf(answered) {
      const { status, body } = answered;
      if (status !== 200) return statusAndCode(answered);
      const { id, store } = JSON.parse(body) as { id: string; store: boolean };
      if (store) lastId = id;
      return store ? "200 stored" : "200 not stored";
    },
    broken(redis, evidence) {
      if (redis === "up") return only(evidence, ["200 stored"]);
      if (redis === "down") return only(evidence, ["200 not stored", UNAVAILABLE]);
      return only(evidence, ["200 stored", "200 not stored", UNAVAILABLE, NOT_FOUND]);
    },
    isBack: (kind) => kind === "200 stored",
  };
}

/** What a store that lost its data says of a response it had. */
const NOT_FOUND = "404 not_found";

function chat(model: string, rest: object = {}): Pick<Source, "name" | "perSecond" | "request"> {
  const json = { model, messages: [{ role: "user", content: "Say something" }], max_tokens: 16, ...rest };
  return {
    name: model,
    perSecond: PER_SECOND,
    request: (port) => post(port, "/v1/chat/completions", json),
  };
}

function post(port: number, path: string, json: object): Buffer {
  const body = JSON.stringify(json);
  return Buffer.from(requestHead({ port, headers: {} }, path, "application/json", body.length) + body);
}

function headerOf({ head }: Answered, name: string): string | undefined {
  return new RegExp(`\r\n${name}: *([^\r]*)`, "i").exec(head)?.[1];
}

function statusAndCode({ status, body }: Answered): string {
  return status === 200 ? "200" : `${status} ${/"code":"([^"]*)"/.exec(body)?.[1] ?? "broken off"}`;
}

/** By whose figures a limit decided. */
function statusAndCounter(answered: Answered): string {
  const limit =
    headerOf(answered, "x-ratelimit-limit-requests") ?? headerOf(answered, "x-ratelimit-limit-tokens");
  if (limit === undefined) return answered.status === 200 ? "200 none" : statusAndCode(answered);
  return `${answered.status} ${Number(limit) === LIMIT || Number(limit) === TOKENS ? "store" : "local"}`;
}

function only(evidence: Evidence, kinds: readonly string[]): string | null {
  return atLeast(evidence, kinds, 1 - STRAYS);
}

function atLeast({ kinds, sent }: Evidence, wanted: readonly string[], share: number): string | null {
  const count = wanted.reduce((sum, kind) => sum + (kinds.get(kind) ?? 0), 0);
  if (count >= sent * share) return null;
  return `${count} of ${sent} were ${wanted.join(" or ")}, at least ${Math.ceil(sent * share)} should be`;
}

/** Null where about `rate` a second were admitted, all by the figures of one counter. */
function limitFault(evidence: Evidence, rate: number, counter: "store" | "local"): string | null {
  const { kinds, seconds } = evidence;
  const strange = only(evidence, [`200 ${counter}`, `429 ${counter}`]);
  if (strange !== null) return strange;
  const admitted = kinds.get(`200 ${counter}`) ?? 0;
  // A full bucket, or two windows that end within the phase.
  const most = rate * (seconds + 2);
  const least = rate * Math.max(0, seconds - 1) * 0.8;
  if (admitted >= least && admitted <= most) return null;
  return `${admitted} admitted, ${Math.ceil(least)} to ${Math.floor(most)} expected`;
}

function notAbove({ mostInFlight }: Evidence, most: number): string | null {
  return mostInFlight <= most ? null : `${mostInFlight} at once, at most ${most} may be`;
}

function slotsFault(evidence: Evidence, most: number): string | null {
  if (evidence.mostInFlight < most) return `${evidence.mostInFlight} at once, ${most} expected`;
  return notAbove(evidence, most);
}
