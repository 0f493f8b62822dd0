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

it("shows a row for each measured subject, and a dash for what was not measured", () => {
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
    },
  } as unknown as Parameters<typeof renderFigures>[0]);
  expect(figures).toContain("| Gatewright | 12,346 | 0.80 | 0.10 | - | - | - |");
  expect(figures).not.toContain("Peer");
  expect(figures).toContain("Node v22.0.0, one core for each proxy, CPU, 2030-01-31.");
});
