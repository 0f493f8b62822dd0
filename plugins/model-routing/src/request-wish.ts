import { GatewayError, wrongField } from "gatewright";
import type { RequestBody, TargetPreference } from "gatewright";
import * as v from "valibot";

const Name = v.pipe(v.string(), v.nonEmpty());
const Weight = v.pipe(v.number(), v.finite(), v.minValue(0));

const STRATEGIES = ["load_balance", "fallback", "least_cost", "least_latency"] as const;
type Strategy = (typeof STRATEGIES)[number];

const Routing = v.strictObject({
  strategy: v.optional(v.literal("smart"), "smart"),
  preferences: v.optional(
    v.strictObject({
      cost_weight: v.optional(Weight, 0.3),
      latency_weight: v.optional(Weight, 0.5),
      reliability_weight: v.optional(Weight, 0.2),
    }),
    {},
  ),
});

/** What a request says about where it is to go. */
export interface RequestWish {
  /** Names of providers that all targets must have. */
  readonly provider: string | undefined;
  /** One of these, in this order where the order counts. */
  readonly providers: readonly string[] | undefined;
  /** One provider after the other. */
  readonly inTurn: boolean;
  /** How to choose among targets. */
  readonly preference: TargetPreference | undefined;
}

const SHAPES = {
  provider: { schema: Name, expected: "the name of a provider" },
  providers: { schema: v.pipe(v.array(Name), v.nonEmpty()), expected: "a list of names of providers" },
  routing_strategy: { schema: v.picklist(STRATEGIES), expected: `one of ${STRATEGIES.join(", ")}` },
  routing: {
    schema: Routing,
    expected: "an object with `strategy` (`smart`) and `preferences`, whose weights are 0 or more",
  },
} as const;

type Field = keyof typeof SHAPES;
type ValueOf<F extends Field> = v.InferOutput<(typeof SHAPES)[F]["schema"]>;

const FIELDS = Object.keys(SHAPES) as Field[];

/**
 * Reads the fields, and gives the body without them. Undefined when there are none. `provider` with an object is
 * another gateway's and stays where it is. Null means absent: of nulls alone there is no wish.
 */
export function takeWish(
  body: RequestBody,
): { wish: RequestWish | undefined; body: RequestBody } | undefined {
  const present = FIELDS.filter((field) => isOurs(body, field));
  if (present.length === 0) return undefined;
  const rest = body.with(Object.fromEntries(present.map((field) => [field, undefined])));
  if (present.every((field) => body.typeOf(field) === "null")) return { wish: undefined, body: rest };
  const provider = read(body, "provider");
  const providers = read(body, "providers");
  const strategy = read(body, "routing_strategy");
  const routing = read(body, "routing");
  return {
    wish: {
      provider,
      providers,
      inTurn: strategy === "fallback",
      preference: routing ? smart(routing) : toPreference(strategy),
    },
    body: rest,
  };
}

function isOurs(body: RequestBody, field: Field): boolean {
  const type = body.typeOf(field);
  return type !== "missing" && !(field === "provider" && type === "object");
}

function read<F extends Field>(body: RequestBody, field: F): ValueOf<F> | undefined {
  const value = isOurs(body, field) ? body.get(field) : undefined;
  if (value === undefined || value === null) return undefined;
  const parsed = v.safeParse<(typeof SHAPES)[F]["schema"]>(SHAPES[field].schema, value);
  if (parsed.success) return parsed.output;
  throw new GatewayError("invalid_request", wrongField(field, SHAPES[field].expected, value));
}

function toPreference(strategy: Strategy | undefined): TargetPreference | undefined {
  if (strategy === "least_cost") return { strategy: "least-cost" };
  return strategy === "least_latency" ? { strategy: "least-latency" } : undefined;
}

function smart({ preferences }: v.InferOutput<typeof Routing>): TargetPreference {
  const { cost_weight: cost, latency_weight: latency, reliability_weight: errorRate } = preferences;
  return { strategy: "smart", weights: { cost, latency, errorRate } };
}
