import type { Adapter, OperationMapping } from "../adapter.ts";
import type { Backend } from "../backend.ts";
import { revealSecret } from "../config/secret.ts";
import type { Operation, OperationName } from "../operation.ts";
import type { Target } from "../target.ts";

/** Everything about a call that is the same for each request to one target: made once, on first use. */
export interface CallPlan {
  readonly mapping: OperationMapping;
  readonly basePath: string;
  /** The whole path, where it does not depend on the request. */
  readonly path: string | undefined;
  /** Auth and fixed headers, flat. Shared by all requests: never changed. */
  readonly headers: readonly string[];
  /** This gateway's own entry of `Via`. */
  readonly via: string;
  readonly credential: string | undefined;
  /** The backend speaks another dialect than the operation. */
  readonly translated: boolean;
  readonly forwardHeaders: readonly string[];
}

/** Headers of the client that every backend may see. Its Authorization, Cookie and the rest stay here. */
const FORWARDED_HEADERS = ["traceparent", "tracestate", "idempotency-key"];

const plans = new WeakMap<Target, Map<OperationName, CallPlan>>();

export function callPlanFor(target: Target, operation: Operation, via: string): CallPlan {
  let byOperation = plans.get(target);
  if (!byOperation) plans.set(target, (byOperation = new Map()));
  let plan = byOperation.get(operation.name);
  if (!plan) byOperation.set(operation.name, (plan = createCallPlan(target, operation, via)));
  return plan;
}

function createCallPlan({ backend, model }: Target, operation: Operation, via: string): CallPlan {
  const { adapter } = backend;
  const mapping = adapter.operations[operation.name]!;
  const basePath = backend.baseURL.pathname.replace(/\/+$/, "");
  const credential = backend.apiKey && revealSecret(backend.apiKey);
  return {
    mapping,
    basePath,
    path:
      typeof mapping.path === "string"
        ? basePath + mapping.path.replace("{model}", encodeURIComponent(model))
        : undefined,
    headers: fixedHeaders(adapter, backend, credential, operation),
    via: `1.1 ${via}`,
    credential,
    translated: mapping.toRequest !== undefined,
    forwardHeaders: [...FORWARDED_HEADERS, ...(adapter.forwardHeaders ?? [])],
  };
}

function fixedHeaders(
  adapter: Adapter,
  backend: Backend,
  credential: string | undefined,
  operation: Operation,
): string[] {
  const headers: Record<string, string> = { "user-agent": "gatewright" };
  if (operation.body === "json") headers["content-type"] = "application/json";
  Object.assign(headers, adapter.headers?.(backend.options), adapter.auth(credential, backend.options));
  return Object.entries(headers).flat();
}
