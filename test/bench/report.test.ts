import { describe, expect, it } from "vitest";
import { niceCeiling, renderSvg, spread } from "../../bench/src/report/svg.ts";
import { table } from "../../bench/src/report/table.ts";

describe("table", () => {
  it("aligns names to the left and figures to the right", () => {
    expect(
      table(
        "Title",
        ["", "n"],
        [
          ["a", "1"],
          ["long", "1,000"],
        ],
      ),
    ).toBe(["Title", "            n", "  a         1", "  long  1,000"].join("\n"));
  });
});

describe("renderSvg", () => {
  const growth = [1, 10, 100].map((clients) => ({ clients, requestsPerSecond: clients * 100 }));
  const svg = renderSvg(
    [
      { name: "a", title: "<A> & B", ratio: 1, requestsPerSecond: 20_000, growth },
      { name: "b", title: "B", ratio: 0.5, requestsPerSecond: 10_000, growth: [] },
    ],
    "caption",
  );

  it("draws bars in proportion to the ratios", () => {
    const widths = [...svg.matchAll(/<rect [^>]*width="([\d.]+)"/g)].map(([, width]) => Number(width));
    expect(widths).toHaveLength(2);
    expect(widths[1]! / widths[0]!).toBeCloseTo(0.5, 2);
  });

  it("spaces numbers of clients by their factor", () => {
    const [x1, x10, x100] = /<polyline points="([^"]+)"/
      .exec(svg)![1]!
      .split(" ")
      .map((point) => Number(point.split(",")[0]));
    expect(x10! - x1!).toBeCloseTo(x100! - x10!, 0);
  });

  it("escapes titles, has a line for each growth and holds no NaN", () => {
    expect(svg).toContain("&lt;A&gt; &amp; B");
    expect(svg.match(/<polyline/g)).toHaveLength(1);
    expect(svg).not.toContain("NaN");
  });

  it("says that growth was not measured where no subject has one", () => {
    const bare = renderSvg([{ name: "a", title: "A", ratio: 1, requestsPerSecond: 1, growth: [] }], "");
    expect(bare).toContain("not measured in this run");
  });
});

describe("spread", () => {
  it("moves labels apart that would overlap and leaves the others", () => {
    expect(spread([100, 10, 102], 16)).toEqual([100, 10, 116]);
  });
});

describe("niceCeiling", () => {
  it("rounds up to a figure whose quarters read well", () => {
    expect([19_500, 21_000, 41_000, 81_000, 7, 1].map(niceCeiling)).toEqual([
      20_000, 24_000, 60_000, 100_000, 8, 1,
    ]);
  });
});
