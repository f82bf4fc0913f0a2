// The demo bank: an account in every state, marked as a demo for ever. Its buyers provoke every
// answer there is, so that Clickatell's side can be tried against each of them.
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { openBank } from "./bank.ts";
import type { AccountStatus } from "./domain/account.ts";
import { canonicalBuyerId } from "./domain/identifiers.ts";
import type { LimitFigures } from "./domain/limits.ts";
import { minor, ZERO } from "./domain/money.ts";
import type { Decline } from "./domain/outcomes.ts";
import { syncFolder } from "./files.ts";
import { holdsForeignFiles, initBank } from "./init.ts";
import { CannotOpen } from "./storage/cannot-open.ts";
import type { By, Operation, Result, Store } from "./storage/store.ts";

type DemoAccount = {
  readonly number: string;
  readonly name: string;
  readonly balance: number;
  readonly overdraft?: number;
  readonly status?: AccountStatus;
  readonly buyers: readonly string[];
  readonly pin?: string;
  readonly limits?: Partial<LimitFigures>;
};

/** Amounts in cents. The README's table of what each buyer provokes is this one. */
const ACCOUNTS: readonly DemoAccount[] = [
  {
    number: "1001",
    name: "Thandi Mokoena",
    balance: 500_000,
    buyers: ["27731304702", "thandi@bank"],
  },
  { number: "1002", name: "Pieter Botha", balance: 500_000, buyers: ["27821234567"], pin: "4321" },
  {
    number: "1003",
    name: "Aisha Khan",
    balance: 100_000,
    status: "inactive",
    buyers: ["27825550103"],
  },
  {
    number: "1004",
    name: "Sipho Dlamini",
    balance: 100_000,
    status: "blacklisted",
    buyers: ["27825550104"],
  },
  { number: "1005", name: "Lerato Nkosi", balance: 100, buyers: ["27825550105"] },
  {
    number: "1006",
    name: "Johan Smit",
    balance: 1_000,
    overdraft: 100_000,
    buyers: ["27825550106"],
  },
  { number: "1007", name: "Blocked Buyer", balance: 100_000, buyers: ["27825550107"] },
  {
    number: "1008",
    name: "Above Two Thousand Only",
    balance: 100_000,
    buyers: ["27825550108"],
    limits: { min: minor(200_000) },
  },
  {
    number: "1009",
    name: "Up To Five Only",
    balance: 100_000,
    buyers: ["27825550109"],
    limits: { max: minor(500) },
  },
];

const BLOCKED_BUYER = "27825550107";

/** Answers that no state of an account leads to: a demo bank gives them to these buyers. */
const TOLD: ReadonlyMap<string, Decline> = new Map([
  ["27825550160", "timeOut"],
  ["27825550190", "unknownError"],
]);

export const DEMO_IDENTITY = {
  code: "DEMO",
  currency: "ZAR",
  minorDigits: 2,
  timeZone: "Africa/Johannesburg",
  country: "ZA",
  demo: true,
} as const;

function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`the demo bank cannot be filled: ${result.refusal.message}`);
  return result.value;
}

function fill(store: Store, by: By): void {
  const accounts = ACCOUNTS.map(({ number, name, balance, overdraft, status, buyers }) => ({
    number,
    name,
    balance: minor(balance),
    overdraft: minor(overdraft ?? ZERO),
    status: status ?? "active",
    buyers,
  }));
  must(store.addAccounts(by, "demo", accounts, false));
  const figures = { min: minor(500), max: minor(200_000), dayAmount: minor(400_000) };
  must(store.setLimits(by, { scope: "global", scopeKey: "*" }, figures));
  for (const { number, pin, limits } of ACCOUNTS) {
    if (pin !== undefined) must(store.setPin(by, number, pin));
    if (limits !== undefined) {
      must(store.setLimits(by, { scope: "account", scopeKey: number }, limits));
    }
  }
  must(store.blockBuyer(by, BLOCKED_BUYER));
}

/** Where a demo bank is made, until it is whole. */
const unfinishedOf = (dataDir: string) => `${dataDir}.new`;

/** Throws CannotOpen where a demo bank cannot be made; changes nothing. */
export function assertNoDemo(dataDir: string): void {
  if (existsSync(dataDir) && readdirSync(dataDir).length > 0) {
    throw new CannotOpen(`${dataDir} is not empty: name a folder that is, or does not exist`);
  }
  const unfinished = unfinishedOf(dataDir);
  if (existsSync(unfinished) && holdsForeignFiles(unfinished)) {
    throw new CannotOpen(`${unfinished} is in the way: move it`);
  }
}

/**
 * Makes the demo bank in a folder that is empty or does not exist.
 * It is made beside its place and moved there whole, so that a killed one leaves no half. Throws
 * CannotOpen where the folder, or what is beside it, holds anything else.
 */
export function initDemo(dataDir: string, by: By): void {
  assertNoDemo(dataDir);
  const unfinished = unfinishedOf(dataDir);
  rmSync(unfinished, { recursive: true, force: true });
  initBank(unfinished, DEMO_IDENTITY, null);
  const opened = openBank(unfinished);
  try {
    fill(opened.store, by);
  } finally {
    opened.close();
  }
  renameSync(unfinished, dataDir);
  syncFolder(dirname(dataDir));
}

/** The operation of a buyer whose answer stands beforehand, as one that was told it. */
function toldBeforehand(operation: Operation): Operation {
  if (operation.kind !== "reserve" || operation.told !== null) return operation;
  const told = TOLD.get(canonicalBuyerId(operation.request.buyerId, DEMO_IDENTITY.country));
  return told === undefined ? operation : { ...operation, told };
}

/** The part of a demo bank's store that knows the buyers with a fixed answer. */
export function withToldBuyers(applyBatch: Store["applyBatch"]): Pick<Store, "applyBatch"> {
  return { applyBatch: (operations, times) => applyBatch(operations.map(toldBeforehand), times) };
}
