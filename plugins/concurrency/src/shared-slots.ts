import { randomBytes } from "node:crypto";
import { GatewayError, isStateUnavailable, OutageLog } from "gatewright";
import type { GatewayHost, State } from "gatewright";
import { giveLease, renewLeases, takeLease } from "./leases.ts";
import type { Slot, SlotPool } from "./slots.ts";

export interface SharedSlotsOptions {
  readonly name: string;
  readonly max: number;
  readonly leaseMs: number;
  readonly onStoreFailure: "open-local" | "open" | "closed";
  readonly expectedProcesses: number;
}

/** Slots of all processes on one store, each held by a lease that its process renews. */
export class SharedSlots implements SlotPool {
  readonly shared = true;
  readonly #options: SharedSlotsOptions;
  readonly #state: State;
  readonly #log: GatewayHost["log"];
  readonly #outage: OutageLog;
  readonly #keys: readonly string[];
  /** Slots of this process, those taken without the store included. */
  readonly #held = new Set<Slot>();
  /** Slots that the store is being asked for. */
  readonly #asked = new Set<Slot>();
  readonly #process = `p${randomBytes(6).toString("hex")}-`;
  #taken = 0;
  #renewal: NodeJS.Timeout | undefined;
  #storeFails = false;

  constructor(options: SharedSlotsOptions, host: Pick<GatewayHost, "state" | "log" | "now">) {
    this.#options = options;
    this.#state = host.state;
    this.#log = host.log;
    this.#outage = new OutageLog(host, {
      failed: `concurrency: the store cannot be used; ${options.onStoreFailure} holds`,
      answered: "concurrency: the store counts again",
    });
    this.#keys = [options.name];
  }

  async take(): Promise<Slot | undefined> {
    const { max, leaseMs } = this.#options;
    const slot = this.#process + ++this.#taken;
    this.#asked.add(slot);
    try {
      const [fits] = await this.#state.run(takeLease, this.#keys, [slot, max, leaseMs]);
      this.#noteAnswer();
      return fits === 1 ? this.#hold(slot) : undefined;
    } catch (error) {
      if (!isStateUnavailable(error)) throw error;
      this.#noteFailure(error);
      return this.#takeWithout(slot);
    } finally {
      this.#asked.delete(slot);
    }
  }

  /** A slot that the store cannot take back goes with the next renewal, or runs out by itself. */
  give(slot: Slot): void {
    this.#held.delete(slot);
    this.#inBackground(() => this.#state.run(giveLease, this.#keys, [slot, this.#options.leaseMs]));
  }

  close(): void {
    clearInterval(this.#renewal);
  }

  #takeWithout(slot: Slot): Slot | undefined {
    const { max, onStoreFailure, expectedProcesses } = this.#options;
    if (onStoreFailure === "closed")
      throw new GatewayError("state_unavailable", {
        message: "Requests in flight cannot be counted at the moment",
        headers: { "retry-after": "1" },
      });
    const share = Math.max(1, Math.floor(max / expectedProcesses));
    if (onStoreFailure === "open-local" && this.#held.size >= share) return undefined;
    return this.#hold(slot);
  }

  #hold(slot: Slot): Slot {
    this.#held.add(slot);
    // Thrice a lease, so that one lost renewal is no loss.
    this.#renewal ??= setInterval(() => this.#renewWhileHeld(), this.#options.leaseMs / 3).unref();
    return slot;
  }

  #renewWhileHeld(): void {
    if (this.#held.size > 0) {
      this.#renew();
      return;
    }
    clearInterval(this.#renewal);
    this.#renewal = undefined;
  }

  #renew(): void {
    const ids = [...this.#held, ...this.#asked];
    this.#inBackground(() =>
      this.#state.run(renewLeases, this.#keys, [
        this.#options.leaseMs,
        this.#process,
        this.#held.size,
        ...ids,
      ]),
    );
  }

  #inBackground(work: () => unknown): void {
    void (async () => {
      try {
        await work();
        this.#noteAnswer();
      } catch (error) {
        if (isStateUnavailable(error)) this.#noteFailure(error);
        else this.#log.error("concurrency: slots could not be recorded", { error: String(error) });
      }
    })();
  }

  #noteAnswer(): void {
    if (!this.#storeFails) return;
    this.#storeFails = false;
    // It may hold slots that it took too late to say so, and knows nothing of those taken without it.
    this.#renew();
    this.#outage.answered();
  }

  #noteFailure(error: unknown): void {
    this.#storeFails = true;
    this.#outage.failed(error);
  }
}
