import { setTimeout as sleep } from "node:timers/promises";
import { createGateway, createViaName, type Gateway } from "../gateway.ts";
import type { ResolvedConfig } from "../config/resolved.ts";
import { Sweeper } from "../request/sweeper.ts";
import { createState, type StateRoot } from "../state/create-state.ts";
import { AbsentBackends } from "./absent-backends.ts";
import { createClientAddress, type ClientAddressOf } from "./client-address.ts";
import { addErrorShape, addHealthRoutes } from "./control-plane.ts";
import { createLogging, type Logging, type LogSink } from "./logging.ts";
import type { UpgradeListener } from "./http-server.ts";
import { createNodeListener, type NodeListener } from "./node-listener.ts";
import type { ExchangeKeeping } from "./open-exchange.ts";
import { shuttingDown } from "./refusal.ts";
import { createUpgradeListener } from "./upgrade-listener.ts";
import { createWebHandler, type WebHandler } from "./web-handler.ts";
import { SETTLE_MS, within, type Wait } from "../wait.ts";

export interface GatewayProcessOptions {
  logSink?: LogSink;
  /** Waits for each plugin to be set up at the start; by default as long as it takes. */
  wait?: Wait;
}

/** A reload serves those who can be served: a plugin that is not set up in time ends it. */
const RELOAD_WAIT = within(SETTLE_MS);

/** What plugins have for closing once a second signal has come, in milliseconds: for their last writes. */
const HURRIED_CLOSE_MS = 500;

/**
 * What lives as long as the process, under changing configs: state, log, time limits, the snapshot in force. It
 * serves no port itself; a server passes requests to its listener.
 */
export class GatewayProcess {
  readonly listener: NodeListener;
  /** Beside the listener, for requests that ask for another protocol. */
  readonly onUpgrade: UpgradeListener;
  /** The same way in for runtimes that speak web `Request` and `Response`. */
  readonly fetch: WebHandler;
  readonly #via = createViaName();
  readonly #carried = new Map<string, unknown>();
  readonly #absent = new AbsentBackends(this);
  readonly #sweeper = new Sweeper();
  readonly #keeping: ExchangeKeeping = {
    sweeper: this.#sweeper,
    requestLog: (exchange, finished) => this.#logging.requestLog?.(exchange, finished),
  };
  #state!: StateRoot;
  #logging!: Logging;
  #current!: Gateway;
  #clientAddress!: ClientAddressOf;
  #draining = false;
  #closing = false;
  readonly #retired = new Set<Promise<void>>();
  /** Resolves when plugins have to be quick. */
  readonly #hurried: Promise<void>;
  #hurry!: () => void;

  private constructor() {
    this.#hurried = new Promise((resolve) => (this.#hurry = resolve));
    const clientAddress: ClientAddressOf = (peer, headers) => this.#clientAddress(peer, headers);
    const shared = { ...this.#keeping, clientAddress, current: () => this.#current };
    const nodeOptions = { ...shared, closing: () => this.#closing };
    this.listener = createNodeListener(nodeOptions);
    this.onUpgrade = createUpgradeListener(nodeOptions);
    this.fetch = createWebHandler(shared);
  }

  static async start(config: ResolvedConfig, options: GatewayProcessOptions = {}): Promise<GatewayProcess> {
    const created = new GatewayProcess();
    created.#logging = createLogging(config.log, options.logSink);
    created.#state = await createState(config.state, { log: created.#logging.log });
    try {
      await created.#take(config, options.wait);
    } catch (error) {
      await created.#state.close();
      throw error;
    }
    return created;
  }

  get config(): ResolvedConfig {
    return this.#current.config;
  }

  get log(): Logging["log"] {
    return this.#logging.log;
  }

  get chainNames(): readonly string[] {
    return this.#current.chainNames;
  }

  /** Requests running now, those of retired snapshots included. */
  get active(): number {
    return this.#sweeper.size;
  }

  /**
   * Takes a new config into use; on failure the old one serves on, also where a plugin is not set up in ten seconds, or
   * as `wait` has it. Running requests keep the one they started with.
   */
  async reload(config: ResolvedConfig, wait: Wait = RELOAD_WAIT): Promise<void> {
    const previous = this.#current;
    await this.#take(config, wait);
    const retired = previous.close().finally(() => this.#retired.delete(retired));
    this.#retired.add(retired);
  }

  /** Takes a new snapshot into use. Nothing has changed when it cannot be built. */
  async #take(config: ResolvedConfig, wait: Wait | undefined): Promise<void> {
    const clientAddress = createClientAddress(config.server.trustedProxies);
    const gateway = await createGateway(config, {
      state: this.#state,
      log: this.#logging.log,
      via: this.#via,
      carried: this.#carried,
      keeping: this.#keeping,
      ...(wait && { wait }),
      current: () => this.#current,
    });
    addHealthRoutes(gateway.app, { draining: () => this.#draining, stateOk: () => this.#state.status().ok });
    addErrorShape(gateway);
    this.#clientAddress = clientAddress;
    this.#current = gateway;
    this.#absent.follow();
  }

  /** Readiness fails from now on, while requests are still taken. */
  drain(): void {
    this.#draining = true;
  }

  /** Replies carry `connection: close` from now on. */
  closeConnections(): void {
    this.#closing = true;
  }

  /** Ends what still runs: an error event in streams, 503 elsewhere. */
  abortAll(): void {
    for (const exchange of this.#sweeper.entries()) exchange.abort(shuttingDown());
  }

  /** Calls what still runs over, though nobody said so: once no connection is left, nothing else would. */
  terminateAll(): void {
    for (const exchange of this.#sweeper.entries()) exchange.terminate(shuttingDown());
  }

  /** Plugins that take long to close are not waited for from now on. */
  hurry(): void {
    this.#hurry();
  }

  /** After the last request: closes plugins, connections, state, and writes the last log lines. */
  async close(): Promise<void> {
    this.#absent.close();
    const closed = Promise.all([this.#current.close(), ...this.#retired]);
    await Promise.race([closed, this.#hurried.then(() => sleep(HURRIED_CLOSE_MS))]);
    this.#sweeper.close();
    await this.#state.close();
    this.#logging.flush();
  }
}
