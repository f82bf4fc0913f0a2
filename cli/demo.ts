// demo: the bank that `npm start` shows: an account in every state, marked as a demo for ever.
import { existsSync, renameSync, rmSync } from "node:fs";
import type { Command } from "commander";
import { openBank } from "../src/bank.ts";
import type { AccountStatus } from "../src/domain/account.ts";
import { minor, ZERO } from "../src/domain/money.ts";
import { holdsForeignFiles, initBank } from "../src/init.ts";
import type { By, Store } from "../src/storage/store.ts";
import { Failure } from "./failure.ts";
import { commonOptions, dataDirOf, typedAction, unwrap } from "./session.ts";
import { whoIsIt } from "./who.ts";

type DemoAccount = {
  readonly number: string;
  readonly name: string;
  readonly balance: number;
  readonly overdraft?: number;
  readonly status?: AccountStatus;
  readonly buyers: readonly string[];
  readonly pin?: string;
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
];

function fill(store: Store, by: By): void {
  const accounts = ACCOUNTS.map(({ number, name, balance, overdraft, status, buyers }) => ({
    number,
    name,
    balance: minor(balance),
    overdraft: minor(overdraft ?? ZERO),
    status: status ?? "active",
    buyers,
  }));
  unwrap(store.addAccounts(by, "demo", accounts, false));
  for (const { number, pin } of ACCOUNTS) {
    if (pin !== undefined) unwrap(store.setPin(by, number, pin));
  }
  unwrap(store.blockBuyer(by, "27825550107"));
  const figures = { min: minor(500), max: minor(200_000), dayAmount: minor(400_000) };
  unwrap(store.setLimits(by, { scope: "global", scopeKey: "*" }, figures));
}

/** Makes the demo bank beside its place and moves it there whole, so a killed one leaves no half. */
function makeDemo(dataDir: string): void {
  if (existsSync(dataDir)) return;
  const unfinished = `${dataDir}.new`;
  if (existsSync(unfinished)) {
    if (holdsForeignFiles(unfinished)) {
      throw new Failure("refused", `${unfinished} is in the way: move it`);
    }
    rmSync(unfinished, { recursive: true });
  }
  const identity = {
    code: "DEMO",
    currency: "ZAR",
    minorDigits: 2,
    timeZone: "Africa/Johannesburg",
    country: "ZA",
    demo: true,
  };
  initBank(unfinished, identity, null);
  const opened = openBank(unfinished);
  try {
    fill(opened.store, whoIsIt("the demo bank"));
  } finally {
    opened.close();
  }
  renameSync(unfinished, dataDir);
}

export function register(program: Command): void {
  commonOptions(program.command("demo", { hidden: true }))
    .description("Make the demo bank that npm start serves, if there is none yet")
    .action(typedAction(async (_, options) => makeDemo(dataDirOf(options))));
}
