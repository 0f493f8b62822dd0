import type { Requirement } from "../requirements.ts";
import type { Results, SubjectFact } from "../results.ts";
import type { BySubject } from "../rounds.ts";
import type { Rate } from "../measure/rate.ts";
import type { Latency } from "../measure/latency.ts";

/** The whole run as text for a terminal. */
export function renderReport(results: Results): string {
  const { machine, measures, subjects } = results;
  const parts = [
    `Node ${machine.node} on ${machine.cores} cores (${machine.cpu}), ` +
      `${machine.pinned ? "one core each for the subject and the load" : "not pinned: all share the cores"}; ` +
      `${Math.round(results.seconds)} s${results.quick ? ", quick: too short for figures to quote" : ""}`,
    ...subjects.flatMap(({ name, skipped }) => (skipped === null ? [] : [`${name}: skipped, ${skipped}`])),
    ...disturbance(results),
    ...results.failures.map(({ subject, measure, reason }) => `${subject}: ${measure} failed, ${reason}`),
    measures.throughput && rateTable("Chat replies, 64 clients", "requests/s", measures.throughput, subjects),
    measures.latency && latencyTable("Latency, ms", measures.latency, subjects),
    measures.growth &&
      table(
        "From 1 to 1,000 clients",
        ["", "clients", "requests/s", "p50 ms", "p99 ms", "errors"],
        rowsOf(measures.growth, subjects, (point) => [
          whole(point.clients),
          whole(point.requestsPerSecond),
          fixed(point.p50Ms, 2),
          fixed(point.p99Ms, 2),
          whole(point.errors),
        ]),
      ),
    measures.streamRate && rateTable("Streams, 32 at once", "frames/s", measures.streamRate, subjects),
    measures.firstToken && latencyTable("Time to first token, ms", measures.firstToken, subjects),
    measures.paced &&
      table(
        "Paced streams: from the upstream's write of a frame to its arrival, ms",
        ["", "streams", "every", "complete", "lost", "p50", "of bare", "p99", "of bare", "latest"],
        rowsOf(measures.paced, subjects, (paced) => [
          whole(paced.streams),
          `${paced.intervalMs} ms`,
          `${paced.complete}/${paced.started}`,
          whole(paced.lost),
          ...[paced.p50Ms, paced.p50ToBare, paced.p99Ms, paced.p99ToBare].map((value) => fixed(value, 2)),
          fixed(paced.maxMs, 1),
        ]),
      ),
    measures.translated &&
      table(
        "Streams for clients of OpenAI's API, by the dialect of the backend",
        ["", "frames/s", "of same", "by CPU", "first token ms", "added", "errors"],
        Object.entries(measures.translated).map(([name, figure]) => [
          name,
          whole(figure.framesPerSecond),
          fixed(figure.ratioToSame, 2),
          fixed(figure.cpuRatioToSame, 2),
          fixed(figure.firstTokenMs, 3),
          fixed(figure.firstTokenAddedMs, 3),
          whole(figure.errors),
        ]),
      ),
    measures.memory &&
      table(
        "Resident memory, MiB",
        ["", "idle", "64 clients", "100 MB up", "100 MB down"],
        rowsOf(measures.memory, subjects, (memory) => [
          fixed(memory.idle, 1),
          fixed(memory.underLoad, 1),
          `+${fixed(memory.uploadGrowth, 1)}`,
          `+${fixed(memory.downloadGrowth, 1)}`,
        ]),
      ),
    measures.coldStart &&
      table(
        "Cold start to the first 200, ms",
        ["", "median", "of"],
        rowsOf(measures.coldStart, subjects, (start) => [whole(start.medianMs), whole(start.starts.length)]),
      ),
    requirementTable(results.requirements),
  ];
  return parts.filter((part) => part !== undefined).join("\n\n") + "\n";
}

/** Above this share of a core, what other programs do shows in the figures. */
const QUIET = 0.1;

function disturbance({ measures }: Results): string[] {
  const rates = [measures.throughput, measures.streamRate].flatMap((of) => Object.values(of ?? {}));
  const most = Math.max(0, ...rates.map(({ othersBusy }) => othersBusy || 0));
  if (most <= QUIET) return [];
  return [`Not quiet: other programs took up to ${percent(most)} of a core; trust only the ratios by CPU`];
}

function rateTable(
  title: string,
  unit: string,
  rates: BySubject<Rate>,
  subjects: readonly SubjectFact[],
): string {
  return table(
    title,
    ["", unit, "of bare", "by CPU", "subject busy", "load busy", "others busy", "errors"],
    rowsOf(rates, subjects, (rate) => [
      whole(rate.perSecond),
      fixed(rate.ratioToBare, 2),
      fixed(rate.cpuRatioToBare, 2),
      percent(rate.subjectBusy),
      percent(rate.loadBusy),
      percent(rate.othersBusy),
      whole(rate.errors),
    ]),
  );
}

function latencyTable(title: string, times: BySubject<Latency[]>, subjects: readonly SubjectFact[]): string {
  return table(
    title,
    ["", "clients", "p50", "added", "over bare", "p99", "added", "over bare", "errors"],
    rowsOf(times, subjects, ({ concurrency, p50, p99, errors }) => [
      whole(concurrency),
      ...[p50.ms, p50.addedMs, p50.overBareMs, p99.ms, p99.addedMs, p99.overBareMs].map((ms) => fixed(ms, 3)),
      whole(errors),
    ]),
  );
}

function requirementTable(requirements: readonly Requirement[]): string {
  const verdict = { true: "met", false: "NOT MET", null: "not measured" };
  return table(
    "Requirements",
    ["", "", "measured", "wanted", ""],
    requirements.map(({ subject, text, value, limit, good, isMet }) => [
      subject,
      text,
      fixed(value, value < 10 ? 2 : 0),
      `${good === "atLeast" ? ">=" : "<="} ${limit}`,
      verdict[`${isMet}`],
    ]),
    2,
  );
}

/** One row for each figure, under the subject's name; `direct` first. */
function rowsOf<T>(
  figures: BySubject<T | T[]>,
  subjects: readonly SubjectFact[],
  cells: (figure: T) => string[],
): string[][] {
  return ["direct", ...subjects.map(({ name }) => name)].flatMap((name) => {
    const of = figures[name];
    if (of === undefined) return [];
    return (Array.isArray(of) ? of : [of]).map((figure) => [name, ...cells(figure)]);
  });
}

/** Aligned columns under a title: the first `textColumns` to the left, figures to the right. */
export function table(
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
  textColumns = 1,
): string {
  const widths = head.map((text, column) =>
    Math.max(text.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((text, column) =>
        column < textColumns ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
      )
      .join("  ")
      .trimEnd();
  return [title, ...[head, ...rows].map((row) => `  ${line(row)}`)].join("\n");
}

function whole(value: number): string {
  return Number.isNaN(value) ? "-" : Math.round(value).toLocaleString("en-US");
}

function fixed(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}

function percent(share: number): string {
  return Number.isNaN(share) ? "-" : `${Math.round(share * 100)} %`;
}
