// docs/configuration.md has every key with its rule and its default, and its examples are right.
import { expect, test } from "bun:test";
import { configRules, parseConfig } from "../../src/config.ts";
import { blocksOf, proseOf, textOf } from "./pages.ts";

const text = textOf("docs/configuration.md");
const ROW = /^\| `([\w.]+)` \| (.*?) \| (.*?) \| (.*) \|$/;

function standardText(standard: unknown): string {
  if (standard === undefined) return "none";
  const isTable = typeof standard === "object" && !Array.isArray(standard);
  return isTable ? "all defaults" : `\`${JSON.stringify(standard)}\``;
}

test("every key has a row with what is allowed and what is the default", () => {
  const rows = proseOf(text).flatMap((line) => {
    const [, key = "", allowed = "", standard = "", meaning = ""] = ROW.exec(line) ?? [];
    return key === "" ? [] : [{ key, allowed, standard, meaning }];
  });
  const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);
  expect(rows.sort(byKey)).toEqual(
    configRules()
      .map(({ key, rule, standard }) => ({
        key,
        allowed: rule,
        standard: standardText(standard),
        meaning: expect.stringMatching(/\w/),
      }))
      .sort(byKey),
  );
});

test("the examples are configurations, and have each key once", () => {
  const examples = blocksOf(text).filter(({ info }) => info === "toml");
  const keys = examples.flatMap(({ lines }) => {
    const example = lines.join("\n");
    parseConfig(example);
    const paths = (value: object, above = ""): string[] =>
      Object.entries(value).flatMap(([key, inner]) =>
        inner !== null && typeof inner === "object" && !Array.isArray(inner)
          ? [`${above}${key}`, ...paths(inner as object, `${above}${key}.`)]
          : [`${above}${key}`],
      );
    return paths(Bun.TOML.parse(example));
  });
  expect(keys.sort()).toEqual(
    configRules()
      .map(({ key }) => key)
      .sort(),
  );
});
