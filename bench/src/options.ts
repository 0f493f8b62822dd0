import { parseArgs } from "node:util";

/** Measures by the names that `--only` takes, in the order they run. */
export const MEASURES = [
  "cold-start",
  "memory",
  "throughput",
  "latency",
  "growth",
  "stream-rate",
  "first-token",
  "paced",
  "translated",
] as const;
export type MeasureName = (typeof MEASURES)[number];

export const SUBJECTS = [
  "bare",
  "empty",
  "default",
  "traffic",
  "traffic-redis",
  "translated",
  "portkey",
] as const;
export type SubjectName = (typeof SUBJECTS)[number];

export interface Options {
  readonly quick: boolean;
  readonly save: boolean;
  readonly only: readonly MeasureName[];
  readonly subjects: readonly SubjectName[];
}

export const USAGE = `Usage: npm run bench -- [options]

  --quick           everything, but short: about a minute instead of fourteen
  --only NAMES      these measures: ${MEASURES.join(", ")}
  --subjects NAMES  these subjects: ${SUBJECTS.join(", ")}
  --save            also write docs/bench/latest.json and docs/bench/throughput.svg
  --help            this text
`;

/** Throws an Error that says what was wrong; null when only help is wanted. */
export function readOptions(args: readonly string[]): Options | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      save: { type: "boolean", default: false },
      only: { type: "string" },
      subjects: { type: "string" },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return null;
  return {
    quick: values.quick,
    save: values.save,
    only: namesOf("--only", values.only, MEASURES),
    subjects: namesOf("--subjects", values.subjects, SUBJECTS),
  };
}

function namesOf<Name extends string>(
  option: string,
  value: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (value === undefined) return known;
  const asked = value.split(",").map((name) => name.trim());
  const unknown = asked.find((name) => !(known as readonly string[]).includes(name));
  if (unknown !== undefined)
    throw new Error(`${option}: expected some of ${known.join(", ")}, got "${unknown}"`);
  return known.filter((name) => asked.includes(name));
}
