// Charts as inline SVG, for people who would rather look than read; the table behind each has every
// figure. Places and lengths are per cent of the width there is, so that the text keeps its size from
// a phone to a sheet of paper. Series are told apart by how much they are filled, not by colour
// alone: in black and white too.
import { addDays, type LocalDay } from "../domain/local-time.ts";

/** Columns over a time, each of a few parts, such as purchases per day by what became of them. */
export type ColumnChart = {
  readonly kind: "columns";
  readonly title: string;
  /** What is to be seen, in a sentence, for whoever cannot see it. */
  readonly description: string;
  /** The parts of each column from below; at most three. */
  readonly series: readonly string[];
  readonly columns: readonly { readonly label: string; readonly values: readonly number[] }[];
};

/** Lying bars with a text each, such as answers by code. */
export type BarChart = {
  readonly kind: "bars";
  readonly title: string;
  readonly description: string;
  readonly bars: readonly {
    readonly label: string;
    readonly value: number;
    readonly note: string;
  }[];
};

export type Chart = ColumnChart | BarChart;

const text = Bun.escapeHTML;

/** Per cent with so few digits that no reader sees the difference. */
const percent = (share: number) => `${Math.round(share * 10_000) / 100}%`;

/** What a scale may end at, times a power of ten: figures people can read, also in halves. */
const TOPS = [1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10];

/** The least of these whole numbers that is no less than a value. */
export function niceTop(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  const top = TOPS.find((factor) => factor * power >= value && Number.isInteger(factor * power));
  return (top ?? 10) * power;
}

/** A column for each day from the first to the last, also those on which nothing was. */
export function everyDay<Figures>(
  days: ReadonlyMap<LocalDay, Figures>,
  nothing: Figures,
): [LocalDay, Figures][] {
  const known = [...days.keys()].sort();
  const [first, last] = [known[0], known.at(-1)];
  if (first === undefined || last === undefined) return [];
  const all: [LocalDay, Figures][] = [];
  for (let day = first; day <= last && all.length < MOST_COLUMNS; day = addDays(day, 1)) {
    all.push([day, days.get(day) ?? nothing]);
  }
  return all;
}

/** Years of days: where there are more, a clock was wrong. */
const MOST_COLUMNS = 1_500;

/** What the labels of a chart may take together on the narrowest screen, in pixels. */
const LABELS_WIDTH = 330;
const labelWidth = (label: string) => 7 * label.length + 9;

/** Which labels are shown: all where there is room, or as many as have room, the ends among them. */
export function shownLabels(labels: readonly string[]): number[] {
  const all = labels.map((_, index) => index);
  const sum = labels.reduce((width, label) => width + labelWidth(label), 0);
  if (sum <= LABELS_WIDTH) return all;
  const most = Math.max(2, Math.floor(LABELS_WIDTH / Math.max(...labels.map(labelWidth))));
  const step = (labels.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, index) => Math.round(index * step));
}

function figure(chart: Chart, number: number, { svg, legend }: { svg: string; legend: string }) {
  const [title, description] = [`chart-${number}-title`, `chart-${number}-description`];
  return (
    `<figure><figcaption>${text(chart.title)}${legend}</figcaption>` +
    svg
      .replace("<svg ", `<svg role="img" aria-labelledby="${title} ${description}" `)
      .replace(
        ">",
        `><title id="${title}">${text(chart.title)}</title>` +
          `<desc id="${description}">${text(chart.description)}</desc>`,
      ) +
    "</figure>\n"
  );
}

// ---------------------------------------------------------------- columns

const TOP = 18;
const HEIGHT = 160;
const BASE = TOP + HEIGHT;
const WHOLE = BASE + 22;
/** Of a column's place, what the column takes. */
const SHARE = 0.72;

/** The lines behind the columns, and their figures, which stand before them. */
function grid(top: number): { lines: string; figures: string } {
  // Half of an odd number is no number of purchases.
  const shares = top % 2 === 0 ? [0, 0.5, 1] : [0, 1];
  const y = (share: number) => BASE - share * HEIGHT;
  const line = (share: number) =>
    `<line class="grid" x1="0" x2="100%" y1="${y(share)}" y2="${y(share)}"/>`;
  const figure = (share: number) =>
    `<text class="axis" x="0" y="${y(share) - 4}">${(top * share).toLocaleString("en")}</text>`;
  return {
    lines: shares.map(line).join(""),
    figures: shares.slice(1).map(figure).join(""),
  };
}

function columnParts({ columns }: ColumnChart, top: number): string {
  return columns
    .map(({ values }, index) => {
      const x = percent((index + (1 - SHARE) / 2) / columns.length);
      const width = percent(SHARE / columns.length);
      let y = BASE;
      return values
        .map((value, series) => {
          const height = Math.round((value / top) * HEIGHT * 10) / 10;
          y = Math.round((y - height) * 10) / 10;
          if (value === 0) return "";
          return `<rect class="s${series}" x="${x}" y="${y}" width="${width}" height="${height}"/>`;
        })
        .join("");
    })
    .join("");
}

/** So many columns are wide enough that a label in the middle of the first stays on the page. */
const FEW_COLUMNS = 12;

function columnLabels({ columns }: ColumnChart): string {
  return shownLabels(columns.map(({ label }) => label))
    .map((index) => {
      const [x, anchor] = labelPlace(index, columns.length);
      const label = text(columns[index]?.label ?? "");
      return `<text class="axis" x="${x}" y="${WHOLE - 6}" text-anchor="${anchor}">${label}</text>`;
    })
    .join("");
}

function labelPlace(index: number, count: number): [x: string, anchor: string] {
  if (count > FEW_COLUMNS && index === 0) return ["0", "start"];
  if (count > FEW_COLUMNS && index === count - 1) return ["100%", "end"];
  return [percent((index + 0.5) / count), "middle"];
}

function legendOf(series: readonly string[]): string {
  if (series.length < 2) return "";
  const items = series.map(
    (name, index) =>
      `<span><svg width="12" height="12" aria-hidden="true">` +
      `<rect class="s${index}" x="1" y="1" width="10" height="10"/></svg> ${text(name)}</span>`,
  );
  return `<span class="legend">${items.join("")}</span>`;
}

function columnFigure(chart: ColumnChart, number: number): string {
  const sums = chart.columns.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const top = niceTop(Math.max(1, ...sums));
  const { lines, figures } = grid(top);
  const svg =
    `<svg width="100%" height="${WHOLE}">` +
    `${lines}${columnParts(chart, top)}${figures}${columnLabels(chart)}</svg>`;
  return figure(chart, number, { svg, legend: legendOf(chart.series) });
}

// ---------------------------------------------------------------- bars

const BAR = 40;

function barFigure(chart: BarChart, number: number): string {
  const most = Math.max(1, ...chart.bars.map(({ value }) => value));
  const bars = chart.bars
    .map(({ label, value, note }, index) => {
      const y = index * BAR;
      return (
        `<text class="label" x="0" y="${y + 14}">${text(label)}</text>` +
        `<text class="label" x="100%" y="${y + 14}" text-anchor="end">${text(note)}</text>` +
        `<rect class="back" x="0" y="${y + 20}" width="100%" height="10"/>` +
        `<rect class="s0" x="0" y="${y + 20}" width="${percent(value / most)}" height="10"/>`
      );
    })
    .join("");
  const svg = `<svg width="100%" height="${chart.bars.length * BAR}">${bars}</svg>`;
  return figure(chart, number, { svg, legend: "" });
}

/** A chart as HTML; `number` tells those of one page apart. */
export function chartHtml(chart: Chart, number: number): string {
  return chart.kind === "columns" ? columnFigure(chart, number) : barFigure(chart, number);
}
