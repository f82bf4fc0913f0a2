// The timeline of a reservation that everything happened to: who did what, when, in order.
import { expect, setDefaultTimeout, test } from "bun:test";
import { words } from "./run.ts";
import { marchBank } from "./seeded.ts";

// Each command is a process of its own, and the machine may be busy.
setDefaultTimeout(60_000);

test("a timeline has what was sent, released, corrected and closed, with who did it", async () => {
  const bank = await marchBank();
  await bank.run([...words("reports exceptions --mark-sent --reason"), "weekly mail"]);
  await bank.run([...words("reservations release raas-open --yes --reason"), "ticket 1"]);
  await bank.run([...words("reservations release raas-suspense --yes --reason"), "ticket 2"]);
  await bank.run([...words("findings close 2 --yes --reason"), "split agreed"]);

  const timelineOf = async (ref: string) => {
    const { timeline } = (await bank.json(["reservations", "show", ref])) as {
      timeline: { at: string; what: string; detail: string; who: string }[];
    };
    const times = timeline.map(({ at }) => at);
    expect(times).toEqual(times.toSorted());
    return timeline.filter(({ what }) => what !== "check");
  };
  const me = (await timelineOf("raas-open")).at(-1)?.who ?? "";
  expect(me).not.toBe("");
  const lines = async (ref: string) =>
    (await timelineOf(ref)).map(({ what, detail, who }) => `${what} by ${who}: ${detail}`);

  expect(await lines("raas-open")).toEqual([
    expect.stringContaining("received by Clickatell: 105.00 ZAR for product 110 over 7 USSD"),
    expect.stringContaining("held by the bank: 105.00 ZAR on account 62-0001 as ACME-"),
    "answered by the bank: 200 0000 Success after 1.0 ms",
    `sent by ${me}: in a report to Clickatell`,
    `released by ${me}: 105.00 ZAR of account 62-0001 is free again: ticket 1`,
  ]);
  expect((await lines("raas-suspense")).slice(3)).toEqual([
    "result by Clickatell: 0000, dispensed: answered 202, receipt 8",
    expect.stringMatching(/^debited by Clickatell: @suspense 105.00, 62-0001 -105.00 \(journal /),
    expect.stringContaining("finding 2 by the bank: No settlementAmount"),
    expect.stringMatching(new RegExp(`^correction by ${me}: @suspense -105.00, .*: ticket 2 `)),
    `closed by ${me}: finding 2 closed: split agreed`,
  ]);
  bank.remove();
});
