export {
  checkAdapter,
  EXCHANGE_KINDS,
  KNOWN_FIELDS,
  listChecks,
  playBackend,
  readExchanges,
  refusedField,
} from "./checks.ts";
export type {
  AdapterTests,
  Check,
  Exchange,
  ExchangeKind,
  FieldCases,
  FieldTest,
  Finding,
  HubOutcome,
  ModelListCase,
  PlayedBackend,
  PlayOptions,
  ReadExchangesOptions,
  Received,
  UpstreamReply,
  UpstreamRequest,
  ValueTests,
} from "./checks.ts";
export { testAdapter } from "./test-adapter.ts";
