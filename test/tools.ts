// Programs that some tests check with, and that npm does not bring. `.ci/run` installs them, so
// that nothing is skipped there; elsewhere a missing one is said, and its tests are skipped.
import { test } from "bun:test";

/** `test` where all of the programs are there; `purpose` says what is not checked without them. */
export function testWith(programs: readonly string[], purpose: string): typeof test {
  const missing = programs.filter((program) => Bun.which(program) === null);
  if (missing.length === 0) return test;
  if (process.env["CI"] === "true") {
    throw new Error(`${missing.join(", ")} missing: .ci/run installs what the tests need`);
  }
  console.error(`NOT CHECKED: ${purpose}: ${missing.join(", ")} missing`);
  return test.if(false) as typeof test;
}
