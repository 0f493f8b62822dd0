import type { Attempt, Outcome, Usage } from "./attempt.ts";
import type { RequestBody } from "./body/request-body.ts";
import type { GatewayError } from "./errors.ts";
import type { Logger } from "./log.ts";
import type { Operation } from "./operation.ts";
import type { Target } from "./target.ts";

/** Who asks, as an authenticating plugin found out. */
export interface Principal {
  /** Stable id, never the key itself. */
  readonly id: string;
  readonly name?: string;
  readonly tenant?: string;
  /**
   * Asked by core each time a model is resolved for this request, fallbacks and mappings included; false refuses
   * with 403 `model_not_allowed`.
   */
  allowsModel?(model: string): boolean;
}

/** What the client sent, apart from the body. */
export interface DownstreamRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: string;
  /** Lower-case names; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The socket's peer, or the right-most untrusted hop when the peer is a trusted proxy. */
  readonly clientAddress: string;
}

/**
 * What plugins publish for one another. A plugin adds one key under its own name:
 * `declare module "gatewright" { interface ContextVars { myPlugin?: MyVars } }`. Always optional, since the plugin
 * may not be listed.
 */
export interface ContextVars {
  /** Core's own key: how this request wants its target to be chosen. A balancer follows it in place of its strategy. */
  preference?: TargetPreference;
}

/** What counts when the target of one request is chosen. */
export interface TargetPreference {
  readonly strategy: "least-cost" | "least-latency" | "smart";
  /** `smart`: how much each counts, 0 or more. */
  readonly weights?: { readonly cost: number; readonly latency: number; readonly errorRate: number };
}

/** How a request ended; given once, after the last byte to the client or the failure. */
export interface Finished {
  readonly outcome: Outcome;
  /** Status the client got (499 when it left before any). */
  readonly status: number;
  readonly durationMs: number;
  /**
   * To the first content byte handed to the client, from when its request began, as it saw it: its upload and queues
   * included. Absent when none was.
   */
  readonly timeToFirstTokenMs?: number;
  /** Of the attempt that answered, else the sum of what was produced. */
  readonly usage?: Usage;
  /** Body bytes read from and written to the client. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly attempts: readonly Attempt[];
  /** The target that answered. */
  readonly target?: Target;
  readonly error?: GatewayError;
}

/** What an attempt may change and the next one must not see. */
export interface AttemptScope {
  candidates?: readonly Target[];
  body?: RequestBody;
  /** Another model: its targets become the candidates, after the principal was asked. */
  model?: string;
  /** Chosen already: a balancer leaves it. */
  target?: Target;
  /** Gives this attempt up when it aborts; the request goes on. */
  signal?: AbortSignal;
}

/**
 * One request on its way through the chain. What one attempt may change (`candidates`, `target`, `body`, `model`,
 * `upstreamHeaders`) belongs to that attempt: a layer that calls `next()` again hands down a fresh context, made from
 * what it had itself when it first called. So nothing of a failed attempt reaches the next, and two attempts may run
 * at once. Everything else is shared by all attempts of the request.
 */
export interface Context {
  readonly id: string;
  readonly operation: Operation;
  readonly request: DownstreamRequest;
  /** Present once the body was read, that is in every plugin that is not `headersOnly`. */
  body: RequestBody;
  /** The model of this attempt: the one that the client asked for, or a fallback's. */
  readonly model: string;
  /** The name that the client asked for, which the reply carries. */
  readonly requestedModel: string;
  /** The client asked for an event stream. */
  readonly stream: boolean;
  /** Targets still in play. Filters replace the list, never change it in place. */
  candidates: readonly Target[];
  /** Chosen by a balancer; without one, dispatch takes the first candidate. */
  target: Target | undefined;
  /** Headers that a plugin adds to the upstream request. Lower-case names. */
  upstreamHeaders: Record<string, string> | undefined;
  principal: Principal | undefined;
  readonly vars: ContextVars;
  /** All attempts so far, running ones included. */
  readonly attempts: readonly Attempt[];
  /** Aborts when the client leaves, when the deadline passes, or when this attempt is given up. */
  readonly signal: AbortSignal;
  /** True after `signal` aborted, without making one. */
  readonly aborted: boolean;
  /** Milliseconds left of the request's deadline, never below 0. Infinity after the commit point. */
  remainingMs(): number;
  /**
   * Milliseconds for which the client was waited for so far while it uploads. They count in no time limit but the
   * client's own.
   */
  uploadWaitMs(): number;
  /** Waits, or throws the abort reason as soon as the request is over. */
  sleep(ms: number): Promise<void>;
  /** Targets of a model for this operation, in config order. Throws 404, 403, 501 or 503 as a request would. */
  resolve(model: string): readonly Target[];
  /**
   * Adds a header to whatever reply leaves in the end, errors included. Framing, connection and `x-request-id` stay the
   * gateway's: those are left out. Throws on what is no name of a header.
   */
  setReplyHeader(name: string, value: string): void;
  readonly log: Logger;
  /** Settles once, when the request is over. */
  readonly finished: Promise<Finished>;
  /** The same without a promise; runs at once if the request is over. */
  onFinished(listener: (finished: Finished) => void): void;
}
