import { askServer, backendHeaders, isJsonObject } from "gatewright";
import type { Backend, GatewayHost, JsonObject } from "gatewright";
import type { LoadAwareOptions } from "./options.ts";

/** How busy a backend says that it is. Shares in percent; absent where it does not tell. */
export interface LoadFigures {
  readonly cpu?: number;
  readonly gpu?: number;
  readonly gpuMemory?: number;
  readonly activeRequests: number;
  /** What its hardware is good for: higher is better. */
  readonly capability: number;
}

interface Report {
  readonly figures: LoadFigures;
  readonly atMs: number;
}

/** Older figures say nothing any more. */
const MAX_AGE_MS = 60_000;
const MAX_REPLY_BYTES = 64 * 1024;

/** Asks backends for their figures, again and again, until it is closed. What they said outlives a reload. */
export class LoadReports {
  readonly #options: LoadAwareOptions;
  readonly #gateway: GatewayHost;
  readonly #reports: Map<string, Report>;
  readonly #closing = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(options: LoadAwareOptions, gateway: GatewayHost) {
    this.#options = options;
    this.#gateway = gateway;
    this.#reports = gateway.carry("load figures", () => new Map<string, Report>());
    for (const backend of gateway.backends.values()) if (this.#isAsked(backend)) this.#start(backend);
  }

  /** Undefined where there are none, or none of late. */
  of({ name }: Backend): LoadFigures | undefined {
    const report = this.#reports.get(name);
    return report && this.#gateway.now() - report.atMs <= MAX_AGE_MS ? report.figures : undefined;
  }

  close(): void {
    this.#closing.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }

  #isAsked({ name, adapter }: Backend): boolean {
    const { backends } = this.#options;
    return backends ? backends.includes(name) : adapter?.name === "xllm";
  }

  #start(backend: Backend): void {
    this.#ask(backend).catch((error: unknown) =>
      this.#gateway.log.warn("balancer: a backend cannot be asked for its load", {
        backend: backend.name,
        error: String(error),
      }),
    );
  }

  /** A backend that says nothing is one whose figures grow old. Rejects with what an adapter throws. */
  async #ask(backend: Backend): Promise<void> {
    const { path, timeoutMs, intervalMs } = this.#options;
    const { signal } = this.#closing;
    const answer = await askServer(backend.transport, {
      path,
      headers: backendHeaders(backend),
      timeoutMs,
      maxBytes: MAX_REPLY_BYTES,
      signal,
    });
    if (signal.aborted) return;
    const figures =
      answer.failure === undefined && answer.status === 200 ? readFigures(answer.text) : undefined;
    if (figures) this.#reports.set(backend.name, { figures, atMs: this.#gateway.now() });
    this.#timers.set(backend.name, setTimeout(() => this.#start(backend), intervalMs).unref());
  }
}

/**
 * Reads xLLM's `/api/health`, `{ gpu: { total_memory_bytes, used_memory_bytes, capability_score }, load: {
 * active_requests } }`, and a node's flat heartbeat (`cpu_usage`, `gpu_usage`, `gpu_memory_usage`, …). Undefined for
 * what is neither.
 */
export function readFigures(text: string): LoadFigures | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isJsonObject(json)) return undefined;
  const [gpu, load] = [memberOf(json, "gpu"), memberOf(json, "load")];
  const activeRequests = amount(load["active_requests"]) ?? amount(json["active_requests"]);
  if (activeRequests === undefined) return undefined;
  const [used, total] = [amount(gpu["used_memory_bytes"]), amount(gpu["total_memory_bytes"])];
  const shares = {
    cpu: amount(load["cpu_usage"]) ?? amount(json["cpu_usage"]),
    gpu: amount(gpu["usage"]) ?? amount(json["gpu_usage"]),
    gpuMemory: used !== undefined && total ? (used / total) * 100 : amount(json["gpu_memory_usage"]),
  };
  return {
    ...(shares.cpu !== undefined && { cpu: shares.cpu }),
    ...(shares.gpu !== undefined && { gpu: shares.gpu }),
    ...(shares.gpuMemory !== undefined && { gpuMemory: shares.gpuMemory }),
    activeRequests,
    capability: amount(gpu["capability_score"]) ?? amount(json["gpu_capability_score"]) ?? 0,
  };
}

function memberOf(json: JsonObject, name: string): JsonObject {
  const member = json[name];
  return isJsonObject(member) ? member : {};
}

function amount(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 ? value : undefined;
}
