import { randomBytes } from "node:crypto";
import { H3 } from "h3";
import type { Backend } from "./backend.ts";
import { composeChain, type Handler, type Layer } from "./chain.ts";
import { createFaultList } from "./config/check.ts";
import { pathText } from "./config/fault.ts";
import { checkInstance } from "./config/plugin-contract.ts";
import type { Condition, ResolvedBackend, ResolvedConfig, ResolvedPlugin } from "./config/resolved.ts";
import { createDispatch } from "./dispatch/dispatch.ts";
import { createInnerCall } from "./inner-call.ts";
import { GatewayError } from "./errors.ts";
import type { Logger } from "./log.ts";
import { seeksTarget, type Operation, type OperationName } from "./operation.ts";
import { coreOperations } from "./operations/index.ts";
import type { ChainFact, GatewayHost, PluginInstance } from "./plugin.ts";
import type { Reply } from "./reply.ts";
import { createAdmission } from "./request/read-body.ts";
import type { RequestContext } from "./request/request-context.ts";
import { Sweeper } from "./request/sweeper.ts";
import { createCatalog, createDiscovery } from "./models/catalog.ts";
import type { Load } from "./models/routed-target.ts";
import { createRouter, type Router } from "./router.ts";
import { createClientAddress } from "./server/client-address.ts";
import type { ExchangeKeeping } from "./server/open-exchange.ts";
import { createOperationRoutes, type OperationRoutes } from "./server/operation-routes.ts";
import { setupRefusal, StartRefused } from "./server/start-refused.ts";
import { createWebHandler } from "./server/web-handler.ts";
import type { State } from "./state/state.ts";
import type { Transport } from "./transport/transport.ts";
import { createUndiciTransport } from "./transport/undici-transport.ts";
import { patiently, within, type Wait } from "./wait.ts";

export interface GatewayOptions {
  /** Where plugins keep state; it outlives the snapshot, so that a reload forgets nothing. */
  state: State;
  log: Logger;
  /** What is carried over reloads, by plugins and by targets; the process keeps it. */
  carried?: Map<string, unknown>;
  /** This process in `Via` headers; the same for every snapshot of a process. */
  via?: string;
  /** What the process keeps of running requests; by default the gateway keeps its own. */
  keeping?: ExchangeKeeping;
  /** The snapshot in force, which a reload replaces; by default this one. */
  current?(): Gateway;
  /** Waits for each plugin to be set up; by default as long as it takes. */
  wait?: Wait;
  createTransport?(backend: ResolvedBackend): Transport;
  random?(): number;
  now?(): number;
}

/** A config at work: an immutable snapshot. A reload makes a new one and closes this after its last request. */
export interface Gateway {
  readonly config: ResolvedConfig;
  readonly router: Router;
  readonly routes: OperationRoutes;
  readonly via: string;
  readonly log: Logger;
  /** Control plane and whatever routes plugins added. */
  readonly app: H3;
  /** Names of the chain's layers, in order, for the log. */
  readonly chainNames: readonly string[];
  /** Runs the chain. */
  readonly handle: Handler;
  /** Counts a request in; the snapshot stays open until it is counted out. */
  retain(): void;
  release(): void;
  readonly active: number;
  /** Waits for the last request, then closes plugins and connections. */
  close(): Promise<void>;
}

/** Facts that there are only once the body was read and its model found. */
const ADMISSION_FACTS: ReadonlySet<ChainFact> = new Set<ChainFact>(["body", "model", "candidates", "target"]);

/** Builds a gateway from a checked config. On failure everything that was opened is closed again. */
export async function createGateway(config: ResolvedConfig, options: GatewayOptions): Promise<Gateway> {
  const { log, wait = patiently } = options;
  const via = options.via ?? createViaName();
  const backends = new Map<string, Backend>();
  const createTransport = options.createTransport ?? defaultTransport;
  for (const backend of config.backends)
    backends.set(backend.name, Object.freeze({ ...backend, transport: createTransport(backend) }));
  const operations = new Map<OperationName, Operation>(
    coreOperations.map((operation) => [operation.name, Object.freeze(operation)]),
  );
  const carried = options.carried ?? new Map<string, unknown>();
  // No plugin's key: those have a colon in them.
  const loads = carry(carried, "loads", () => new Map<string, Load>());
  const router = createRouter(config, backends, operations, loads);
  const discovery = createDiscovery(config, backends, router, options);
  const keeping = options.keeping ?? { sweeper: new Sweeper(), requestLog: undefined };
  // A plugin says itself who asks: what its requests have of forwarding headers counts for nothing.
  const clientAddress = createClientAddress([]);
  const innerOptions = { ...keeping, clientAddress, operationsOnly: true };
  const inner = createWebHandler({ ...innerOptions, current: () => gateway });
  const latest = createWebHandler({ ...innerOptions, current: options.current ?? (() => gateway) });
  const { replyBytes: maxReplyBytes, jsonDepth: maxReplyDepth } = config.server.limits;
  const dispatch = createDispatch({ via, operations, maxReplyBytes, maxReplyDepth });
  const call = createInnerCall({ gateway: () => gateway, dispatch, keeping });

  const app = new H3({ silent: true });
  const instances: { plugin: ResolvedPlugin; instance: PluginInstance }[] = [];
  const inTime = within(config.server.closeTimeoutMs);
  const closePlugin = async (
    { plugin: { name } }: ResolvedPlugin,
    instance: PluginInstance,
  ): Promise<void> => {
    try {
      // Of what setup returned nothing is known where it was refused.
      const closed = (instance as PluginInstance | undefined)?.close?.();
      if (closed) await inTime(closed, `the closing of ${name}`);
    } catch (error) {
      log.error("a plugin failed to close", { plugin: name, error: String(error) });
    }
  };
  const closeAll = async (): Promise<void> => {
    discovery.close();
    for (const { plugin, instance } of instances.toReversed()) await closePlugin(plugin, instance);
    await Promise.all([...backends.values()].map(({ transport }) => transport.close()));
  };

  let routes: OperationRoutes;
  try {
    await discovery.start();
    for (const { plugin, scope } of withScopes(config.plugins)) {
      const host: GatewayHost = {
        state: options.state.scoped(scope),
        carry: <T>(key: string, create: () => T): T => carry(carried, `${scope}:${key}`, create),
        log,
        backends,
        targets: router.targets,
        operations,
        catalog: createCatalog(router, discovery),
        workers: config.server.workers,
        fetch: (request, { address, current } = {}) => (current ? latest : inner)(request, { address }),
        call,
        random: options.random ?? Math.random,
        now: options.now ?? (() => performance.now()),
      };
      const settingUp = atPlace(plugin, config, () => plugin.plugin.definition.setup(plugin.options, host));
      const instance = await wait(settingUp, `the setup of ${pathText(plugin.path)}`).catch(
        (error: unknown) => {
          // It may come when nobody wants it any more.
          void settingUp.then(
            (late) => closePlugin(plugin, late),
            () => {},
          );
          throw error;
        },
      );
      instances.push({ plugin, instance });
      refuseMisfits(instance, plugin, config);
      for (const operation of instance.operations ?? [])
        operations.set(operation.name, Object.freeze(operation));
    }
    for (const { plugin, instance } of instances) await atPlace(plugin, config, () => instance.routes?.(app));
    routes = createOperationRoutes([...operations.values()]);
  } catch (error) {
    await closeAll();
    throw error;
  }

  const handle = buildChain(config, instances, router, dispatch);
  let active = 0;
  let onIdle: (() => void) | undefined;
  let closing: Promise<void> | undefined;
  const gateway: Gateway = {
    config,
    router,
    routes,
    via,
    log,
    app,
    chainNames: config.plugins.map(({ plugin }) => plugin.name),
    handle,
    retain: () => {
      active++;
    },
    release: () => {
      active--;
      if (active === 0) onIdle?.();
    },
    get active() {
      return active;
    },
    close: () =>
      (closing ??= (async () => {
        if (active > 0) await new Promise<void>((resolve) => (onIdle = resolve));
        if (!options.keeping) keeping.sweeper.close();
        await closeAll();
      })()),
  };
  return gateway;
}

/** Runs a part of a plugin's setup: what it throws is told with the plugin's place in the config. */
async function atPlace<T>(
  { path }: ResolvedPlugin,
  { file }: ResolvedConfig,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw setupRefusal(error, { file, path: pathText(path) });
  }
}

function refuseMisfits(
  instance: unknown,
  { path }: ResolvedPlugin,
  { file = "config" }: ResolvedConfig,
): void {
  const list = createFaultList(file);
  if (!checkInstance(instance, path, list)) throw new StartRefused(list.faults);
}

/** A plugin that is listed twice keeps two states: the second is `name-2`. */
function withScopes(plugins: readonly ResolvedPlugin[]): { plugin: ResolvedPlugin; scope: string }[] {
  const seen = new Map<string, number>();
  return plugins.map((plugin) => {
    const { name } = plugin.plugin;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { plugin, scope: count === 1 ? name : `${name}-${count}` };
  });
}

function carry<T>(carried: Map<string, unknown>, key: string, create: () => T): T {
  if (!carried.has(key)) carried.set(key, create());
  return carried.get(key) as T;
}

/** Random, so that a request that comes back is told from one that went through another gateway. */
export function createViaName(): string {
  return `gatewright-${randomBytes(6).toString("hex")}`;
}

function defaultTransport(backend: ResolvedBackend): Transport {
  return createUndiciTransport(backend.baseURL, {
    connectMs: backend.timeouts.connectMs,
    connections: backend.connections,
  });
}

/** Headers-only plugins first, as listed; then admission; then the rest; then dispatch. */
function buildChain(
  config: ResolvedConfig,
  instances: readonly { plugin: ResolvedPlugin; instance: PluginInstance }[],
  router: Router,
  dispatch: Handler,
): Handler {
  const needsBody = ({ plugin }: { plugin: ResolvedPlugin }): boolean =>
    plugin.plugin.definition.headersOnly !== true ||
    plugin.conditions.some(({ models }) => models !== undefined);
  const firstWithBody = instances.findIndex(needsBody);
  const split = firstWithBody < 0 ? instances.length : firstWithBody;

  const last: Handler = (ctx) => (ctx.operation.answer ? answerHere(ctx, router) : dispatch(ctx));
  const toLayers = (entry: (typeof instances)[number]): Layer[] => toLayer(entry, router.operations);
  const inner = composeChain(instances.slice(split).flatMap(toLayers), last);
  const admission = createAdmission(config, inner);
  const admit: Handler = (ctx) => {
    const { exchange, operation } = ctx;
    if (operation.body !== "none" || seeksTarget(operation)) return admission(ctx);
    exchange.stream = operation.wantsStream?.(ctx.body, ctx.request) ?? false;
    return inner(ctx);
  };
  return composeChain(instances.slice(0, split).flatMap(toLayers), admit);
}

async function answerHere(ctx: RequestContext, router: Router): Promise<Reply> {
  return ctx.operation.answer!(ctx, router);
}

function toLayer(
  { plugin, instance }: { plugin: ResolvedPlugin; instance: PluginInstance },
  operations: ReadonlyMap<OperationName, Operation>,
): Layer[] {
  const { middleware } = instance;
  if (!middleware) return [];
  const without = operationsWithout(plugin, operations.values());
  const conditions = plugin.conditions.map(toPredicate);
  if (without.size === 0 && conditions.length === 0) return [{ middleware }];
  return [
    {
      middleware,
      applies: (ctx) => !without.has(ctx.operation) && conditions.every((holds) => holds(ctx)),
    },
  ];
}

/** Operations that the plugin is no layer of: its needs cannot be met, or they only bring further requests. */
function operationsWithout(
  { plugin, conditions }: ResolvedPlugin,
  operations: Iterable<Operation>,
): Set<Operation> {
  const { needs = [], gives = [] } = plugin.definition;
  const needsTarget = needs.some((fact) => ADMISSION_FACTS.has(fact));
  const needsModel = needs.includes("model");
  const named = new Set<string>(conditions.flatMap((condition) => condition.operations ?? []));
  const isWithout = (operation: Operation): boolean =>
    (needsTarget && !seeksTarget(operation)) ||
    (needsModel && operation.modelless === true) ||
    (operation.carriesRequests === true && !gives.includes("principal") && !named.has(operation.name));
  return new Set([...operations].filter(isWithout));
}

function toPredicate({ operations, models }: Condition): (ctx: RequestContext) => boolean {
  const operationSet = operations && new Set<string>(operations);
  const modelSet = models && new Set(models);
  return (ctx) =>
    (!operationSet || operationSet.has(ctx.operation.name)) &&
    (!modelSet || modelSet.has(ctx.requestedModel));
}

/** What a request gets whose route does not exist. */
export function notFound(method: string, path: string): GatewayError {
  return new GatewayError("not_found", { message: `No route ${method} ${path}` });
}

/** What a request gets whose path has other methods: `allow` lists them (RFC 9110, section 10.2.1). */
export function methodNotAllowed(method: string, allow: string): GatewayError {
  return new GatewayError("method_not_allowed", {
    message: `${method} is not allowed here, only ${allow}`,
    headers: { allow },
  });
}
