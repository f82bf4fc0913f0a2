// A bank in which every kind of purchase was made in March 2026.
import { minor } from "../../src/domain/money.ts";
import { type Message, receive } from "./purchases.ts";
import { newBank, type TestBank } from "./run.ts";

export const MARCH: readonly Message[] = [
  { at: "2026-03-02T08:00:00Z", reserve: "raas-open" },
  { at: "2026-03-02T09:00:00Z", reserve: "raas-debited" },
  { at: "2026-03-02T09:00:09Z", result: "raas-debited", code: "0000" },
  { at: "2026-03-02T10:00:00Z", reserve: "raas-late", productId: 220, channelId: 8 },
  { at: "2026-03-02T10:01:00Z", result: "raas-late", code: "2201" },
  { at: "2026-03-02T10:02:00Z", result: "raas-late", code: "0000" },
  {
    at: "2026-03-03T10:00:00Z",
    reserve: "raas-suspense",
    settlementAmount: null,
    purchaseAmount: minor(9_000),
  },
  { at: "2026-03-03T10:00:10Z", result: "raas-suspense", code: "0000" },
  { at: "2026-03-03T11:00:00Z", result: "raas-unknown", code: "0000" },
];

export async function marchBank(): Promise<TestBank> {
  const bank = await newBank();
  await bank.run(["accounts", "add", "62-0001", "--name", "Thandi", "--balance", "5000.00"]);
  await bank.run(["accounts", "map", "27731304702", "62-0001"]);
  receive(bank.dataDir, MARCH);
  return bank;
}
