// Programs of the system that some checks need. .ci/run installs all of them, so that there a
// missing one fails; elsewhere the check says that it was left out.

/** The path of a program; null where it is missing, which is said and must end the test. */
export function tool(name: string, forWhat: string): string | null {
  const path = Bun.which(name);
  if (path !== null) return path;
  if (process.env["CI"] === "true") throw new Error(`${name} is missing: .ci/run installs it`);
  console.error(`NOT CHECKED: ${forWhat}, for ${name} is not installed`);
  return null;
}
