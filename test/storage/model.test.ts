// Random histories of a bank against the naive one: every answer, every balance, every finding.
// A failing history names its seed; TRANSACT_BANK_SEED=n runs that one alone.
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { minor } from "../../src/domain/money.ts";
import { OUTCOMES } from "../../src/domain/outcomes.ts";
import { initBank } from "../../src/init.ts";
import type { NewAccount, Operation, ReserveOperation } from "../../src/storage/store.ts";
import { type Chooser, chooser } from "../chooser.ts";
import { postgresEngine } from "../postgres/engine.ts";
import {
  BY,
  done,
  IDENTITY,
  PIN,
  reserveOperation,
  resultOperation,
  temporaryBank,
} from "./bank.ts";
import { type NaiveReserve, naiveBank } from "./naive-bank.ts";

/** Made once; each history begins with a copy. */
const emptyBank = mkdtempSync(join(tmpdir(), "transact-bank-model-"));
(postgresEngine()?.initBank ?? initBank)(emptyBank, IDENTITY, null);
afterAll(() => rmSync(emptyBank, { recursive: true }));

/** A database is not made as fast as a file is copied. */
const HISTORIES = postgresEngine() === null ? 300 : 12;
const STEPS = 60;

const NUMBERS = ["A-1", "A-2", "A-3"];
const BUYERS = ["27731304701", "27731304702", "27731304703", "CIF0731304702", "27731304709"];
const AMOUNTS = [1, 999, 1_000, 5_000, 10_000, 20_001, 60_000];
const CODES = ["0000", "0000", "0000", "2201", "2226", "2240"];

/** A spelling that must mean the same buyer. */
function spelled(choose: Chooser, buyer: string): string {
  if (!buyer.startsWith("27")) return buyer;
  const local = buyer.slice(2);
  return choose.one([
    buyer,
    `+${buyer}`,
    `00${buyer}`,
    `0${local}`,
    `+27 ${local.slice(0, 2)} (${local.slice(2)})`,
  ]);
}

function randomReserve(choose: Chooser, requestId: string): NaiveReserve {
  const amount = choose.one(AMOUNTS);
  return {
    requestId,
    buyer: choose.one(BUYERS),
    amount,
    settlement: choose.chance(0.1) ? null : amount + choose.one([0, -1, 7, -amount]),
    fee: choose.one([0, 0, 100]),
    product: choose.one([null, 110, 917]),
    channel: choose.one([null, 7]),
    currency: choose.chance(0.03) ? "USD" : null,
    authCode: choose.one([null, PIN, "9999", PIN]),
  };
}

function history(seed: number): void {
  const choose = chooser(seed);
  const accounts = NUMBERS.map(
    (number): NewAccount => ({
      number,
      name: number,
      balance: minor(choose.one([0, 30_000, 100_000])),
      overdraft: minor(choose.one([0, 20_000])),
      status: "active",
      buyers: [],
    }),
  );
  const bank = temporaryBank({ accounts, serving: true, copyOf: emptyBank });
  const naive = naiveBank();
  try {
    for (const { number, balance, overdraft } of accounts) {
      naive.open(number, balance, overdraft, number === "A-2" ? PIN : null);
    }
    done(bank.store.setPin(BY, "A-2", PIN));
    for (const [index, buyer] of BUYERS.slice(0, 4).entries()) {
      const number = NUMBERS[index % NUMBERS.length] as string;
      done(bank.store.mapBuyer(BY, spelled(choose, buyer), number));
      naive.map(buyer, number);
    }
    // Near a month's end, so that some histories cross it.
    let now = Date.parse("2026-03-30T20:00:00Z");
    for (let step = 0; step < STEPS; step += 1) {
      now += choose.one([1_000, 60_000, 3_600_000, 5 * 3_600_000]);
      bank.clock.set(now);
      if (choose.chance(0.75)) purchases(choose, bank, naive, now);
      else act(choose, bank, naive);
    }
    compare(bank, naive);
  } finally {
    bank.close();
  }
}

type Bank = ReturnType<typeof temporaryBank>;
type Naive = ReturnType<typeof naiveBank>;

const localDay = (now: number) => new Date(now + 2 * 3_600_000).toISOString().slice(0, 10);
const known: NaiveReserve[] = [];

/** One batch of a few operations, answered one by one by the naive bank. */
function purchases(choose: Chooser, bank: Bank, naive: Naive, now: number): void {
  const operations: Operation[] = [];
  const expected: string[] = [];
  for (let count = choose.below(4) + 1; count > 0; count -= 1) {
    const requestId = `r-${choose.below(40)}`;
    const [operation, answer] = choose.chance(0.4)
      ? randomResult(choose, bank, naive, requestId)
      : choose.chance(0.06)
        ? randomExpiry(naive, requestId)
        : repeatOrReserve(choose, naive, requestId, now);
    operations.push(operation);
    expected.push(answer);
  }
  const outcomes = bank.apply(...operations).map((outcome) => {
    if (outcome.kind === "reserve") return OUTCOMES[outcome.outcome].code;
    if (outcome.kind === "result") return outcome.answer === "accepted" ? "202" : "404";
    return outcome.kind === "done" ? "done" : Bun.inspect(outcome);
  });
  expect(outcomes).toEqual(expected);
  for (const one of naive.reservations.values()) {
    one.reference ??= bank.store.reservation(one.requestId)?.reference ?? null;
  }
}

/** An operation for the bank, with what the naive bank answers to it. */
type Answered = [Operation, string];

/** A new request, the same again, or another one with an old raasTxnRef. */
function repeatOrReserve(choose: Chooser, naive: Naive, requestId: string, at: number): Answered {
  const before = known.find((one) => one.requestId === requestId);
  const same = before !== undefined && choose.chance(0.7);
  const reserve = same ? before : randomReserve(choose, requestId);
  known.push(reserve);
  const operation = operationOf(choose, reserve);
  if (choose.chance(0.05)) {
    return [{ ...operation, told: "timeOut" }, naive.timedOut(reserve)];
  }
  return [operation, naive.reserve(reserve, { day: localDay(at), at, reference: null })];
}

function randomExpiry(naive: Naive, requestId: string): Answered {
  naive.expire(requestId);
  return [{ kind: "expire", requestId, receiptIds: [] }, "done"];
}

/** A result by either reference or both, which may not fit together. */
function randomResult(choose: Chooser, { store }: Bank, naive: Naive, requestId: string): Answered {
  const code = choose.one(CODES);
  const referenceOf = (wanted: string) => store.reservation(wanted)?.reference ?? null;
  const named = choose.one(["requestId", "requestId", "reference", "both", "mismatch"] as const);
  if (named === "mismatch") {
    const otherId = `r-${choose.below(40)}`;
    const reference = otherId === requestId ? null : referenceOf(otherId);
    if (reference !== null) {
      const operation = resultOperation(requestId, code, { reference });
      return [operation, String(naive.result({ requestId, reference, code, amount: null }))];
    }
  }
  const reference = named === "requestId" ? null : referenceOf(requestId);
  const amount = choose.chance(0.2) ? choose.one(AMOUNTS) : null;
  const byReference = named === "reference" && reference !== null;
  const operation = resultOperation(byReference ? null : requestId, code, {
    reference,
    reserveAmount: amount === null ? null : minor(amount),
  });
  const message = { requestId: byReference ? null : requestId, reference, code, amount };
  return [operation, String(naive.result(message))];
}

function operationOf(choose: Chooser, reserve: NaiveReserve): ReserveOperation {
  return reserveOperation(
    reserve.requestId,
    {
      buyerId: spelled(choose, reserve.buyer),
      reserveAmount: minor(reserve.amount),
      purchaseAmount: null,
      feeAmount: minor(reserve.fee),
      clientShareAmount: minor(0),
      settlementAmount: reserve.settlement === null ? null : minor(reserve.settlement),
      productId: reserve.product,
      channelId: reserve.channel,
      currency: reserve.currency,
    },
    reserve.authCode,
  );
}

/** One admin's act on both banks; a refusal of the one must be a refusal of the other. */
function act(choose: Chooser, { store }: Bank, naive: Naive): void {
  const number = choose.one(NUMBERS);
  const account = naive.accounts.find((one) => one.number === number);
  const buyer = choose.one(BUYERS);
  const amount = choose.one(AMOUNTS);
  const acts: (() => void)[] = [
    () => {
      done(store.credit(BY, number, minor(amount)));
      naive.move(number, amount);
    },
    () => expect(store.debit(BY, number, minor(amount)).ok).toBe(naive.move(number, -amount)),
    () => {
      const status = choose.one(["active", "active", "inactive", "blacklisted"] as const);
      done(store.setStatus(BY, number, status));
      if (account) account.status = status;
    },
    () => {
      done(store.mapBuyer(BY, spelled(choose, buyer), number));
      naive.map(buyer, number);
    },
    () => {
      if (naive.blocked.includes(buyer)) {
        done(store.unblockBuyer(BY, spelled(choose, buyer)));
        naive.blocked.splice(naive.blocked.indexOf(buyer), 1);
      } else {
        done(store.blockBuyer(BY, spelled(choose, buyer)));
        naive.blocked.push(buyer);
      }
    },
    () => {
      const overdraft = choose.one([0, 10_000, 50_000]);
      const refused = !store.setOverdraft(BY, number, minor(overdraft)).ok;
      expect(refused).toBe(!naive.setOverdraft(number, overdraft));
    },
    () => {
      const ref = `r-${choose.below(40)}`;
      const debit = choose.chance(0.5);
      const bears = choose.chance(0.3);
      const settled = store.settle(BY, ref, debit ? "debit" : "release", bears).ok;
      expect(settled).toBe(naive.settle(ref, debit, bears));
    },
    () => limit(choose, store, naive, number),
    () => expect(store.unmapBuyer(BY, spelled(choose, buyer)).ok).toBe(naive.unmap(buyer)),
    () => {
      const isPaused = choose.chance(0.2);
      done(isPaused ? store.pauseSales(BY) : store.resumeSales(BY));
      naive.pause(isPaused);
    },
    () => {
      done(store.unlockPin(BY, "A-2"));
      const locked = naive.accounts.find((one) => one.number === "A-2");
      if (locked) Object.assign(locked, { wrong: 0, locked: false });
    },
  ];
  choose.one(acts)();
}

function limit(choose: Chooser, store: Bank["store"], naive: Naive, number: string): void {
  const [scope, scopeKey] = choose.one([
    ["global", "*"],
    ["channel", "7"],
    ["product", "110"],
    ["account", number],
  ] as const);
  const at = naive.limits.findIndex((one) => one.scope === scope && one.key === scopeKey);
  if (at >= 0) {
    done(store.unsetLimits(BY, { scope, scopeKey }, []));
    naive.limits.splice(at, 1);
    return;
  }
  const figure = choose.one([
    "min",
    "max",
    "dayAmount",
    "monthAmount",
    "dayCount",
    "monthCount",
  ] as const);
  const value = figure.endsWith("Count") ? choose.below(4) : choose.one(AMOUNTS);
  done(store.setLimits(BY, { scope, scopeKey }, { [figure]: minor(value) }));
  naive.limits.push({ scope, key: scopeKey, [figure]: value });
}

function compare({ store }: Bank, naive: Naive): void {
  for (const { number, balance, overdraft, locked, pin } of naive.accounts) {
    const account = naive.accounts.find((one) => one.number === number);
    expect(store.account(number)).toMatchObject({
      ledgerBalance: balance,
      held: account === undefined ? 0 : naive.held(account),
      overdraft,
      pin: pin === null ? "none" : locked ? "locked" : "set",
    });
  }
  const balances = store.balances({ upTo: store.mark(), limit: 100 });
  const own = balances.filter(({ internal }) => internal !== null);
  expect(Object.fromEntries(own.map(({ internal, balance }) => [internal, balance]))).toEqual(
    naive.own,
  );
  const states = store
    .reservations({ limit: 1_000 })
    .map(({ requestId, state }) => `${requestId} ${state}`);
  expect(states.sort()).toEqual(
    [...naive.reservations.values()].map((one) => `${one.requestId} ${one.state}`).sort(),
  );
  const kinds = (all: readonly { kind: string }[]) => all.map(({ kind }) => kind).sort();
  expect(kinds(store.findings({ openAt: null, limit: 100 }))).toEqual(
    kinds([...naive.findings.values()]),
  );
  expect(store.verify().filter(({ ok }) => !ok)).toEqual([]);
}

const only = process.env["TRANSACT_BANK_SEED"];
const start = only === undefined ? Date.now() % 1_000_000_007 : Number(only);

test(`${HISTORIES} random histories agree with the naive bank, from seed ${start}`, () => {
  for (let seed = start; seed < start + (only === undefined ? HISTORIES : 1); seed += 1) {
    known.length = 0;
    try {
      history(seed);
    } catch (error) {
      throw new Error(`the history of TRANSACT_BANK_SEED=${seed} differs`, { cause: error });
    }
  }
}, 120_000);
