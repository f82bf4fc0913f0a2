import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { story, type TestBank, words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

let bank: TestBank;
beforeAll(async () => {
  bank = await marchBank();
});
afterAll(() => bank.remove());

type Receipt = { id: string; requestId: string };

test("receipts list has the newest first", async () => {
  const receipts = (await bank.json(words("receipts list --limit 2"))) as Receipt[];
  expect(receipts.map(({ id, requestId }) => [id, requestId])).toEqual([
    ["9", "raas-unknown"],
    ["8", "raas-suspense"],
  ]);
});

test("receipts show has the body as it is kept", async () => {
  expect(await bank.json(words("receipts show 1"))).toMatchObject({
    id: "1",
    receivedAt: "2026-03-02T08:00:00.000Z",
    status: 200,
    responseCode: "0000",
    requestId: "raas-open",
    body: expect.stringMatching(/^{"raasTxnRef":"raas-open",.*,"authCode":"\*\*\*"}$/),
    notes: [],
  });
});

story(
  () => bank,
  [
    {
      run: words("receipts list"),
      exit: 0,
      says: ["200 0000 Success", "404 No matching reservation"],
    },
    { run: words("receipts show 1"), exit: 0, says: ["POST /reserveFunds", "raas-open"] },
    { run: words("receipts show 99"), exit: 3, says: ["no receipt 99"] },
    { run: words("receipts show d99"), exit: 3, says: ["no receipt d99"] },
    { run: words("receipts list --limit many"), exit: 2, says: ["whole number"] },
  ],
);
