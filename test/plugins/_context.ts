/**
 * A request on its way through plugins without a gateway around: the chain is core's, the context holds just what
 * plugins see, dispatch is a script, and the clock moves only when somebody sleeps.
 */
import { coreOperations, defineOperation, GatewayError, isGatewayError } from "gatewright";
import type {
  Attempt,
  AttemptScope,
  Backend,
  ConfigView,
  Context,
  ContextVars,
  Finished,
  GatewayHost,
  Middleware,
  Operation,
  OperationName,
  Plugin,
  PluginInstance,
  Reply,
  RequestBody,
  State,
  Target,
  UpstreamFailure,
} from "gatewright";
import { viewOf } from "../../core/src/body/json-view.ts";
import { createConfigView } from "../../core/src/config/config-view.ts";
import type { ResolvedBackend } from "../../core/src/config/resolved.ts";
import { composeChain } from "../../core/src/chain.ts";
import { AtomicTable } from "../../core/src/state/memory/atomic-table.ts";
import type { RequestContext, ScopeSnapshot } from "../../core/src/request/request-context.ts";

/** The clock, the dice and the log of a gateway. */
export interface FakeHost extends GatewayHost {
  nowMs: number;
  readonly warnings: string[];
  operations: GatewayHost["operations"];
}

/** mulberry32: small, seeded, even enough for shares. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function createHost({ seed = 1, random = createRandom(seed) } = {}): FakeHost {
  const warnings: string[] = [];
  const host: FakeHost = {
    nowMs: 0,
    warnings,
    state: createRecords(() => host.nowMs * 1_000),
    carry: (_key, create) => create(),
    backends: new Map(),
    targets: new Map(),
    operations: new Map(),
    catalog: {
      isOnline: () => true,
      setOnline() {},
      refresh: () => Promise.reject(new Error("there is no gateway here")),
      target: (backend, model) => createTarget(backend, { model }),
    },
    workers: 1,
    log: {
      debug() {},
      info() {},
      error() {},
      warn: (message) => warnings.push(message),
    },
    random,
    now: () => host.nowMs,
    fetch: () => Promise.reject(new Error("there is no gateway here")),
    call: () => Promise.reject(new Error("there is no gateway here")),
  };
  return host;
}

/** The atomic part of memory state, on a clock of the test's. */
function createRecords(nowUs: () => number): State {
  const table = new AtomicTable(1_000_000, nowUs);
  const state: Partial<State> = {
    driver: "memory",
    shared: false,
    run: (op, keys, args) => table.run(op, "", keys, args),
  };
  return state as State;
}

export interface OptionsFault {
  path: string;
  message: string;
}

/** Checks the options and returns the faults; none when they hold. */
export function findFaults({ definition, options }: Plugin): OptionsFault[] {
  const result = definition.options["~standard"].validate(options);
  if (result instanceof Promise) throw new Error("options are checked synchronously");
  return (result.issues ?? []).map(({ message, path = [] }) => ({
    message,
    path: path.map((step) => String(typeof step === "object" ? step.key : step)).join("."),
  }));
}

/** Checks the options and sets the plugin up, as a gateway does at its start. */
export async function setupPlugin(plugin: Plugin, host: GatewayHost = createHost()): Promise<PluginInstance> {
  const result = plugin.definition.options["~standard"].validate(plugin.options);
  if (result instanceof Promise || result.issues) throw new Error(JSON.stringify(findFaults(plugin)));
  const unknown = plugin.definition.check?.(result.value, createView(host)) ?? [];
  if (unknown.length > 0) throw new Error(unknown.map(({ path }) => path.join(".")).join(", "));
  return plugin.definition.setup(result.value, host);
}

/** The config of such a host, whose backends may have any model. */
function createView({ backends, targets, operations }: GatewayHost): ConfigView {
  const listing = [...targets.values()].map(({ backend, model }) => ({ backend: backend.name, model }));
  const resolved = [...backends.values()].map(({ name, adapter }) => ({
    name,
    adapter: adapter ?? { name: "plain", provider: "plain" },
    models: listing.filter(({ backend }) => backend === name).map(({ model }) => model),
    discovers: false,
  }));
  return createConfigView({
    names: [...backends.keys()],
    backends: resolved as unknown as ResolvedBackend[],
    models: [],
    modelNames: undefined,
    operations: new Set(operations.keys()),
    knownVendors: [],
    incomplete: false,
  });
}

export async function setupMiddlewares(plugins: readonly Plugin[], host: GatewayHost): Promise<Middleware[]> {
  const instances = await Promise.all(plugins.map((plugin) => setupPlugin(plugin, host)));
  return instances.flatMap(({ middleware }) => middleware ?? []);
}

export function createBackend(name: string): Backend {
  return { name } as Backend;
}

/** A target `name/model`, on a backend of its own unless one is given. */
export function createTarget(
  name: string,
  { weight = 1, backend = createBackend(name), model = "m" } = {},
): Target {
  return { id: `${name}/${model}`, backend, model, weight, inFlight: 0 };
}

export function createOperation(name: OperationName, fields: Partial<Operation> = {}): Operation {
  return defineOperation({
    name,
    method: "POST",
    paths: [`/v1/${name}`],
    dialect: { name: "openai", errorBody: () => "", errorEvent: () => "" },
    body: "json",
    reply: "json",
    replaySafe: true,
    parameters: coreOperations.find((operation) => operation.name === name)?.parameters,
    ...fields,
  });
}

export interface FakeRequest {
  operation?: Operation;
  headers?: Record<string, string>;
  query?: string;
  clientAddress?: string;
  model?: string;
  candidates?: readonly Target[];
  json?: Record<string, unknown>;
  replayable?: boolean;
  stream?: boolean;
  /** On the host's clock. */
  deadlineMs?: number;
}

/** What all attempts of a request share. */
interface Shared {
  readonly request: FakeRequest;
  readonly host: FakeHost;
  readonly attempts: Attempt[];
  readonly sleeps: number[];
  readonly replyHeaders: Record<string, string>;
  readonly vars: ContextVars;
  readonly onFinished: ((finished: Finished) => void)[];
  principal: Context["principal"];
  abort: AbortController;
}

export class FakeContext implements Context {
  readonly #shared: Shared;
  #scopeSignal: AbortSignal | undefined;
  readonly id = "request-1";
  body: RequestBody;
  model: string;
  candidates: readonly Target[];
  target: Target | undefined = undefined;
  upstreamHeaders: Record<string, string> | undefined = undefined;
  readonly finished = new Promise<never>(() => {});
  readonly operation: Operation;
  readonly request: Context["request"];

  constructor(request: FakeRequest, host: FakeHost, shared?: Shared) {
    this.#shared = shared ?? {
      request,
      host,
      attempts: [],
      sleeps: [],
      replyHeaders: {},
      vars: {},
      onFinished: [],
      principal: undefined,
      abort: new AbortController(),
    };
    this.operation = request.operation ?? createOperation("chat");
    this.request = {
      method: this.operation.method,
      path: this.operation.paths[0]!,
      query: request.query ?? "",
      headers: request.headers ?? {},
      clientAddress: request.clientAddress ?? "203.0.113.9",
    };
    this.model = request.model ?? "m";
    this.candidates = request.candidates ?? [];
    this.body = createBody(request.json ?? {}, request.replayable ?? true);
  }

  get requestedModel(): string {
    return this.#shared.request.model ?? "m";
  }
  get principal(): Context["principal"] {
    return this.#shared.principal;
  }
  set principal(principal) {
    this.#shared.principal = principal;
  }
  get stream(): boolean {
    return this.#shared.request.stream ?? false;
  }
  get vars(): ContextVars {
    return this.#shared.vars;
  }
  get attempts(): Attempt[] {
    return this.#shared.attempts;
  }
  /** Pauses so far, in milliseconds. */
  get sleeps(): number[] {
    return this.#shared.sleeps;
  }
  get signal(): AbortSignal {
    const { signal } = this.#shared.abort;
    return this.#scopeSignal ? AbortSignal.any([signal, this.#scopeSignal]) : signal;
  }
  get aborted(): boolean {
    return this.signal.aborted;
  }
  get log(): Context["log"] {
    return this.#shared.host.log;
  }

  /** The client goes away. */
  leave(): void {
    this.#shared.abort.abort(new GatewayError("client_closed_request"));
  }

  snapshot(): ScopeSnapshot {
    const { body, model, candidates, upstreamHeaders } = this;
    return { body, model, candidates, upstreamHeaders };
  }

  fork(from: ScopeSnapshot, scope: AttemptScope = {}): FakeContext {
    const fork = new FakeContext(this.#shared.request, this.#shared.host, this.#shared);
    const { signal, ...changes } = scope;
    fork.#scopeSignal = signal ?? this.#scopeSignal;
    return Object.assign(fork, from, changes);
  }

  remainingMs(): number {
    const { request, host } = this.#shared;
    return Math.max(0, (request.deadlineMs ?? 60_000) - host.nowMs);
  }

  uploadWaitMs(): number {
    return 0;
  }

  async sleep(ms: number): Promise<void> {
    this.#shared.sleeps.push(ms);
    this.#shared.host.nowMs += ms;
    await Promise.resolve();
    this.signal.throwIfAborted();
  }

  resolve(): readonly Target[] {
    return this.candidates;
  }
  /** Headers of whatever reply leaves. */
  get replyHeaders(): Record<string, string> {
    return this.#shared.replyHeaders;
  }
  setReplyHeader(name: string, value: string): void {
    this.#shared.replyHeaders[name] = value;
  }
  onFinished(listener: (finished: Finished) => void): void {
    this.#shared.onFinished.push(listener);
  }
  /** The last byte has gone out; listeners run once. */
  finish(finished: Partial<Finished> = {}): void {
    for (const listener of this.#shared.onFinished.splice(0)) listener(finished as Finished);
  }
}

function createBody(json: Record<string, unknown>, replayable: boolean): RequestBody {
  return {
    ...viewOf(json),
    kind: "json",
    replayable,
    bytes: undefined,
    mayHoldKey: (name) => JSON.stringify(json).includes(`"${name}"`),
    mayHoldText: (start) => JSON.stringify(json).includes(`"${start}`),
    with: (fields) => createBody({ ...json, ...fields }, replayable),
  };
}

/** What a backend does with one attempt: a reply's status, or a failure, perhaps after headers with `attemptStatus`. */
export type Answer = number | (Partial<UpstreamFailure> & { readonly attemptStatus?: number });
export type Answers = (target: Target, ctx: Context) => Answer | Promise<Answer>;

/** Replies 200 or fails as core's dispatch does, and keeps `inFlight` meanwhile. */
export function createDispatch(answers: Answers = () => 200): (ctx: Context) => Promise<Reply> {
  return async function dispatch(ctx) {
    if (ctx.aborted) throw new GatewayError("client_closed_request");
    const target = ctx.target ?? ctx.candidates[0];
    if (target === undefined) throw new GatewayError("no_available_instances");
    const attempt: Attempt = {
      number: ctx.attempts.length + 1,
      target,
      startedAt: 0,
      timeToFirstByteMs: 100,
      onSettled() {},
    };
    (ctx.attempts as Attempt[]).push(attempt);
    target.inFlight++;
    try {
      const answer = await answers(target, ctx);
      if (answer === 200) return { status: 200, headers: {}, body: target.id, attempt };
      throw toError(answer, attempt);
    } finally {
      target.inFlight--;
    }
  };
}

function toError(answer: Answer, attempt: Attempt): GatewayError {
  const { attemptStatus, ...failure }: Exclude<Answer, number> =
    typeof answer === "number" ? { status: answer } : answer;
  const upstream: UpstreamFailure = { kind: "status", sent: true, ...failure };
  const denied = upstream.status === 401 || upstream.status === 403;
  const error = new GatewayError(denied ? "upstream_auth_error" : "provider_error", { upstream });
  error.attempt = { ...attempt, status: attemptStatus ?? failure.status };
  return error;
}

/** Sends one request through the middlewares to dispatch. */
export function run(
  middlewares: readonly Middleware[],
  ctx: FakeContext,
  dispatch = createDispatch(),
): Promise<Reply> {
  const chain = composeChain(
    middlewares.map((middleware) => ({ middleware })),
    dispatch,
  );
  return chain(ctx as unknown as RequestContext);
}

/** The error that a request ends with. */
export async function failureOf(reply: Promise<Reply>): Promise<GatewayError> {
  const error: unknown = await reply.then(
    ({ status }) => new Error(`expected a failure, got a reply with ${status}`),
    (thrown: unknown) => thrown,
  );
  if (!isGatewayError(error)) throw error;
  return error;
}

/** How often each value occurs. */
export function tally<T>(values: Iterable<T>): Map<T, number> {
  const counts = new Map<T, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}
