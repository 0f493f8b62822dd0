import type { ForeignMembers, MappingInfo, UnsupportedField } from "../adapter.ts";
import { stringifyJson } from "../body/exact-json.ts";
import { isMultipartBody } from "../body/multipart-body.ts";
import type { RequestBody } from "../body/request-body.ts";
import { GatewayError, isGatewayError } from "../errors.ts";
import { report } from "../field-table.ts";
import type { JsonObject, Operation } from "../operation.ts";
import { addQuery, splitQuery } from "../path-query.ts";
import type { Reply } from "../reply.ts";
import type { RequestContext } from "../request/request-context.ts";
import { newRequestId } from "../server/request-id.ts";
import type { Target } from "../target.ts";
import type { TransportRequest } from "../transport/transport.ts";
import { AttemptRun } from "./attempt-run.ts";
import { callPlanFor, type CallPlan, type PlanScope } from "./call-plan.ts";
import { checkInputs } from "./check-inputs.ts";
import type { PreparedCall } from "./prepared-call.ts";
import { TranslatedCall } from "./translated-call.ts";
import { WebSocketRun } from "./websocket-run.ts";
import type { ReplyLimits } from "./whole-reply.ts";

/** `via` is this gateway's name in `Via` headers (RFC 9110, section 7.6.3). */
export interface DispatchOptions extends PlanScope, ReplyLimits {}

/** The innermost handler: sends the request to `ctx.target`, or to the first candidate where nobody chose. */
export function createDispatch(options: DispatchOptions): (ctx: RequestContext) => Promise<Reply> {
  // Not `async`: a promise of its own around that of the attempt would cost each request several turns of the queue.
  return function dispatch(ctx) {
    try {
      return start(ctx);
    } catch (error) {
      return Promise.reject(error);
    }
  };

  function start(ctx: RequestContext): Promise<Reply> {
    const { exchange } = ctx;
    if (exchange.abortReason) throw exchange.abortReason;
    ctx.scopeSignal?.throwIfAborted();
    const target = ctx.target ?? ctx.candidates[0];
    if (!target) throw new GatewayError("no_available_instances");
    const prepared = prepareCall(ctx, target, options);
    const run = ctx.operation.websocket
      ? new WebSocketRun(exchange, prepared)
      : new AttemptRun(exchange, prepared, options);
    const signal = ctx.scopeSignal;
    if (!signal) return run.run();
    // A plugin that names an error blames the attempt for it, as a time limit does; else nobody is at fault.
    const give = (): void => run.abort(isGatewayError(signal.reason) ? signal.reason : "cancelled");
    signal.addEventListener("abort", give, { once: true });
    run.onSettled(() => signal.removeEventListener("abort", give));
    return run.run();
  }
}

function prepareCall(ctx: RequestContext, target: Target, scope: PlanScope): PreparedCall {
  const plan = callPlanFor(target, ctx.operation, scope);
  const headers = requestHeaders(ctx, plan);
  if (plan.translation) return translatedCall(ctx, target, plan, headers);

  const { body } = ctx;
  const request: TransportRequest = {
    method: ctx.operation.method,
    path: pathBelow(pathOf(plan, ctx, target), ctx),
    headers,
    body: null,
  };
  let hideUsage = false;
  let dropped: Set<string> | undefined;
  if (isMultipartBody(body)) {
    const sent = body.open({ model: target.model });
    headers.push("content-type", sent.contentType);
    if (sent.contentLength !== undefined) headers.push("content-length", String(sent.contentLength));
    request.body = sent.chunks;
  } else if (body.kind === "json") {
    if (plan.mapping.maxInputs !== undefined)
      refusing(target, () => checkInputs(plan.mapping, target.model, body.get("input")));
    hideUsage = ctx.stream && plan.mapping.streamUsage === true && !asksForUsage(body);
    let own: RequestBody = body;
    if (plan.foreign && holdsForeign(body, plan.foreign)) {
      dropped = new Set();
      own = body.with(plan.foreign.leaveOut(body.json, dropped, target.model));
    }
    request.body = sentBody(own, target, plan, hideUsage).bytes!;
  }
  return {
    target,
    plan,
    request,
    translated: undefined,
    dropped,
    body,
    hideUsage,
    replayable: body.replayable,
  };
}

function translatedCall(
  ctx: RequestContext,
  target: Target,
  plan: CallPlan,
  headers: string[],
): PreparedCall {
  const translated = translate(ctx, target, plan);
  const mapped = translated.request;
  for (const [name, value] of Object.entries(mapped.headers ?? {})) headers.push(name, value);
  return {
    target,
    plan,
    request: {
      method: ctx.operation.method,
      path: mapped.path === undefined ? pathOf(plan, ctx, target) : underBase(plan, mapped.path),
      headers,
      body: stringifyJson(mapped.body),
    },
    translated,
    dropped: translated.dropped,
    body: ctx.body,
    hideUsage: ctx.stream && mayHideUsage(ctx.operation, plan) && !asksForUsage(ctx.body),
    replayable: ctx.body.replayable,
  };
}

function translate(ctx: RequestContext, target: Target, plan: CallPlan): TranslatedCall {
  const dropped = new Set<string>();
  return refusing(
    target,
    () => new TranslatedCall(plan.translation!, mappingInfo(ctx, target, dropped), dropped),
  );
}

/** What cannot be carried to a target is a 400 that names it. */
function refusing<Result>(target: Target, map: () => Result): Result {
  try {
    return map();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== "UnsupportedField") throw error;
    const { field, message, words } = error as UnsupportedField;
    throw new GatewayError(words?.code ?? "unsupported_parameter", {
      status: 400,
      type: "invalid_request_error",
      param: field,
      details: words?.details,
      message: `${message} (backend \`${target.backend.name}\`)`,
    });
  }
}

function mappingInfo(ctx: RequestContext, target: Target, dropped: Set<string>): MappingInfo {
  return {
    operation: ctx.operation.name,
    model: target.model,
    requestedModel: ctx.requestedModel,
    stream: ctx.stream,
    options: target.backend.options,
    // A client may give the same id to many requests; what is named after it is to be found again.
    requestId: ctx.request.headers["x-request-id"] === ctx.id ? newRequestId() : ctx.id,
    nowSeconds: Math.floor(Date.now() / 1000),
    request: ctx.body.json,
    reasoningEfforts: target.backend.adapter.reasoningEfforts,
    report: (field) => report(dropped, `reply.${field}`),
  };
}

function pathOf(plan: CallPlan, { stream }: RequestContext, { model, backend }: Target): string {
  if (plan.path !== undefined) return plan.path;
  const { path } = plan.mapping;
  const { options } = backend;
  return underBase(plan, typeof path === "function" ? path({ model, options, stream }) : path);
}

function underBase({ basePath, baseQuery }: CallPlan, path: string): string {
  return addQuery(basePath + path, baseQuery);
}

/** An API's version may stand in the query of the mapped path. */
function pathBelow(path: string, { operation, request }: RequestContext): string {
  const below = operation.pathBelow?.(request);
  if (below === undefined) return path;
  const [base, query] = splitQuery(path);
  const [rest, more] = splitQuery(below);
  return addQuery(addQuery(base + rest, query), more);
}

function requestHeaders(ctx: RequestContext, plan: CallPlan): string[] {
  const sent = ctx.request.headers;
  // Behind those who passed the request on before: so each of them knows it again when it comes back.
  const via = sent["via"] === undefined ? plan.via : `${sent["via"]}, ${plan.via}`;
  const headers = [...plan.headers, "via", via];
  // An id of the client's joins its records with the backend's; one of ours says nothing to a backend.
  if (sent["x-request-id"] === ctx.id) headers.push("x-request-id", ctx.id);
  const ofConnection = nominated(sent["connection"]);
  for (const name of plan.forwardHeaders) {
    const value = sent[name];
    if (value !== undefined && !ofConnection?.has(name)) setHeader(headers, name, value);
  }
  const added = ctx.upstreamHeaders;
  if (added) for (const [name, value] of Object.entries(added)) setHeader(headers, name, value);
  return headers;
}

/** Headers that the client means for its connection to the gateway alone (RFC 9110, section 7.6.1). */
function nominated(connection: string | undefined): Set<string> | undefined {
  if (connection === undefined || connection === "keep-alive" || connection === "close") return undefined;
  return new Set(
    connection
      .toLowerCase()
      .split(",")
      .map((name) => name.trim()),
  );
}

/** In the place of one of the same name, if there is any: two lines would be read as a list. */
function setHeader(headers: string[], name: string, value: string): void {
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at] === name) {
      headers[at + 1] = value;
      return;
    }
  }
  headers.push(name, value);
}

/** Other dialects have usage in their streams unasked, and a bridge writes it where its dialect has it. */
function mayHideUsage({ dialect }: Operation, { translation }: CallPlan): boolean {
  return dialect.name === "openai" && translation?.bridge === undefined;
}

function asksForUsage(body: RequestBody): boolean {
  const options = body.get("stream_options") as { include_usage?: unknown } | null | undefined;
  return options?.include_usage === true;
}

const NONE: readonly string[] = [];

function holdsForeign(body: RequestBody, { names = NONE, marks = NONE }: ForeignMembers): boolean {
  for (const name of names) if (body.mayHoldKey(name)) return true;
  for (const mark of marks) if (body.mayHoldText(mark)) return true;
  return false;
}

/** The client's bytes, with the target's name of the model, and usage asked for where the client did not. */
function sentBody(body: RequestBody, target: Target, plan: CallPlan, askForUsage: boolean): RequestBody {
  const rename = plan.modelInBody && body.get("model") !== target.model;
  if (!rename && !askForUsage && plan.ownMembers.length === 0) return body;
  const fields: JsonObject = {};
  for (const name of plan.ownMembers) if (body.typeOf(name) !== "missing") fields[name] = undefined;
  if (rename) fields["model"] = target.model;
  if (askForUsage)
    fields["stream_options"] = {
      ...(body.get("stream_options") as object | null | undefined),
      include_usage: true,
    };
  return Object.keys(fields).length === 0 ? body : body.with(fields);
}
