// Files that are imported as text, and so end up inside the binary:
//   import schema from "./schema.sql" with { type: "text" };

declare module "*.sql" {
  const text: string;
  export default text;
}

declare module "*.toml" {
  const text: string;
  export default text;
}

// Bun's own types take every HTML file for a page to bundle. The longer prefix wins, so these two
// apply to any relative import. TypeScript 7.1 will read the import attribute instead.
declare module "./*.html" {
  const text: string;
  export default text;
}

declare module "../*.html" {
  const text: string;
  export default text;
}

declare module "bun" {
  interface Env {
    /** The commit, written into the binary by the build; absent when the sources run as they are. */
    readonly TRANSACT_BANK_COMMIT?: string;
    /** The program under test, given to test/binary by npm test. */
    readonly TRANSACT_BANK_BINARY?: string;
  }
}
