// config.toml: the one line, and nothing else of the file.
import { describe, expect, test } from "bun:test";
import { DEFAULT_CONFIG, newConfigText, parseConfig } from "../../src/config.ts";
import { withDatabase, withoutDatabase } from "../../src/migrate/place.ts";

const ADDRESS = "postgres://transact_bank@db1,db2/bank?sslrootcert=/etc/ssl/db.pem";
const LINE = `database = "${ADDRESS}"`;

const TEXTS: readonly [name: string, before: string, after: string][] = [
  ["an empty file", "", `${LINE}\n`],
  [
    "a file with the example",
    '# a\n# database = "x"\nport = 1 # b\n',
    `# a\n${LINE}\nport = 1 # b\n`,
  ],
  ["tables alone", '[backup]\nfolder = "b"\n', `${LINE}\n[backup]\nfolder = "b"\n`],
  [
    "the example below a table",
    'port = 1\n[backup]\n# database = "x"\n',
    `${LINE}\nport = 1\n[backup]\n# database = "x"\n`,
  ],
];

describe("to", () => {
  test.each(TEXTS)("%s", (_, before, after) => {
    expect(withDatabase(before, ADDRESS)).toBe(after);
  });

  test("what init wrote", () => {
    const before = newConfigText({ requireSignature: true, database: null });
    const after = withDatabase(before, ADDRESS);
    expect(after).toBe(newConfigText({ requireSignature: true, database: ADDRESS }));
    expect(parseConfig(withoutDatabase(after))).toEqual({
      ...DEFAULT_CONFIG,
      require_signature: true,
    });
  });
});

describe("from", () => {
  test.each([
    [`port = 1\n${LINE} # ours\n[backup]\n`, `port = 1\n# ${LINE} # ours\n[backup]\n`],
    [`  "database"= '${ADDRESS}'\n`, `# "database"= '${ADDRESS}'\n`],
  ])("%j", (before, after) => {
    expect(withoutDatabase(before)).toBe(after);
  });

  test("what a program cannot change is left to a person", () => {
    const several = `database = """\n${ADDRESS}"""\n`;
    expect(() => withoutDatabase(several)).toThrow(/by hand/);
  });
});
