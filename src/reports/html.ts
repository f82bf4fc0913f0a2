// A page as one HTML file that needs nothing else: no script, no network, and it prints.
import { clean } from "../printable.ts";
import { isEmpty } from "../storage/pages.ts";
import { chartHtml } from "./chart.ts";
import template from "./page.html" with { type: "text" };
import type { Column, Page, Section } from "./page.ts";

/** So many columns fit on every screen. */
const FEW = 3;

const text = (value: string): string => Bun.escapeHTML(clean(value));

function cell(column: Column, value: string): string {
  const kind = column.align === "right" ? ' class="figure"' : "";
  // On a card the label stands before its value.
  return `<td${kind} data-label="${text(column.title)}">${text(value)}</td>`;
}

type Placed = { readonly column: Column; readonly index: number };

function placed(columns: readonly Column[], above: boolean): Placed[] {
  return columns
    .map((column, index) => ({ column, index }))
    .filter(({ column }) => (column.whole === true) === above);
}

function aboveRow(places: readonly Placed[], row: readonly string[], width: number): string {
  const items = places
    .map(({ column, index }) => ({ title: column.title, value: row[index] ?? "" }))
    .filter(({ value }) => value !== "")
    .map(({ title, value }) => `<span><b>${text(title)}</b> ${text(value)}</span>`);
  if (items.length === 0) return "";
  return `<tr class="above"><td colspan="${width}">${items.join(" ")}</td></tr>`;
}

function record(section: Section, row: readonly string[]): string {
  const below = placed(section.columns, false);
  const cells = below.map(({ column, index }) => cell(column, row[index] ?? "")).join("");
  const above = aboveRow(placed(section.columns, true), row, below.length);
  return `<tbody>${above}<tr>${cells}</tr></tbody>`;
}

function* tableOf(section: Section): Iterable<string> {
  const heads = placed(section.columns, false)
    .map(({ column }) => {
      const kind = column.align === "right" ? ' class="figure"' : "";
      return `<th${kind} scope="col">${text(column.title)}</th>`;
    })
    .join("");
  // A narrow screen turns the rows of a wide table into cards.
  const shape = section.columns.length > FEW ? "cards" : "few";
  yield `<table class="${shape}"><thead><tr>${heads}</tr></thead>\n`;
  for (const row of section.rows) yield `${record(section, row)}\n`;
  const total = section.total === undefined ? "" : record(section, section.total);
  yield `${total.replace("<tbody>", '<tbody class="total">')}</table>`;
}

function* sectionOf(section: Section, number: number): Iterable<string> {
  const intro = section.intro === "" ? "" : `<p>${text(section.intro)}</p>`;
  const sheet = section.newSheet === true ? ' class="sheet"' : "";
  yield `<section${sheet}><h2>${text(section.title)}</h2>${intro}`;
  const isBare = isEmpty(section.rows);
  if (section.chart !== undefined && !isBare) yield chartHtml(section.chart, number);
  if (isBare) yield `<p class="none">${text(section.none)}</p>`;
  else yield* tableOf(section);
  yield "</section>";
}

function footOf({ foot }: Page): string {
  if (foot === undefined) return "";
  const { label, value, advice } = foot;
  const line = `<b>${text(label)}</b> <code>${text(value)}</code>`;
  return `<footer><p>${line}</p><p>${text(advice)}</p></footer>`;
}

/** The HTML file of a page, in parts. Every text in it is escaped. */
export function* htmlParts(page: Page): Iterable<string> {
  const facts = page.facts.map(
    ([label, value]) => `<dt>${text(label)}</dt><dd>${text(value)}</dd>`,
  );
  const known: Record<string, string> = {
    title: text(page.title),
    facts: facts.join(""),
    foot: footOf(page),
  };
  const filled = (part: string) =>
    part.replace(/\{\{(\w+)\}\}/g, (_, name: string) => known[name] ?? "");
  const [before = "", after = ""] = template.split("{{sections}}");
  yield filled(before);
  for (const [index, section] of page.sections.entries()) {
    if (index > 0) yield "\n";
    yield* sectionOf(section, index + 1);
  }
  yield filled(after);
}
