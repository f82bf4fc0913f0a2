// Programs of the system that some checks need. .ci/run installs all of them, so that there a
// missing one fails; elsewhere the check says that it was left out.

/** What was said already: many test files may need the same, and one line of it is enough. */
const said = new Set<string>();

/** The path of a program; null where it is missing, which is said and must end the test. */
export function tool(name: string, forWhat: string): string | null {
  const path = Bun.which(name);
  if (path === null) notChecked(forWhat, `${name} is not installed`);
  return path;
}

/** Says what is left out and why, once; throws where .ci/run was to install what it needs. */
export function notChecked(what: string, why: string): void {
  if (process.env["CI"] === "true") throw new Error(`${why}: .ci/run installs it`);
  const line = `NOT CHECKED: ${what}, for ${why}`;
  if (!said.has(line)) console.error(line);
  said.add(line);
}
