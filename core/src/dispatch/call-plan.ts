import type { ForeignMembers, OperationMapping } from "../adapter.ts";
import { backendHeaders, type Backend } from "../backend.ts";
import { bridgedMapping, directMapping } from "../can-serve.ts";
import { revealSecret } from "../config/secret.ts";
import { GatewayError } from "../errors.ts";
import type { Operation, OperationName } from "../operation.ts";
import { addQuery } from "../path-query.ts";
import type { Target } from "../target.ts";
import type { Translation } from "./translated-call.ts";

/** Everything about a call that is the same for each request to one target: made once, on first use. */
export interface CallPlan {
  readonly mapping: OperationMapping;
  /** The operation of the adapter whose mapping this is. */
  readonly mapped: OperationName;
  readonly basePath: string;
  /** Of the base URL, without `?`: it goes out with every call. */
  readonly baseQuery: string;
  /** The whole path, where it does not depend on the request. */
  readonly path: string | undefined;
  /** Auth and fixed headers, flat. Shared by all requests: never changed. */
  readonly headers: readonly string[];
  /** This gateway's own entry of `Via`. */
  readonly via: string;
  readonly credential: string | undefined;
  /** Present where the backend speaks another dialect than the client. */
  readonly translation: Translation | undefined;
  /** What the backend would refuse in a body of the client's own. */
  readonly foreign: ForeignMembers | undefined;
  /** Members of the client's body that stay here. */
  readonly ownMembers: readonly string[];
  /** The body holds the model's name. */
  readonly modelInBody: boolean;
  readonly forwardHeaders: readonly string[];
}

/** What plans are made of, the same for all calls of a gateway. */
export interface PlanScope {
  readonly via: string;
  readonly operations: ReadonlyMap<OperationName, Operation>;
}

/** Headers of the client that every backend may see. Its Authorization, Cookie and the rest stay here. */
const FORWARDED_HEADERS = ["traceparent", "tracestate", "idempotency-key"];

const plans = new WeakMap<Target, Map<OperationName, CallPlan>>();

export function callPlanFor(target: Target, operation: Operation, scope: PlanScope): CallPlan {
  let byOperation = plans.get(target);
  if (!byOperation) plans.set(target, (byOperation = new Map()));
  let plan = byOperation.get(operation.name);
  if (!plan) byOperation.set(operation.name, (plan = createCallPlan(target, operation, scope)));
  return plan;
}

function createCallPlan(target: Target, operation: Operation, scope: PlanScope): CallPlan {
  const { backend, model } = target;
  const { adapter } = backend;
  const direct = directMapping(target, operation);
  const translation = direct
    ? direct.toRequest && { operation, mapping: direct }
    : bridgedTranslation(target, operation, scope);
  const mapping = direct ?? translation!.mapping;
  const basePath = backend.baseURL.pathname.replace(/\/+$/, "");
  const baseQuery = backend.baseURL.search.slice(1);
  const credential = backend.apiKey && revealSecret(backend.apiKey);
  return {
    mapping,
    mapped: translation?.bridge?.to.name ?? operation.mappedAs ?? operation.name,
    basePath,
    baseQuery,
    path:
      typeof mapping.path === "string"
        ? addQuery(basePath + mapping.path.replace("{model}", encodeURIComponent(model)), baseQuery)
        : undefined,
    headers: fixedHeaders(backend, operation),
    via: `1.1 ${scope.via}`,
    credential,
    translation,
    foreign: translation ? undefined : mapping.foreign,
    ownMembers: (!translation && operation.ownMembers) || [],
    modelInBody: !operation.modelless && !operation.ownMembers?.includes("model"),
    // Those of a dialect speak of bodies in it: one that is translated is not the client's.
    forwardHeaders: translation
      ? FORWARDED_HEADERS
      : [...FORWARDED_HEADERS, ...(adapter.forwardHeaders ?? [])],
  };
}

function bridgedTranslation(
  target: Target,
  operation: Operation,
  { operations }: PlanScope,
): Translation | undefined {
  const from = operation.bridge;
  const to = from && operations.get(from.operation);
  const mapping = bridgedMapping(target, operation);
  if (!from || !to || !mapping)
    throw new GatewayError("unsupported_operation", {
      message: `No backend of this model has the operation \`${operation.name}\``,
      headers: { "x-should-retry": "false" },
    });
  const reading = mapping.bridgedReading;
  return { operation, mapping: reading ? { ...mapping, ...reading } : mapping, bridge: { from, to } };
}

function fixedHeaders(backend: Backend, operation: Operation): string[] {
  const headers: Record<string, string> = { "user-agent": "gatewright" };
  if (operation.body === "json") headers["content-type"] = "application/json";
  Object.assign(headers, backendHeaders(backend));
  return Object.entries(headers).flat();
}
