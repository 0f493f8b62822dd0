import type { Results } from "../results.ts";

/** What one plot shows of a subject. */
export interface PlotSubject {
  readonly name: string;
  readonly title: string;
  /** Throughput relative to the bare proxy. */
  readonly ratio: number;
  readonly requestsPerSecond: number;
  /** Requests per second by number of clients, rising. */
  readonly growth: readonly { readonly clients: number; readonly requestsPerSecond: number }[];
}

/** What the plot needs of a run: subjects with a throughput. */
export function plotSubjects({ subjects, measures }: Results): PlotSubject[] {
  return subjects.flatMap(({ name, title }) => {
    const rate = measures.throughput?.[name];
    if (rate === undefined || Number.isNaN(rate.ratioToBare)) return [];
    const growth = measures.growth?.[name] ?? [];
    return [{ name, title, ratio: rate.ratioToBare, requestsPerSecond: rate.perSecond, growth }];
  });
}

const WIDTH = 720;
const LEFT = 210;
const RIGHT = 110;
const BAR = { top: 50, step: 34, height: 20 };
const PLOT_HEIGHT = 220;

/** A mid-tone for each line, told apart on white and on black, and by people who see few colours (Okabe and Ito). */
const COLOURS = ["#7f8c9a", "#0f8fd6", "#e08a00", "#c8558f"];

/** Throughput relative to the bare proxy as bars, and under them how it holds from 1 to 1,000 clients. */
export function renderSvg(subjects: readonly PlotSubject[], caption: string): string {
  const barsEnd = BAR.top + subjects.length * BAR.step;
  const plotTop = barsEnd + 66;
  const height = plotTop + PLOT_HEIGHT + 66;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="Throughput relative to a bare proxy">`,
    STYLE,
    text(16, 26, "Chat requests per second, relative to a bare node:http + undici proxy", "title"),
    ...subjects.map((subject, i) => bar(subject, i, Math.max(1, ...subjects.map(({ ratio }) => ratio)))),
    text(16, plotTop - 22, "Chat requests per second by number of clients", "title"),
    ...growthPlot(subjects, plotTop),
    text(16, height - 14, caption, "note"),
    "</svg>\n",
  ].join("\n");
}

const STYLE = `<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 14px }
  .note { font-size: 11px }
  .note, .axis { fill: #6e7781 }
  .end { text-anchor: end }
  .middle { text-anchor: middle }
  .grid { stroke: #8c959f; stroke-opacity: .35 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note, .axis { fill: #8d96a0 }
  }
</style>`;

function bar(subject: PlotSubject, index: number, longest: number): string {
  const y = BAR.top + index * BAR.step;
  const width = Math.max(1, (subject.ratio / longest) * (WIDTH - LEFT - RIGHT));
  const label = `${subject.ratio.toFixed(2)} · ${thousands(subject.requestsPerSecond)}/s`;
  return [
    text(LEFT - 12, y + 15, subject.title, "end"),
    `<rect x="${LEFT}" y="${y}" width="${round(width)}" height="${BAR.height}" rx="3" fill="${colour(index)}"/>`,
    text(LEFT + width + 8, y + 15, label),
  ].join("\n");
}

function growthPlot(subjects: readonly PlotSubject[], top: number): string[] {
  const points = subjects.flatMap(({ growth }) => growth);
  if (points.length === 0) return [text(16, top + 20, "not measured in this run", "note")];
  const levels = [...new Set(points.map(({ clients }) => clients))].sort((a, b) => a - b);
  const most = niceCeiling(Math.max(...points.map(({ requestsPerSecond }) => requestsPerSecond)));
  const left = 70;
  // Clients grow by factors, so the axis is logarithmic.
  const span = Math.log(levels.at(-1)! / levels[0]!) || 1;
  const x = (clients: number) => left + (Math.log(clients / levels[0]!) / span) * (WIDTH - left - LEFT);
  const y = (rate: number) => top + PLOT_HEIGHT * (1 - rate / most);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => share * most);
  const ends = spread(subjects.map(({ growth }) => y(growth.at(-1)?.requestsPerSecond ?? 0)));
  return [
    ...grid.flatMap((rate) => [
      `<line class="grid" x1="${left}" x2="${WIDTH - LEFT}" y1="${round(y(rate))}" y2="${round(y(rate))}"/>`,
      text(left - 8, y(rate) + 4, thousands(rate), "axis end"),
    ]),
    ...levels.map((clients) =>
      text(x(clients), top + PLOT_HEIGHT + 20, clients.toLocaleString("en-US"), "axis middle"),
    ),
    ...subjects.flatMap(({ title, growth }, i) => {
      if (growth.length === 0) return [];
      const line = growth.map(
        ({ clients, requestsPerSecond }) => `${round(x(clients))},${round(y(requestsPerSecond))}`,
      );
      return [
        `<polyline points="${line.join(" ")}" fill="none" stroke="${colour(i)}" stroke-width="2.5" stroke-linejoin="round"/>`,
        text(WIDTH - LEFT + 10, ends[i]! + 4, title),
      ];
    }),
  ];
}

/** Moves labels apart that would overlap, downwards, in the order of their heights. */
export function spread(heights: readonly number[], gap = 16): number[] {
  const placed = [...heights];
  let free = Number.NEGATIVE_INFINITY;
  for (const i of placed.map((_, index) => index).sort((a, b) => heights[a]! - heights[b]!)) {
    placed[i] = Math.max(placed[i]!, free);
    free = placed[i] + gap;
  }
  return placed;
}

/** A round figure that is not below `value` and whose quarters are round too: the top of an axis. */
export function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return power * ([1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8].find((step) => step * power >= value) ?? 10);
}

function text(x: number, y: number, content: string, style?: string): string {
  const attribute = style === undefined ? "" : ` class="${style}"`;
  return `<text x="${round(x)}" y="${round(y)}"${attribute}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function colour(index: number): string {
  return COLOURS[index % COLOURS.length]!;
}

function thousands(value: number): string {
  return value >= 10_000 ? `${Math.round(value / 1_000)}k` : Math.round(value).toLocaleString("en-US");
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
