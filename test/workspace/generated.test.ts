import { relative } from "node:path";
import { expect, it } from "vitest";
import { generateAll } from "../../scripts/generate.ts";
import { readIfThere } from "../../scripts/read-if-there.ts";
import { renderFigures } from "../../scripts/readme-figures.ts";
import { ROOT } from "../../scripts/workspace.ts";

it.each((await generateAll()).map(({ file, text }) => ({ name: relative(ROOT, file), file, text })))(
  "has $name up to date: else run `npm run generate`",
  ({ file, text }) => {
    expect(readIfThere(file)).toBe(text);
  },
);

it("shows a row for each measured subject, a dash for what was not measured, and what was missed", () => {
  const rate = { perSecond: 12_345.6, ratioToBare: 0.804 };
  const figures = renderFigures({
    date: "2030-01-31T10:00:00.000Z",
    machine: { node: "v22.0.0", cpu: "CPU", pinned: true },
    subjects: [
      { name: "default", title: "Gatewright", skipped: null },
      { name: "portkey", title: "Peer", skipped: "not installed" },
    ],
    measures: {
      throughput: { default: rate },
      latency: { default: [{ concurrency: 1, p50: { overBareMs: 0.1 } }] },
      coldStart: { default: { medianMs: null } },
      paced: {
        default: [
          { streams: 1_000, p99ToBare: 9 },
          { streams: 256, p99ToBare: 1.234 },
        ],
      },
    },
    requirements: [
      { subject: "default", text: "throughput, of bare", value: 0.804, limit: 0.6, isMet: true },
      { subject: "default", text: "growth, MiB", value: 33.14, limit: 32, isMet: false },
      { subject: "empty", text: "not measured", value: null, limit: 1, isMet: null },
    ],
  } as unknown as Parameters<typeof renderFigures>[0]);
  expect(figures).toContain("| Gatewright | 12,346 | 0.80 | 0.10 | - | 1.23 | - | - | - |");
  expect(figures).toContain("\nMissed in this run: default, growth, MiB: 33.14 (aim: 32).\n");
  expect(figures).not.toContain("Peer");
  expect(figures).toContain("Node v22.0.0, one core for each proxy, CPU, 2030-01-31.");
});
