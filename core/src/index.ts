export { createAddressMatcher, isAddressRange, networkOf } from "./address-range.ts";
export type { Attempt, Outcome, Usage } from "./attempt.ts";
export { backendHeaders, backendPath, backendPlace, isOfProvider } from "./backend.ts";
export { BoundedMap } from "./bounded-map.ts";
export { judgeAttempt } from "./attempt-verdict.ts";
export type { AttemptVerdict } from "./attempt-verdict.ts";
export type { Backend, Timeouts } from "./backend.ts";
export { defineAdapter, UnsupportedField } from "./adapter.ts";
export type {
  Adapter,
  AdapterRegistry,
  ForeignMembers,
  ListedModel,
  MappedRequest,
  MappingInfo,
  HealthProbe,
  ModelList,
  OperationBridge,
  OperationMapping,
  OutgoingCall,
  Recognition,
  RefusalWords,
  Requiring,
  StreamDecoder,
  StreamFraming,
  StreamMapping,
} from "./adapter.ts";
export { canonicalJson } from "./body/canonical-json.ts";
export { callIdOf } from "./bridges/call-id.ts";
export { HubCallReader, isWholeInput, readHubArguments, readHubCalls } from "./bridges/hub-calls.ts";
export type { HubCall, HubCallPiece } from "./bridges/hub-calls.ts";
export { finishOf, isCutShort, oneHubChoice, readHubMessage, reportBeside } from "./bridges/hub-message.ts";
export type { HubMessage } from "./bridges/hub-message.ts";
export { createRequestMapping } from "./bridges/request-mapping.ts";
export type { RequestMapping } from "./bridges/request-mapping.ts";
export { isSealed, seal, SEAL, sortSealed, unseal } from "./bridges/sealed.ts";
export type { SealedItem, Unsealed } from "./bridges/sealed.ts";
export { responseIdOfItem } from "./bridges/responses/ids.ts";
export {
  createReasoningEfforts,
  effortOfBudget,
  nearestEffort,
  REASONING_EFFORTS,
} from "./bridges/reasoning-effort.ts";
export type { ReasoningEffort, ReasoningEfforts, ReasoningEffortsOf } from "./bridges/reasoning-effort.ts";
export { extendAdapter } from "./adapter-extension.ts";
export type { AdapterExtension } from "./adapter-extension.ts";
export { isLongInteger, parseJson, stringifyJson } from "./body/exact-json.ts";
export { readJsonMembers } from "./body/json-members.ts";
export { viewOf } from "./body/json-view.ts";
export type { JsonType, JsonView } from "./body/json-view.ts";
export type { RequestBody } from "./body/request-body.ts";
export type { Middleware, Next } from "./chain.ts";
export { defineGatewayConfig } from "./config/define.ts";
export type { BackendInput, GatewayConfig, ModelInput } from "./config/define.ts";
export { formatFaults } from "./config/fault.ts";
export type { ConfigFault } from "./config/fault.ts";
export { loadGatewayConfig } from "./config/load.ts";
export type { LoadOptions, LoadResult } from "./config/load.ts";
export { when } from "./config/when.ts";
export { env, isSecret, revealSecret } from "./config/secret.ts";
export type { Secret } from "./config/secret.ts";
export type {
  AttemptScope,
  Context,
  ContextVars,
  DownstreamRequest,
  Finished,
  Principal,
  TargetPreference,
} from "./context.ts";
export { digestParts } from "./digest.ts";
export { resolveConfig } from "./config/resolve.ts";
export type { ResolvedConfig } from "./config/resolved.ts";
export { createGateway } from "./gateway.ts";
export type { Gateway, GatewayOptions } from "./gateway.ts";
export { startGateway } from "./server/run.ts";
export type { StartedGateway } from "./server/run.ts";
export { serve } from "./server/serve.ts";
export type { RunningServer } from "./server/serve.ts";
export { createState } from "./state/create-state.ts";
export { PendingWrites } from "./state/pending-writes.ts";
export { timeoutError } from "./outcome.ts";
export { OutageLog } from "./outage-log.ts";
export type { OutageWords } from "./outage-log.ts";
export { ownerOf } from "./owner.ts";
export { KeptPlaces, narrowToPlace } from "./state/kept-places.ts";
export type { KeptPlace, KeptPlacesOptions } from "./state/kept-places.ts";
export { ERROR_CODES, GatewayError, isGatewayError, toGatewayError } from "./errors.ts";
export type { ErrorCode, GatewayErrorOptions, UpstreamFailure } from "./errors.ts";
export {
  isFieldName,
  drop,
  forward,
  is,
  isEmpty,
  refuse,
  report,
  reportRest,
  sortFields,
  translate,
} from "./field-table.ts";
export {
  checkWhole,
  describeGiven,
  missingField,
  requireContent,
  requireType,
  wholeNumber,
  wholeOfQuery,
  wrongField,
  wrongShape,
} from "./field-fault.ts";
export type { Fate, FieldRule, FieldTable, SortedFields } from "./field-table.ts";
export type { InnerCall } from "./inner-call.ts";
export { createInnerRequest } from "./inner-request.ts";
export type { InnerRequest } from "./inner-request.ts";
export { compact, isJsonObject } from "./json-object.ts";
export { jsonReply, readJsonReply } from "./json-reply.ts";
export type { Logger } from "./log.ts";
export { askServer } from "./models/ask-server.ts";
export type { Question, ServerAnswer } from "./models/ask-server.ts";
export { detectAdapter } from "./models/detect-adapter.ts";
export type { Detection } from "./models/detect-adapter.ts";
export { isAccountRefused, mayRepeat } from "./may-repeat.ts";
export type { FailedCall } from "./may-repeat.ts";
export { maySee, unknownModel } from "./models/visible-models.ts";
export { costInMicros } from "./models/cost.ts";
export type { ModelFacts, ModelPrice } from "./models/model-facts.ts";
export type { ListingChange } from "./models/model-table.ts";
export { createPattern } from "./models/name-pattern.ts";
export type { NamePattern } from "./models/name-pattern.ts";
export { defineOperation } from "./operation.ts";
export type {
  Dialect,
  FieldFault,
  JsonObject,
  Operation,
  OperationName,
  OperationNames,
  ParameterPlace,
  ParameterPlaces,
  StreamRules,
  WebSocketRules,
} from "./operation.ts";
export { coreOperations } from "./operations/index.ts";
export { openaiDialect, readUsage } from "./operations/openai-dialect.ts";
export { readParameter, writeParameter } from "./parameters.ts";
export { defineGatewayPlugin } from "./plugin.ts";
export type {
  ChainFact,
  ConfigView,
  Contribution,
  GatewayHost,
  GatewayPluginFactory,
  InnerFetchOptions,
  ModelCatalog,
  NameCheck,
  Plugin,
  PluginDefinition,
  PluginInstance,
  UnknownName,
} from "./plugin.ts";
export { isQuotaSpent } from "./quota-spent.ts";
export { discardReply, isBodyStream } from "./reply.ts";
export { createOperationRoutes } from "./server/operation-routes.ts";
export type { OperationRoutes, RouteMatch } from "./server/operation-routes.ts";
export type { BodySink, BodyStream, Reply } from "./reply.ts";
export { recordReply, replayReply } from "./reply-record.ts";
export { toRetryAfter } from "./retry-after.ts";
export type { RecordedEvent, RecordingRules, ReplyRecord } from "./reply-record.ts";
export type { InputOf, StandardSchemaV1 } from "./standard-schema.ts";
export { defineAtomicOp, isStateUnavailable, StateUnavailable } from "./state/state.ts";
export type { AtomicOp, AtomicRecord, AtomicStep, State } from "./state/state.ts";
export { EventPipe } from "./stream/event-pipe.ts";
export type { EventPipeOwner, PipedEvent } from "./stream/event-pipe.ts";
export { NdjsonDecoder } from "./stream/ndjson-decoder.ts";
export { SseDecoder, writeSse } from "./stream/sse-decoder.ts";
export { isEventStream, toStreamEvent } from "./stream/event-stream.ts";
export type { EventStream, EventTransform, StreamEvent, StreamObserver } from "./stream/event-stream.ts";
export type { Target } from "./target.ts";
export { estimateTokens } from "./token-estimate.ts";
export { createFetchTransport } from "./transport/fetch-transport.ts";
export { createUndiciTransport } from "./transport/undici-transport.ts";
export type {
  Transport,
  TransportCall,
  TransportFailure,
  TransportHandler,
  TransportRequest,
} from "./transport/transport.ts";
export { VERSION } from "./version.ts";
export { checkWebOrigin, isWebOrigin } from "./web-origin.ts";
export { readSubprotocols } from "./websocket/subprotocols.ts";
export type { ConnectionSwitch, SessionEnd, SwitchedConnection } from "./websocket/connection-switch.ts";
