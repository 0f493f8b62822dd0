import type { Attempt } from "../attempt.ts";
import type { RequestBody } from "../body/request-body.ts";
import type {
  AttemptScope,
  Context,
  ContextVars,
  DownstreamRequest,
  Finished,
  Principal,
} from "../context.ts";
import { GatewayError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Operation } from "../operation.ts";
import { toReplyField } from "../reply-fields.ts";
import type { Target } from "../target.ts";
import type { Exchange } from "./exchange.ts";

/** What belongs to one attempt, as it stood when a layer first went on. */
export interface ScopeSnapshot {
  body: RequestBody;
  model: string;
  candidates: readonly Target[];
  upstreamHeaders: Record<string, string> | undefined;
}

const NO_BODY: RequestBody = Object.freeze<RequestBody>({
  kind: "none",
  json: Object.freeze({}),
  replayable: true,
  bytes: undefined,
  get: () => undefined,
  typeOf: () => "missing",
  isEmpty: () => false,
  view: () => undefined,
  mayHoldKey: () => false,
  mayHoldText: () => false,
  with: () => NO_BODY,
});
const NO_CANDIDATES: readonly Target[] = Object.freeze<Target[]>([]);

/** One attempt's view of a request. See `Context` for what is shared and what is not. */
export class RequestContext implements Context {
  readonly exchange: Exchange;
  body: RequestBody = NO_BODY;
  model = "";
  candidates: readonly Target[] = NO_CANDIDATES;
  target: Target | undefined = undefined;
  upstreamHeaders: Record<string, string> | undefined = undefined;
  /** Signals of the scopes around this attempt. */
  #scopeSignal: AbortSignal | undefined;

  constructor(exchange: Exchange) {
    this.exchange = exchange;
  }

  snapshot(): ScopeSnapshot {
    return {
      body: this.body,
      model: this.model,
      candidates: this.candidates,
      upstreamHeaders: this.upstreamHeaders && { ...this.upstreamHeaders },
    };
  }

  /** A fresh context for a further attempt: what the snapshot held, changed by the scope. */
  fork(from: ScopeSnapshot, scope: AttemptScope | undefined): RequestContext {
    const fork = new RequestContext(this.exchange);
    fork.body = scope?.body ?? from.body;
    fork.model = from.model;
    fork.candidates = scope?.candidates ?? from.candidates;
    fork.upstreamHeaders = from.upstreamHeaders && { ...from.upstreamHeaders };
    fork.target = scope?.target;
    fork.#scopeSignal = joinSignals(this.#scopeSignal, scope?.signal);
    if (scope?.model !== undefined && scope.model !== from.model) {
      fork.model = scope.model;
      // The request named none itself: then this is what it is about.
      if (this.exchange.requestedModel === "") this.exchange.requestedModel = scope.model;
      fork.candidates = scope.candidates ?? this.resolve(scope.model);
    }
    return fork;
  }

  get id(): string {
    return this.exchange.id;
  }
  get operation(): Operation {
    return this.exchange.operation;
  }
  get request(): DownstreamRequest {
    return this.exchange.request;
  }
  get requestedModel(): string {
    return this.exchange.requestedModel;
  }
  get stream(): boolean {
    return this.exchange.stream;
  }
  get principal(): Principal | undefined {
    return this.exchange.principal;
  }
  set principal(principal: Principal | undefined) {
    this.exchange.principal = principal;
  }
  get vars(): ContextVars {
    return this.exchange.vars;
  }
  get attempts(): readonly Attempt[] {
    return this.exchange.attempts;
  }
  get scopeSignal(): AbortSignal | undefined {
    return this.#scopeSignal;
  }
  get signal(): AbortSignal {
    return joinSignals(this.exchange.signal, this.#scopeSignal)!;
  }
  get aborted(): boolean {
    return this.exchange.abortReason !== undefined || this.#scopeSignal?.aborted === true;
  }
  get log(): Logger {
    return this.exchange.log;
  }
  get finished(): Promise<Finished> {
    return this.exchange.finished;
  }

  remainingMs(): number {
    return this.exchange.remainingMs();
  }

  uploadWaitMs(): number {
    return this.exchange.uploadWaitMs(performance.now());
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const signal = this.signal;
      if (signal.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const timer = setTimeout(() => {
        signal.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      const onAbort = (): void => {
        clearTimeout(timer);
        reject(signal.reason as Error);
      };
      signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  resolve(model: string): readonly Target[] {
    const { principal, router, operation } = this.exchange;
    if (principal?.allowsModel && !principal.allowsModel(model))
      throw new GatewayError("model_not_allowed", {
        param: "model",
        message: `The key does not allow the model \`${model}\``,
      });
    return router.resolve(model, operation);
  }

  setReplyHeader(name: string, value: string): void {
    const field = toReplyField(name);
    if (field !== "") (this.exchange.replyHeaders ??= {})[field] = value;
  }

  onFinished(listener: (finished: Finished) => void): void {
    this.exchange.onFinished(listener);
  }
}

function joinSignals(a: AbortSignal | undefined, b: AbortSignal | undefined): AbortSignal | undefined {
  if (!a || !b) return a ?? b;
  return AbortSignal.any([a, b]);
}
