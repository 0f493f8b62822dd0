/** A plugin that a new gateway may have. */
export interface PluginKind {
  /** What `--plugins` and the prompt call it; its package is `@gatewright/<id>`. */
  readonly id: string;
  /** Its factory. */
  readonly factory: string;
  /** What it does, for the prompt and the README of the project. */
  readonly does: string;
}

/**
 * In the order of the chain. What stands before `retry` runs once a request, what stands after it once an attempt: the
 * first two refuse before a body is read, the next two leave targets out, the last one chooses among what is left.
 */
export const PLUGINS: readonly PluginKind[] = [
  { id: "api-keys", factory: "apiKeys", does: "lets in who holds a key" },
  { id: "rate-limit", factory: "rateLimit", does: "limits the requests of each client" },
  { id: "retry", factory: "retry", does: "tries failed calls again, elsewhere first" },
  { id: "circuit-breaker", factory: "circuitBreaker", does: "keeps requests from targets that fail" },
  { id: "health-check", factory: "healthCheck", does: "leaves out backends that are down" },
  { id: "balancer", factory: "balancer", does: "shares the load among the backends of a model" },
];
