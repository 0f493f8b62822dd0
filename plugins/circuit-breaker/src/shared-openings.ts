import { defineAtomicOp, OutageLog } from "gatewright";
import type { GatewayHost } from "gatewright";

/** Until when each target stays open, by id, in microseconds since the epoch. */
type Openings = Record<string, number>;

/**
 * Adds openings (`id, openMs, id, openMs, …`; of two for one target the later end holds) and drops those that are over.
 * Answers with all that are left, by id: `id, leftMs, …`. Without arguments it only reads.
 */
export const shareOpenings = defineAtomicOp<Openings, (string | number)[], (string | number)[]>({
  name: "share-openings",
  durable: true,
  reduce([state], added, nowUs) {
    const openings: Openings = {};
    for (const [id, untilUs] of Object.entries(state ?? {})) if (untilUs > nowUs) openings[id] = untilUs;
    for (let index = 0; index < added.length; index += 2) {
      const id = added[index] as string;
      openings[id] = Math.max(openings[id] ?? 0, nowUs + (added[index + 1] as number) * 1_000);
    }
    const left = Object.keys(openings)
      .sort()
      .map((id): [string, number] => [id, Math.ceil((openings[id]! - nowUs) / 1_000)]);
    return {
      states: [left.length > 0 ? openings : null],
      result: left.flat(),
      ttlMs: [Math.max(1, ...left.map(([, leftMs]) => leftMs))],
    };
  },
  lua: `
    local openings = {}
    for id, until_us in pairs(states[1]) do
      if until_us > now_us then openings[id] = until_us end
    end
    for i = 1, #args, 2 do
      openings[args[i]] = math.max(openings[args[i]] or 0, now_us + args[i + 1] * 1000)
    end
    local ids, result, ttl_ms = {}, {}, 1
    for id in pairs(openings) do ids[#ids + 1] = id end
    table.sort(ids)
    for _, id in ipairs(ids) do
      local left_ms = math.ceil((openings[id] - now_us) / 1000)
      result[#result + 1] = id
      result[#result + 1] = left_ms
      ttl_ms = math.max(ttl_ms, left_ms)
    end
    return { ids[1] and openings or false }, result, { ttl_ms }`,
});

const KEY = ["open"];

/** The openings that gateways tell one another by their common state, or one tells itself over a restart. */
export class SharedOpenings {
  readonly #gateway: GatewayHost;
  readonly #outage: OutageLog;
  #timer: NodeJS.Timeout | undefined;

  constructor(gateway: GatewayHost) {
    this.#gateway = gateway;
    this.#outage = new OutageLog(gateway, {
      failed: "circuitBreaker: the store cannot be used; breakers go by this process alone",
      answered: "circuitBreaker: openings are shared again",
    });
  }

  /** Tells that a target is open from now. A store that is down is none of the request's business: it is logged. */
  publish(target: string, openMs: number): void {
    void this.#run([target, Math.ceil(openMs)]);
  }

  /** What is open, with its end on this process's clock. Empty when the store is down. */
  async read(): Promise<{ target: string; untilMs: number }[]> {
    // From before the call, so that the end is never put later than it is.
    const nowMs = this.#gateway.now();
    const found = await this.#run([]);
    const openings: { target: string; untilMs: number }[] = [];
    for (let index = 0; index < found.length; index += 2) {
      openings.push({ target: String(found[index]), untilMs: nowMs + Number(found[index + 1]) });
    }
    return openings;
  }

  /** Calls back every `everyMs`, until `close`. */
  poll(everyMs: number, onRead: () => Promise<void>): void {
    this.#timer = setInterval(() => void onRead(), everyMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  async #run(added: (string | number)[]): Promise<(string | number)[]> {
    try {
      const result = await this.#gateway.state.run(shareOpenings, KEY, added);
      this.#outage.answered();
      return result;
    } catch (error) {
      this.#outage.failed(error);
      return [];
    }
  }
}
