// Commands that run at the same moment wait for one another; the last one to close the database
// clears its write-ahead log away, which must not stop one that is opening it.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { newBank, type TestBank } from "./run.ts";

const ROUNDS = 8;
const AT_ONCE = 8;

let bank: TestBank;
beforeAll(async () => {
  bank = await newBank();
  await bank.json(["accounts", "add", "A-1", "--name", "A", "--balance", "0"]);
});
afterAll(() => bank.remove());

test("credits and looks at once all succeed, and no credit is lost", async () => {
  const credit = ["accounts", "credit", "A-1", "1.00", "--reason", "at once", "--yes"];
  const failed: string[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const commands = Array.from({ length: AT_ONCE }, (_, index) =>
      index % 2 === 0 ? credit : ["accounts", "list"],
    );
    const ran = await Promise.all(commands.map((command) => bank.run(command)));
    failed.push(...ran.filter(({ exit }) => exit !== 0).map(({ err }) => err));
  }
  expect(failed).toEqual([]);
  const account = await bank.json(["accounts", "show", "A-1"]);
  expect(account).toMatchObject({ ledgerBalanceMinor: (ROUNDS * AT_ONCE * 100) / 2 });
}, 60_000);
