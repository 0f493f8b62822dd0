import type { Adapter, FieldRule, FieldTable, JsonObject, OperationName } from "gatewright";
import type { Check } from "./check.ts";
import { difference, unless } from "./check.ts";
import type { Exchange } from "./exchange.ts";
import { KNOWN_FIELDS } from "./known-fields.ts";
import type { FieldCases } from "./known-fields.ts";
import { mapRequest, refusedField } from "./run-mapping.ts";

/** The stated fates of one operation, and what there is beside the fields that the kit knows. */
export interface FieldTest extends Partial<FieldCases> {
  table: FieldTable;
  /** What the mapping depends on beside the request. */
  backend?: { model?: string; options?: JsonObject };
  /** The client's request, where it is sent inside of something else. */
  unwrap?(body: JsonObject): JsonObject;
  /** Translated fields that a request of their own does not show: an exchange that uses the field proves them. */
  byExchange?: readonly string[];
}

export type FieldTests = Readonly<Partial<Record<OperationName, FieldTest>>>;

/** Holds stated fates against the mappings. */
export function fieldChecks(
  adapter: Adapter,
  tests: FieldTests,
  exchanges: readonly Exchange[],
  sameDialect: boolean,
): Check[] {
  const translated = Object.entries(adapter.operations).filter(
    ([, { toRequest }]) => toRequest !== undefined,
  );
  return [
    {
      group: "the adapter",
      title: "states the fates of every operation that it translates",
      find: () =>
        difference("operations", Object.keys(tests).sort(), translated.map(([name]) => name).sort()),
    },
    ...Object.entries(tests).flatMap(([name, test]) => {
      const operation = name as OperationName;
      const shown = exchanges.filter((exchange) => exchange.operation === operation);
      return operationChecks(adapter, operation, test, shown, sameDialect);
    }),
  ];
}

interface Mapped {
  path: string;
  body: JsonObject;
  dropped: readonly string[];
}

function operationChecks(
  adapter: Adapter,
  operation: OperationName,
  test: FieldTest,
  exchanges: readonly Exchange[],
  sameDialect: boolean,
): Check[] {
  const { table, backend, unwrap, byExchange = [] } = test;
  const known = KNOWN_FIELDS[operation];
  const least = test.request ?? known?.request ?? {};
  const samples: JsonObject = { model: "client-model", ...known?.samples, ...test.samples };
  const defaults: JsonObject = { ...known?.defaults, ...test.defaults };
  const map = (request: JsonObject): Mapped => {
    const mapped = mapRequest(adapter, operation, { ...least, ...request }, backend);
    return unwrap ? { ...mapped, body: unwrap(mapped.body) } : mapped;
  };
  const check = (title: string, find: () => string[]): Check => ({
    group: `fields of ${operation}`,
    title,
    find,
  });

  const checks = [
    check("forwards a field that nobody knows", () => {
      const invented = { deep: [{ and: "strange" }] };
      return difference("x_invented", map({ x_invented: invented }).body["x_invented"], invented);
    }),
  ];
  // A table of deviations holds those alone.
  if (!sameDialect) {
    checks.push(
      check("states a fate for each field that the hub knows", () =>
        Object.keys(known?.samples ?? {})
          .filter((name) => !Object.hasOwn(table, name))
          .map((name) => `no fate is stated for \`${name}\``),
      ),
    );
  }
  for (const [name, rule] of Object.entries(table)) {
    checks.push(
      check(`${name}: ${rule.fate}`, () => {
        if (byExchange.includes(name))
          return unless(
            exchanges.some(({ request }) => name in request),
            "no exchange shows the field",
          );
        if (samples[name] === undefined) return ["there is no sample of it: give one in `samples`"];
        return findInFate(name, rule, samples[name], map, backend?.model);
      }),
    );
    if (!(name in least)) {
      checks.push(
        check(`in-3: ${name}: null is as good as absent`, () =>
          difference("with null", map({ [name]: null }), map({})),
        ),
      );
    }
    if (rule.isDefault) {
      checks.push(
        check(`${name}: its default is left out without a word`, () =>
          Object.hasOwn(defaults, name)
            ? difference("with its default", map({ [name]: defaults[name] }), map({}))
            : ["the default is not known: give it in `defaults`"],
        ),
      );
    }
  }
  return checks;
}

function findInFate(
  name: string,
  { fate }: FieldRule,
  sample: unknown,
  map: (request: JsonObject) => Mapped,
  model = "upstream-model",
): string[] {
  const request = { [name]: sample };
  if (fate === "refuse")
    return difference(
      "the refused field",
      refusedField(() => map(request)),
      name,
    );
  const plain = map({});
  const { path, body, dropped } = map(request);
  const reported = dropped.filter((field) => !plain.dropped.includes(field));
  if (fate === "forward")
    return [
      ...difference("the body", body, { ...plain.body, [name]: sample }),
      ...difference("what is reported", reported, []),
    ];
  if (fate === "drop")
    return [...difference("the body", body, plain.body), ...difference("what is reported", reported, [name])];
  if (name === "model")
    // In the body, or in the path of dialects that have it there.
    return unless(
      JSON.stringify([path, body]).includes(model),
      `the model's name is neither in the body nor in the path ${path}`,
    );
  const below = reported.filter((field) => field.startsWith(`${name}.`));
  const same = difference("", [path, body, below], [plain.path, plain.body, []]).length === 0;
  return [
    ...unless(!same, "the field is lost: the request is the same without it"),
    ...difference("what is reported", reported, below),
  ];
}
