import { join } from "node:path";
import type { Results } from "../bench/src/results.ts";
import { readIfThere } from "./read-if-there.ts";
import { ROOT } from "./workspace.ts";

const RESULTS = join(ROOT, "docs/bench/latest.json");

/** Figures of the last saved run, or how to measure. */
export function readFigures(): string {
  const saved = readIfThere(RESULTS);
  return saved === undefined
    ? "No run is saved yet: `npm run bench -- --save` measures the gateway against a bare proxy on your machine."
    : renderFigures(JSON.parse(saved) as SavedResults);
}

/** As JSON keeps them: what was not measured is null. */
type Saved<T> = T extends number ? number | null : T extends object ? { [Key in keyof T]: Saved<T[Key]> } : T;
type SavedResults = Saved<Results>;

/** One row a subject; a dash for what was not measured. */
export function renderFigures({ date, machine, measures, subjects, requirements }: SavedResults): string {
  // A subject that is there for a measure of its own has no place in this table.
  const measured = subjects.filter(
    ({ name, skipped }) => skipped === null && measures.throughput?.[name] !== undefined,
  );
  const rows = measured.map(({ name, title }) => {
    const throughput = measures.throughput?.[name];
    const alone = measures.latency?.[name]?.find(({ concurrency }) => concurrency === 1);
    const cells = [
      whole(throughput?.perSecond),
      fixed(throughput?.ratioToBare, 2),
      fixed(alone?.p50.overBareMs, 2),
      fixed(measures.streamRate?.[name]?.ratioToBare, 2),
      fixed(measures.paced?.[name]?.find(({ streams }) => streams === 256)?.p99ToBare, 2),
      whole(measures.memory?.[name]?.idle),
      whole(measures.memory?.[name]?.uploadGrowth),
      whole(measures.coldStart?.[name]?.medianMs),
    ];
    return `| ${title} | ${cells.join(" | ")} |`;
  });
  return [
    "![Throughput of each proxy](docs/bench/throughput.svg)",
    "",
    "| | requests/s, 64 clients | of bare | p50 over bare, one client, ms | stream frames, of bare | p99 of a frame, 256 slow streams, of bare | idle, MiB | growth by 100 MB up, MiB | cold start, ms |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
    "",
    ...missed(requirements),
    `Node ${machine.node}, ${machine.pinned ? "one core for each proxy" : "cores shared"}, ${machine.cpu}, ` +
      `${date.slice(0, 10)}. Trust the ratios: absolute figures are of one machine. ` +
      "What each figure means and how it is taken: [bench](bench/README.md).",
  ].join("\n");
}

/** What the run fell short of, so that nobody has to look for it. */
function missed(requirements: SavedResults["requirements"]): string[] {
  const missing = requirements.filter(({ isMet }) => isMet === false);
  if (missing.length === 0) return [];
  const texts = missing.map(
    ({ subject, text, value, limit }) => `${subject}, ${text}: ${fixed(value, 2)} (aim: ${limit})`,
  );
  return [`Missed in this run: ${texts.join("; ")}.`, ""];
}

type Figure = number | null | undefined;

function whole(value: Figure): string {
  return typeof value === "number" ? Math.round(value).toLocaleString("en-US") : "-";
}

function fixed(value: Figure, digits: number): string {
  return typeof value === "number" ? value.toFixed(digits) : "-";
}
