// The demo bank in two commands, and every line of the README's table of what provokes which answer.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { OUTCOMES } from "../../src/domain/outcomes.ts";
import { type Bank, newBank, newRequestId, reserveBody, type Server } from "./program.ts";

let beside: Bank;
let dataDir: string;
let server: Server;
beforeAll(async () => {
  beside = await newBank({ account: false });
  dataDir = join(beside.folder, "demo");
  const made = await beside.run(["init", "--demo", "--data-dir", dataDir]);
  expect([made.exit, made.out]).toEqual([0, expect.stringContaining("serve --data-dir")]);
  server = await beside.serve({ args: ["--data-dir", dataDir] });
});
afterAll(async () => {
  await server.stop();
  beside.remove();
});

type Row = { readonly code: string; readonly message: string; readonly provokes: string };

const README = readFileSync(resolve(import.meta.dir, "../../README.md"), "utf8");
const ROWS: Row[] = [...README.matchAll(/^\| (\d{4}) \| ([\w -]+) \| (.+) \|$/gm)].map(
  ([, code = "", message = "", provokes = ""]) => ({ code, message, provokes }),
);

async function codeOf(fields: Record<string, unknown>): Promise<[string, string]> {
  const body = reserveBody({ clientTxnRef: "demo", ...fields });
  const answer = await server.post("/reserveFunds", body);
  const { responseCode, responseMessage } = JSON.parse(answer.body);
  return [responseCode, responseMessage];
}

const quoted = ({ provokes }: Row) => [...provokes.matchAll(/`([^`]+)`/g)].map(([, text]) => text);
/** The table's first line spells one buyer in several ways; a buyer in a sentence is one of these. */
const isBuyer = (text = "") => /^[+0-9 ]{10,}$/.test(text);
const isField = (text = "") => /^"(reserveAmount|currencyCode)":/.test(text);

describe("the README's table", () => {
  test("has a line for every answer there is", () => {
    const codes = Object.values(OUTCOMES).map(({ code }) => code);
    expect(ROWS.map(({ code }) => code)).toEqual(codes);
  });

  for (const row of ROWS) {
    const expected: [string, string] = [row.code, row.message];
    test(`${row.code}: by a buyer alone`, async () => {
      const buyers = quoted(row).filter(isBuyer);
      expect(buyers).not.toEqual([]);
      for (const sourceIdentifier of buyers) {
        expect(await codeOf({ sourceIdentifier })).toEqual(expected);
      }
    });
    for (const field of quoted(row).filter(isField)) {
      test(`${row.code}: ${field}`, async () => {
        expect(await codeOf(JSON.parse(`{${field}}`))).toEqual(expected);
      });
    }
  }

  test("the PIN that it names is the right one, and another is not", async () => {
    const [, pin] = /"authCode":"(\d+)"/.exec(README) ?? [];
    const sourceIdentifier = "27821234567";
    expect((await codeOf({ sourceIdentifier, authCode: "0000" }))[0]).toBe("2020");
    expect((await codeOf({ sourceIdentifier, authCode: pin }))[0]).toBe("0000");
  });

  test("2060 after a failed result, 2090 for other content", async () => {
    const late = { raasTxnRef: "late-1", responseCode: "2226" };
    expect((await server.post("/transactResult", late)).status).toBe(404);
    expect((await codeOf({ raasTxnRef: "late-1" }))[0]).toBe("2060");
    const raasTxnRef = newRequestId();
    expect((await codeOf({ raasTxnRef }))[0]).toBe("0000");
    expect((await codeOf({ raasTxnRef, reserveAmount: 20_000 }))[0]).toBe("2090");
  });

  test("whose answer is fixed holds nothing, in any spelling and when it is repeated", async () => {
    const fields = { raasTxnRef: newRequestId(), sourceIdentifier: "+27 82 555 0160" };
    expect((await codeOf(fields))[0]).toBe("2060");
    expect((await codeOf(fields))[0]).toBe("2060");
    const { out } = await beside.run(["verify", "--json", "--data-dir", dataDir]);
    expect(JSON.parse(out)).toMatchObject({ ok: true });
  });
});

test("it is made once: a second time is refused and changes nothing", async () => {
  const again = await beside.run(["init", "--demo", "--data-dir", dataDir]);
  expect([again.exit, again.err]).toEqual([1, expect.stringContaining("is not empty")]);
});
