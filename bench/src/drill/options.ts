import { parseArgs } from "node:util";

export const DRILLS = ["redis", "soak"] as const;
export type DrillName = (typeof DRILLS)[number];

export interface DrillOptions {
  readonly drill: DrillName;
  readonly quick: boolean;
  /** Of the soak. */
  readonly minutes: number;
  /** The soak's state is in Redis. */
  readonly redis: boolean;
}

export const DRILL_USAGE = `Usage: npm run drill -- redis|soak [options]

  redis             every plugin that keeps state, while Redis is paused, slow, reset, emptied, killed: two minutes
  soak              the traffic chain at full load with 5 % of upstream calls failing: ten minutes

  --quick           short: redis in one minute, soak in two
  --minutes N       how long the soak takes
  --redis           soak: state in Redis instead of memory
  --help            this text
`;

const SOAK_MINUTES = { full: 10, quick: 2 };

/** Throws an Error that says what was wrong; null when only help is wanted. */
export function readDrillOptions(args: readonly string[]): DrillOptions | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      minutes: { type: "string" },
      redis: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  const drill = DRILLS.find((name) => name === positionals[0]);
  if (drill === undefined || positionals.length > 1)
    throw new Error(`expected one of ${DRILLS.join(", ")}, got "${positionals.join(" ")}"`);
  if (drill === "redis" && (values.minutes !== undefined || values.redis))
    throw new Error("--minutes and --redis are options of the soak");
  const minutes = Number(values.minutes ?? SOAK_MINUTES[values.quick ? "quick" : "full"]);
  if (!(minutes >= MIN_MINUTES))
    throw new Error(`--minutes: expected ${MIN_MINUTES} or more, got "${values.minutes}"`);
  return { drill, quick: values.quick, minutes, redis: values.redis };
}

/** What comes after the first minute is judged. */
const MIN_MINUTES = 1.5;
