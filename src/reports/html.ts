// A page as one HTML file that needs nothing else: no script, no network, and it prints.
import { clean } from "../printable.ts";
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

function tableOf(section: Section): string {
  const heads = placed(section.columns, false)
    .map(({ column }) => {
      const kind = column.align === "right" ? ' class="figure"' : "";
      return `<th${kind} scope="col">${text(column.title)}</th>`;
    })
    .join("");
  const bodies = section.rows.map((row) => record(section, row)).join("\n");
  const total = section.total === undefined ? "" : record(section, section.total);
  // A narrow screen turns the rows of a wide table into cards.
  const shape = section.columns.length > FEW ? "cards" : "few";
  return `<table class="${shape}"><thead><tr>${heads}</tr></thead>
${bodies}
${total.replace("<tbody>", '<tbody class="total">')}</table>`;
}

function sectionOf(section: Section): string {
  const intro = section.intro === "" ? "" : `<p>${text(section.intro)}</p>`;
  const body =
    section.rows.length === 0 ? `<p class="none">${text(section.none)}</p>` : tableOf(section);
  const sheet = section.newSheet === true ? ' class="sheet"' : "";
  return `<section${sheet}><h2>${text(section.title)}</h2>${intro}${body}</section>`;
}

/** The HTML file of a page. Every text in it is escaped. */
export function htmlText(page: Page): string {
  const facts = page.facts.map(
    ([label, value]) => `<dt>${text(label)}</dt><dd>${text(value)}</dd>`,
  );
  const parts: Record<string, string> = {
    title: text(page.title),
    facts: facts.join(""),
    sections: page.sections.map(sectionOf).join("\n"),
  };
  return template.replace(/\{\{(\w+)\}\}/g, (_, name: string) => parts[name] ?? "");
}
