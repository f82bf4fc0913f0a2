// Making a bank: whoever comes second, or after a killed init, finds either a bank or room for one.
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initBank } from "../../src/init.ts";
import { readSecret } from "../../src/keys.ts";
import { IDENTITY } from "./bank.ts";

function inFolder(run: (dataDir: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "transact-bank-"));
  try {
    run(join(folder, "bank"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a second init is refused and changes nothing of the first", () => {
  inFolder((dataDir) => {
    initBank(dataDir, IDENTITY, "the first secret");
    expect(() => initBank(dataDir, IDENTITY, "the second secret")).toThrow("holds a bank already");
    expect(readSecret(dataDir, "signature")?.current).toBe("the first secret");
  });
});

test.each(["keys", "config.toml", "bank.db", "bank.db-journal", "bank.db-wal", "serve.lock"])(
  "%s of a killed init is no obstacle",
  (name) => {
    inFolder((dataDir) => {
      mkdirSync(dataDir, { recursive: true });
      if (name === "keys") mkdirSync(join(dataDir, name));
      else writeFileSync(join(dataDir, name), "");
      initBank(dataDir, IDENTITY, null);
    });
  },
);

test("anything else in the folder is somebody's: refused", () => {
  inFolder((dataDir) => {
    mkdirSync(dataDir, { recursive: true });
    writeFileSync(join(dataDir, "letter.txt"), "mine");
    expect(() => initBank(dataDir, IDENTITY, null)).toThrow("is not empty");
  });
});
