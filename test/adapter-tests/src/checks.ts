import type { Adapter, FieldTable, OperationName } from "gatewright";
import { adapterChecks } from "./adapter-checks.ts";
import type { ModelListCase } from "./adapter-checks.ts";
import { cancellationChecks } from "./cancellation-checks.ts";
import { runChecks } from "./check.ts";
import type { Check, Finding } from "./check.ts";
import { exchangeChecks } from "./exchange-checks.ts";
import type { Exchange } from "./exchange.ts";
import { fieldChecks } from "./field-checks.ts";
import type { FieldTest } from "./field-checks.ts";
import { echoCheck, gatewayCheck } from "./gateway-checks.ts";
import { hostileChecks } from "./hostile-checks.ts";
import { inheritedNameChecks } from "./inherited-name-checks.ts";
import { kindChecks } from "./kinds.ts";
import type { ExchangeKind } from "./kinds.ts";
import { longIntegerChecks } from "./long-integer-checks.ts";
import { frontDoorOf } from "./run-mapping.ts";
import { valueChecks } from "./value-checks.ts";
import type { ValueTests } from "./value-checks.ts";

export type { ModelListCase } from "./adapter-checks.ts";
export type { Check, Finding } from "./check.ts";
export { readExchanges } from "./exchange.ts";
export type {
  Exchange,
  HubOutcome,
  ReadExchangesOptions,
  UpstreamReply,
  UpstreamRequest,
} from "./exchange.ts";
export type { FieldTest } from "./field-checks.ts";
export { EXCHANGE_KINDS } from "./kinds.ts";
export type { ExchangeKind } from "./kinds.ts";
export { KNOWN_FIELDS } from "./known-fields.ts";
export type { FieldCases } from "./known-fields.ts";
export { playBackend } from "./played-backend.ts";
export type { PlayedBackend, PlayOptions, Received } from "./played-backend.ts";
export { refusedField } from "./run-mapping.ts";
export type { ValueTests } from "./value-checks.ts";

/** What an adapter is held against. */
export interface AdapterTests extends ValueTests {
  exchanges: readonly Exchange[];
  /** The stated fates, by operation: of each one that the adapter translates. */
  fields?: Readonly<Partial<Record<OperationName, FieldTable>>>;
  /** What the kit does not know of these fields, by operation. */
  fieldTests?: Readonly<Partial<Record<OperationName, Omit<FieldTest, "table">>>>;
  /** Absent where the backend lists no models. */
  models?: ModelListCase;
  /** Kinds of exchanges that there are none of, each with the reason. */
  waived?: Readonly<Partial<Record<ExchangeKind, string>>>;
  /**
   * The backend speaks the operations' own dialect but for some fields: tables hold those alone, a mapping may
   * translate one direction, and streams keep the backend's own order of chunks.
   */
  sameDialect?: boolean;
}

/** All that must hold of the adapter; nothing runs yet. */
export function listChecks(adapter: Adapter, tests: AdapterTests): Check[] {
  const { exchanges, fields = {}, fieldTests = {}, waived = {}, sameDialect = false } = tests;
  const ofFields = Object.fromEntries(
    Object.entries(fields).map(([name, table]) => [name, { ...fieldTests[name as OperationName], table }]),
  );
  // Those of plugins have no front door in a gateway without them.
  const played = exchanges.filter(({ operation }) => frontDoorOf(operation));
  return [
    ...adapterChecks(adapter, tests),
    ...(adapter.operations.chat ? kindChecks(exchanges, waived) : []),
    ...exchanges.flatMap((exchange) => exchangeChecks(adapter, exchange, sameDialect)),
    ...played.map((exchange) => gatewayCheck(adapter, exchange)),
    ...valueChecks(adapter, exchanges, tests),
    ...fieldChecks(adapter, ofFields, exchanges, sameDialect),
    ...hostileChecks(adapter, exchanges),
    ...inheritedNameChecks(adapter, exchanges, tests),
    ...longIntegerChecks(adapter, exchanges, tests),
    echoCheck(adapter, played),
    ...cancellationChecks(adapter, played),
  ];
}

/** Runs everything, for runners other than vitest: what does not hold. */
export function checkAdapter(adapter: Adapter, tests: AdapterTests): Promise<Finding[]> {
  return runChecks(listChecks(adapter, tests));
}
