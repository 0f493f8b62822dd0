import { hash } from "node:crypto";
import { GatewayError, stringifyJson } from "gatewright";
import type { Context, GatewayHost } from "gatewright";
import type { RequestId } from "./json-rpc.ts";

/** How often what other processes were told is asked for, and how long it stands there. */
const ASK_MS = 1_000;
const KEEP_MS = 60_000;

/**
 * The calls of clients before 2026-07-28, which cancel by a message of its own: that comes over another connection, and
 * with state that processes share maybe to another one, which leaves word there.
 */
export class RunningCalls {
  /** Outlives reloads, as calls do. */
  readonly #calls: Map<string, AbortController>;
  readonly #gateway: Pick<GatewayHost, "state" | "log">;
  #timer: NodeJS.Timeout | undefined;

  constructor(gateway: GatewayHost) {
    this.#calls = gateway.carry("calls", () => new Map<string, AbortController>());
    this.#gateway = gateway;
  }

  /**
   * Lets `call` be given up by who leaves, as `outer` tells, and under its name, where it has one, by a message. Gives
   * what is to be called when it is over.
   */
  begin(name: string | undefined, call: AbortController, outer: AbortSignal): () => void {
    const leave = (): void => call.abort(outer.reason);
    if (outer.aborted) leave();
    outer.addEventListener("abort", leave, { once: true });
    if (name !== undefined) {
      this.#calls.set(name, call);
      if (this.#gateway.state.shared)
        this.#timer ??= setInterval(() => void this.#askOthers(), ASK_MS).unref();
    }
    return () => {
      outer.removeEventListener("abort", leave);
      if (name !== undefined && this.#calls.get(name) === call) this.#calls.delete(name);
      if (this.#calls.size === 0) this.close();
    };
  }

  /** One that is over, or never was, is none to complain about (MCP, "Cancellation"). */
  async cancel(name: string): Promise<void> {
    const { state, log } = this.#gateway;
    if (this.#cancelHere(name) || !state.shared) return;
    try {
      await state.set(name, {}, { ttlMs: KEEP_MS });
    } catch (error) {
      log.warn("mcp: a cancellation did not reach the other processes", { error: String(error) });
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #cancelHere(name: string): boolean {
    const call = this.#calls.get(name);
    call?.abort(new GatewayError("client_closed_request"));
    return call !== undefined;
  }

  async #askOthers(): Promise<void> {
    const { state, log } = this.#gateway;
    try {
      for (const name of this.#calls.keys()) {
        if (!(await state.get(name))) continue;
        this.#cancelHere(name);
        await state.remove(name);
      }
    } catch (error) {
      log.debug("mcp: cancellations of other processes are not known", { error: String(error) });
    }
  }
}

/**
 * What a call is known by: who asks, in which session, under which id. Without a session it has no name: ids are
 * counted by each client for itself, so that one would cancel the calls of another.
 */
export function nameOfCall({ principal, request }: Context, id: RequestId): string | undefined {
  const session = request.headers["mcp-session-id"];
  if (session === undefined) return undefined;
  return hash("sha256", stringifyJson([principal?.id ?? null, session, id]), "hex");
}
