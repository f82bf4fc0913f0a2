// The chart of docs/performance.md: an SVG by hand, whose text is text.
import { contestant } from "./contestants.ts";
import { figure } from "./report.ts";
import { type CaseResult, type GroupResult, type Spread, spread } from "./stats.ts";

const WIDTH = 860;
const MARGIN = 24;
const LABELS = 250;
const ROW = 30;
const BAR = 16;
const PANEL_HEAD = 44;
/** Right of the longest bar, for its figure. */
const FIGURES = 90;

// It is shown as a picture, which knows how the reader's system is set, not how the page around it
// looks: with a ground of its own it can be read on any page.
const STYLE = `
  text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2328; }
  .head { font-weight: 600; font-size: 15px; }
  .soft { fill: #59636e; }
  .ground { fill: #ffffff; stroke: #d1d9e0; }
  .axis { stroke: #d1d9e0; }
  .ours { fill: #0969da; } .peer { fill: #818b98; } .limit { fill: #c8d1da; }
  .range { stroke: #1f2328; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc; } .soft { fill: #9198a1; }
    .ground { fill: #0d1117; stroke: #3d444d; } .axis { stroke: #3d444d; }
    .ours { fill: #4493f8; } .peer { fill: #768390; } .limit { fill: #444c56; }
    .range { stroke: #f0f6fc; }
  }`;

type Row = { readonly title: string; readonly kind: string; readonly value: Spread };
type Panel = { readonly head: string; readonly note: string; readonly rows: readonly Row[] };

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

function kindOf({ case: one }: CaseResult): string {
  if (one.contestant === "limit") return "limit";
  return one.contestant === "ours" || one.contestant === "one-by-one" ? "ours" : "peer";
}

function rowsOf(
  cases: readonly CaseResult[],
  of: (measured: CaseResult["samples"][number]["measured"]) => number,
): Row[] {
  return cases.flatMap((one) => {
    const value = spread(one, of);
    if (value === null) return [];
    return [{ title: contestant(one.case.contestant).title, kind: kindOf(one), value }];
  });
}

/** One row: its name, its bar, the range over the rounds, its median. */
function rowText({ title, kind, value }: Row, top: number, scale: (value: number) => number) {
  const from = MARGIN + LABELS;
  const middle = top + ROW / 2;
  const end = from + scale(value.median);
  const label = Math.max(end, from + scale(value.most)) + 8;
  return [
    `<text x="${from - 12}" y="${middle + 4.5}" text-anchor="end">${escaped(title)}</text>`,
    `<rect class="${kind}" x="${from}" y="${middle - BAR / 2}" width="${Math.max(1, end - from).toFixed(1)}" height="${BAR}" rx="2"/>`,
    `<line class="range" x1="${(from + scale(value.least)).toFixed(1)}" x2="${(from + scale(value.most)).toFixed(1)}" y1="${middle}" y2="${middle}"/>`,
    `<text class="soft" x="${label.toFixed(1)}" y="${middle + 4.5}">${figure(value.median)}</text>`,
  ].join("\n  ");
}

function panelText({ head, note, rows }: Panel, top: number): string {
  const room = WIDTH - 2 * MARGIN - LABELS - FIGURES;
  const most = Math.max(...rows.map(({ value }) => value.most));
  const scale = (value: number) => (value / most) * room;
  const from = top + PANEL_HEAD;
  const axis = MARGIN + LABELS;
  return [
    `<text class="head" x="${MARGIN}" y="${top + 18}">${escaped(head)}` +
      `<tspan class="soft" font-weight="400" font-size="13" dx="8">${escaped(note)}</tspan></text>`,
    `<line class="axis" x1="${axis}" x2="${axis}" y1="${from - 4}" y2="${from + rows.length * ROW + 4}"/>`,
    ...rows.map((row, index) => rowText(row, from + index * ROW, scale)),
  ].join("\n  ");
}

/** Draws operations/s and p99 of the contestants of one group; null where there is nothing. */
export function chartOf(group: GroupResult | undefined): string | null {
  if (group === undefined || group.cases.length === 0) return null;
  const panels: Panel[] = [
    {
      head: "Operations a second",
      note: `${group.name}; more is better`,
      rows: rowsOf(group.cases, ({ perSecond }) => perSecond),
    },
    {
      head: "p99 in milliseconds",
      note: "one answer in a hundred takes longer; less is better",
      rows: rowsOf(group.cases, ({ p99 }) => p99),
    },
  ];
  let top = MARGIN;
  const drawn = panels.map((panel) => {
    const text = panelText(panel, top);
    top += PANEL_HEAD + panel.rows.length * ROW + MARGIN;
    return text;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" width="${WIDTH}" height="${top}" role="img" aria-labelledby="title">`,
    `<title id="title">Operations a second and p99 of transact-bank and its peers, ${escaped(group.name)}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="ground" x="0.5" y="0.5" width="${WIDTH - 1}" height="${top - 1}" rx="6"/>`,
    ...drawn,
    "</svg>",
    "",
  ].join("\n");
}
