// The deliberate bugs of npm run mutants still fit the code that they break.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { MUTANTS } from "../../scripts/mutants/list.ts";

const root = join(import.meta.dir, "..", "..");

test.each(MUTANTS.map((mutant) => [mutant.name, mutant] as const))(
  "%s stands once in its file, and its tests exist",
  (_, { file, text, replacement, tests }) => {
    expect(readFileSync(join(root, file), "utf8").split(text).length).toBe(2);
    expect(replacement).not.toBe(text);
    expect(tests.filter((name) => !existsSync(join(root, name)))).toEqual([]);
  },
);

test("no two have the same name", () => {
  expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
});
