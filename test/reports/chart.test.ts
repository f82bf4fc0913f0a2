import { describe, expect, test } from "bun:test";
import {
  type ColumnChart,
  chartHtml,
  everyDay,
  niceTop,
  shownLabels,
} from "../../src/reports/chart.ts";

describe("a scale ends at a whole number people can read", () => {
  const rows: readonly [value: number, top: number][] = [
    [0, 1],
    [1, 1],
    [2, 2],
    [7, 8],
    [10, 10],
    [11, 12],
    [13, 16],
    [17, 20],
    [99, 100],
    [101, 120],
    [1_250, 1_600],
    [8_001, 10_000],
  ];
  test.each(rows)("%d -> %d", (value, top) => {
    expect(niceTop(value)).toBe(top);
  });
});

describe("labels", () => {
  const days = (count: number) => Array.from({ length: count }, (_, index) => `03-${index + 10}`);
  test("are all shown where there is room", () => {
    expect(shownLabels(["0", "1", "2"])).toEqual([0, 1, 2]);
  });
  test.each([8, 31, 366])(
    "of %d days are as many as a phone has room for, the ends among them",
    (count) => {
      const shown = shownLabels(days(count));
      expect([shown[0], shown.at(-1)]).toEqual([0, count - 1]);
      expect(shown.length).toBeLessThanOrEqual(7);
    },
  );
});

test("a day without anything has a column too", () => {
  const days = new Map([
    ["2026-03-02", 5],
    ["2026-02-27", 1],
  ]);
  expect(everyDay(days, 0)).toEqual([
    ["2026-02-27", 1],
    ["2026-02-28", 0],
    ["2026-03-01", 0],
    ["2026-03-02", 5],
  ]);
  expect(everyDay(new Map(), 0)).toEqual([]);
});

const CHART: ColumnChart = {
  kind: "columns",
  title: "A <chart>",
  description: 'Ten & "more"',
  series: ["debited", "declined"],
  columns: [
    { label: "<1>", values: [6, 2] },
    { label: "2", values: [0, 4] },
  ],
};

describe("a chart's SVG", () => {
  const html = chartHtml(CHART, 3);
  test.each([
    [
      "has a title and a description for who cannot see it",
      'aria-labelledby="chart-3-title chart-3-description"',
    ],
    ["escapes its title", '<title id="chart-3-title">A &lt;chart&gt;</title>'],
    ["escapes its description", "Ten &amp; &quot;more&quot;"],
    ["escapes its labels", "&lt;1&gt;"],
    ["stacks a column's parts", '<rect class="s0" x="7%" y="58" width="36%" height="120"/>'],
    ["the second on the first", '<rect class="s1" x="7%" y="18" width="36%" height="40"/>'],
    ["has a legend", "debited</span>"],
  ])("%s", (_, text) => expect(html).toContain(text));
  test("draws nothing for nothing", () => {
    expect(html.match(/<rect class="s0" x/g)).toHaveLength(2);
  });
  test("of bars is as long as its share of the longest", () => {
    const bars = [
      { label: "0000 Success", value: 8, note: "8, 80.0 %" },
      { label: "2010 <b>", value: 2, note: "2, 20.0 %" },
    ];
    const svg = chartHtml({ kind: "bars", title: "t", description: "d", bars }, 1);
    expect(svg).toContain('y="20" width="100%" height="10"/>');
    expect(svg).toContain('<rect class="s0" x="0" y="60" width="25%"');
    expect(svg).toContain("2010 &lt;b&gt;");
  });
});
