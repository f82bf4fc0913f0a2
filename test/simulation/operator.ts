// The bank's own people in the simulation: each act on the real bank by an admin's connection, and
// on the model; where the one refuses, the other must.

import type { LimitFigures } from "../../src/domain/limits.ts";
import { minor } from "../../src/domain/money.ts";
import type { By, Result, Store } from "../../src/storage/store.ts";
import type { Chooser } from "../chooser.ts";
import type { NaiveBank } from "../storage/naive-bank.ts";
import type { Book } from "./book.ts";
import { AMOUNTS, BUYERS, type Clickatell, PINS } from "./clickatell.ts";
import type { Disk } from "./disk.ts";
import { demand, type Trace } from "./trace.ts";

export const NUMBERS = ["A-1", "A-2", "A-3", "A-4"];

const BY: By = {
  loginUid: null,
  loginName: null,
  effectiveUid: 0,
  effectiveName: "operator",
  reason: "simulated",
};

/** One act: what it is called, what it does to the bank, and what to the model. */
type Act = readonly [
  name: string,
  real: (store: Store) => Result<unknown>,
  model: (bank: NaiveBank) => unknown,
];

const RESUME: Act = ["resume sales", (s) => s.resumeSales(BY), (bank) => bank.pause(false)];

export type OperatorOptions = {
  readonly choose: Chooser;
  readonly trace: Trace;
  readonly book: Book;
  readonly disk: Disk;
};

export function simulatedOperator({ choose, trace, book, disk }: OperatorOptions) {
  /** Does it on both; false where a rule refuses it. */
  function perform([name, real, model]: Act, about: string | null = null): boolean {
    const { ok } = real(disk.admin());
    const agreed = model(book.current()) !== false;
    trace.step(`${name}: ${ok ? "done" : "refused"}`);
    demand(ok === agreed, () => `${name}: done ${ok}, by the model ${agreed}`, about);
    if (ok) disk.durably([model]);
    return ok;
  }

  function onAccount(number: string): Act {
    const amount = choose.one(AMOUNTS);
    const money = minor(amount);
    const status = choose.one(["active", "active", "active", "inactive", "blacklisted"] as const);
    const overdraft = choose.one([0, 10_000, 50_000]);
    const pin = choose.one(PINS);
    const set = (changes: object) => (bank: NaiveBank) => {
      Object.assign(bank.accountOf(number) ?? {}, changes);
    };
    const unlocked = { wrong: 0, locked: false };
    const hasPin = (bank: NaiveBank) => bank.accountOf(number)?.pin !== null;
    const ifPin = (changes: object) => (bank: NaiveBank) =>
      hasPin(bank) ? set(changes)(bank) : false;
    return choose.one<Act>([
      [
        `credit ${number} ${amount}`,
        (s) => s.credit(BY, number, money),
        (b) => b.move(number, amount),
      ],
      [
        `debit ${number} ${amount}`,
        (s) => s.debit(BY, number, money),
        (b) => b.move(number, -amount),
      ],
      [`status ${number} ${status}`, (s) => s.setStatus(BY, number, status), set({ status })],
      [
        `overdraft ${number} ${overdraft}`,
        (s) => s.setOverdraft(BY, number, minor(overdraft)),
        (b) => b.setOverdraft(number, overdraft),
      ],
      [`set PIN ${number}`, (s) => s.setPin(BY, number, pin), set({ pin, ...unlocked })],
      [`unlock PIN ${number}`, (s) => s.unlockPin(BY, number), ifPin(unlocked)],
      [`unlock PIN ${number}`, (s) => s.unlockPin(BY, number), ifPin(unlocked)],
      [`remove PIN ${number}`, (s) => s.removePin(BY, number), ifPin({ pin: null, ...unlocked })],
    ]);
  }

  function onBuyer(buyer: string, number: string): Act {
    const isBlocked = book.current().blocked.includes(buyer);
    const unblock = ({ blocked }: NaiveBank) => {
      blocked.splice(blocked.indexOf(buyer), 1);
    };
    const block = ({ blocked }: NaiveBank) => {
      if (!blocked.includes(buyer)) blocked.push(buyer);
    };
    return choose.one<Act>([
      [`map ${buyer} ${number}`, (s) => s.mapBuyer(BY, buyer, number), (b) => b.map(buyer, number)],
      [`map ${buyer} ${number}`, (s) => s.mapBuyer(BY, buyer, number), (b) => b.map(buyer, number)],
      [`unmap ${buyer}`, (s) => s.unmapBuyer(BY, buyer), (b) => b.unmap(buyer)],
      isBlocked
        ? [`unblock ${buyer}`, (s) => s.unblockBuyer(BY, buyer), unblock]
        : [`block ${buyer}`, (s) => s.blockBuyer(BY, buyer), block],
    ]);
  }

  function onLimits(number: string): Act {
    const [scope, scopeKey] = choose.one([
      ["global", "*"],
      ["channel", "7"],
      ["product", "110"],
      ["account", number],
    ] as const);
    const target = { scope, scopeKey };
    const index = (bank: NaiveBank) =>
      bank.limits.findIndex((one) => one.scope === scope && one.key === scopeKey);
    if (index(book.current()) >= 0) {
      return [
        `unset limits of ${scope} ${scopeKey}`,
        (s) => s.unsetLimits(BY, target, []),
        (bank) => void bank.limits.splice(index(bank), 1),
      ];
    }
    const figures: { [figure in keyof LimitFigures]?: number } = choose.one([
      { min: 1_000 },
      { max: choose.one(AMOUNTS) },
      { dayAmount: choose.between(50_000, 200_000) },
      { dayCount: choose.between(2, 15) },
      { monthAmount: choose.between(100_000, 500_000) },
      { monthCount: choose.between(5, 40) },
      { min: 999, dayCount: choose.between(5, 20), monthAmount: 900_000 },
    ]);
    return [
      `limits of ${scope} ${scopeKey}: ${JSON.stringify(figures)}`,
      (s) => s.setLimits(BY, target, figures as Partial<LimitFigures>),
      (bank) => void bank.limits.push({ scope, key: scopeKey, ...figures }),
    ];
  }

  function settle({ purchases }: Clickatell): Act | null {
    const sold = purchases.filter(({ reference }) => reference !== null);
    const purchase = choose.one((choose.chance(0.8) ? sold : purchases).slice(-40));
    if (purchase === undefined) return null;
    const { requestId } = purchase;
    const action = choose.one(["debit", "release"] as const);
    const bears = choose.chance(0.3);
    return [
      `${action} ${requestId} by hand${bears ? ", the bank bears it" : ""}`,
      (s) => s.settle(BY, requestId, action, bears),
      (bank) => bank.settle(requestId, action === "debit", bears),
    ];
  }

  function rare(): Act {
    const owed = choose.between(1, 100_000);
    return choose.one<Act>([
      ["pause sales", (s) => s.pauseSales(BY), (bank) => bank.pause(true)],
      RESUME,
      [`pay ${owed} to Clickatell`, (s) => s.paySettlement(BY, minor(owed)), (b) => b.pay(owed)],
    ]);
  }

  return {
    perform,

    /** Accounts in all states, with buyers; one has a PIN. */
    found(): void {
      for (const [index, number] of NUMBERS.entries()) {
        const balance = choose.one([0, 300_000, 1_000_000]);
        const overdraft = choose.one([0, 20_000]);
        const account = {
          number,
          name: number,
          balance: minor(balance),
          overdraft: minor(overdraft),
        };
        perform([
          `open ${number} with ${balance}`,
          (s) => s.addAccounts(BY, "add", [{ ...account, status: "active", buyers: [] }], false),
          (bank) => bank.open(number, balance, overdraft, null),
        ]);
        const buyer = BUYERS[index] as string;
        perform([
          `map ${buyer}`,
          (s) => s.mapBuyer(BY, buyer, number),
          (b) => b.map(buyer, number),
        ]);
      }
      const [, number = ""] = NUMBERS;
      perform([
        `set PIN ${number}`,
        (s) => s.setPin(BY, number, "1234"),
        (bank) => void Object.assign(bank.accountOf(number) ?? {}, { pin: "1234" }),
      ]);
    },

    act(clickatell: Clickatell): void {
      const number = choose.one(NUMBERS);
      const kind = choose.below(20);
      if (book.current().state.paused && choose.chance(0.7)) {
        perform(RESUME);
        return;
      }
      if (kind < 5) perform(onAccount(number), number);
      else if (kind < 9) credit(number);
      else if (kind < 11) perform(onBuyer(choose.one(BUYERS), number));
      else if (kind < 14) perform(onLimits(number), number);
      else if (kind < 16) perform(rare());
      else {
        const act = settle(clickatell);
        if (act !== null) perform(act, act[0].split(" ")[1] ?? null);
      }
    },
  };

  /** So that purchases do not all end for want of money, or for a status. */
  function credit(number: string): void {
    const money = 600_000;
    perform([
      `credit ${number} ${money}`,
      (s) => s.credit(BY, number, minor(money)),
      (b) => b.move(number, money),
    ]);
    if (!choose.chance(0.5)) return;
    perform([
      `status ${number} active`,
      (s) => s.setStatus(BY, number, "active"),
      (bank) => void Object.assign(bank.accountOf(number) ?? {}, { status: "active" }),
    ]);
  }
}
