// What errors say.

/** An error's text, whatever was thrown; SQLite's texts name tables and rules, never a value. */
export const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
