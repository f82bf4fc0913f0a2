// docs/conformance.md names every rule of the kit as the kit itself does.
import { expect, test } from "bun:test";
import { NEEDS, type Need } from "../../src/conformance/rule.ts";
import { ALL_RULES } from "../../src/conformance/run.ts";
import { textOf } from "../docs/pages.ts";

const TITLES = "| rule | contract | words | needs |\n|---|---|---|---|";

const needsOf = (rule: (typeof ALL_RULES)[number]): readonly Need[] =>
  "needs" in rule ? rule.needs : [];

/** The table as it stands in the page. */
export const rulesInMarkdown = (): string =>
  [
    TITLES,
    ...ALL_RULES.map((rule) => {
      const needs = needsOf(rule).map((need) => NEEDS[need]);
      return `| \`${rule.id}\` | ${rule.section} | ${rule.words} | ${needs.join(", ")} |`;
    }),
  ].join("\n");

test("the table of the rules is the kit's own", () => {
  const page = textOf("docs/conformance.md");
  expect(page.slice(page.indexOf(TITLES)).split("\n\n")[0]).toBe(rulesInMarkdown());
});

test("no rule has another one's id", () => {
  const ids = ALL_RULES.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
});
