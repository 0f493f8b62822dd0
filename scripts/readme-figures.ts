import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Results } from "../bench/src/results.ts";
import { readIfThere, type GeneratedFile } from "./generate.ts";
import { ROOT } from "./workspace.ts";

const README = join(ROOT, "README.md");
const RESULTS = join(ROOT, "docs/bench/latest.json");
const START = "<!-- figures: made by `npm run generate` from docs/bench/latest.json -->";
const END = "<!-- end of figures -->";

/** The README with the figures of the last saved run between its two markers. */
export function generateReadmeFigures(): GeneratedFile[] {
  const readme = readFileSync(README, "utf8");
  const [before, rest] = splitAt(readme, START);
  const [, after] = splitAt(rest, END);
  const saved = readIfThere(RESULTS);
  const figures =
    saved === undefined
      ? "No run is saved yet: `npm run bench -- --save` measures the gateway against a bare proxy on your machine."
      : renderFigures(JSON.parse(saved) as SavedResults);
  return [{ file: README, text: `${before}${START}\n\n${figures}\n\n${END}${after}` }];
}

function splitAt(text: string, mark: string): [before: string, after: string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`README.md has no line ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}

/** As JSON keeps them: what was not measured is null. */
type Saved<T> = T extends number ? number | null : T extends object ? { [Key in keyof T]: Saved<T[Key]> } : T;
type SavedResults = Saved<Results>;

/** One row a subject; a dash for what was not measured. */
export function renderFigures({ date, machine, measures, subjects }: SavedResults): string {
  const measured = subjects.filter(({ skipped }) => skipped === null);
  const rows = measured.map(({ name, title }) => {
    const throughput = measures.throughput?.[name];
    const alone = measures.latency?.[name]?.find(({ concurrency }) => concurrency === 1);
    const cells = [
      whole(throughput?.perSecond),
      fixed(throughput?.ratioToBare, 2),
      fixed(alone?.p50.overBareMs, 2),
      fixed(measures.streamRate?.[name]?.ratioToBare, 2),
      whole(measures.memory?.[name]?.idle),
      whole(measures.coldStart?.[name]?.medianMs),
    ];
    return `| ${title} | ${cells.join(" | ")} |`;
  });
  return [
    "![Throughput of each proxy](docs/bench/throughput.svg)",
    "",
    "| | requests/s, 64 clients | of bare | p50 over bare, one client, ms | stream frames, of bare | idle, MiB | cold start, ms |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ...rows,
    "",
    `Node ${machine.node}, ${machine.pinned ? "one core for each proxy" : "cores shared"}, ${machine.cpu}, ` +
      `${date.slice(0, 10)}. Trust the ratios: absolute figures are of one machine. ` +
      "What each figure means and how it is taken: [bench](bench/README.md).",
  ].join("\n");
}

type Figure = number | null | undefined;

function whole(value: Figure): string {
  return typeof value === "number" ? Math.round(value).toLocaleString("en-US") : "-";
}

function fixed(value: Figure, digits: number): string {
  return typeof value === "number" ? value.toFixed(digits) : "-";
}
