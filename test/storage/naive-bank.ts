// A bank in plain arrays and loops, written from the contract alone: it shares no code and no idea
// with src/, so that both would have to be wrong in the same way to agree on something wrong.

export type NaiveReserve = {
  requestId: string;
  buyer: string;
  amount: number;
  settlement: number | null;
  fee: number;
  product: number | null;
  channel: number | null;
  currency: string | null;
  authCode: string | null;
};

type Account = {
  number: string;
  balance: number;
  overdraft: number;
  status: string;
  pin: string | null;
  wrong: number;
  locked: boolean;
};
type Reservation = {
  requestId: string;
  account: Account;
  amount: number;
  settlement: number | null;
  product: number | null;
  channel: number | null;
  day: string;
  state: string;
  corrected: boolean;
};
type Limit = {
  scope: string;
  key: string;
  min?: number;
  max?: number;
  dayAmount?: number;
  dayCount?: number;
  monthAmount?: number;
  monthCount?: number;
};

const UNKNOWN_AT_SUPPLIER = ["2240", "2601", "2603"];
const SCOPES = ["global", "channel", "product", "account"];

export function naiveBank() {
  const accounts: Account[] = [];
  const buyers: { buyer: string; number: string }[] = [];
  const blocked: string[] = [];
  const answered: { requestId: string; content: string; code: string }[] = [];
  const reservations: Reservation[] = [];
  const tombstones: string[] = [];
  const findings: string[] = [];
  const limits: Limit[] = [];
  let paused = false;
  const own = { clickatell: 0, income: 0, suspense: 0, loss: 0, funding: 0 };

  const accountOf = (number: string) => accounts.find((account) => account.number === number);
  const held = (account: Account) =>
    reservations
      .filter((one) => one.account === account && one.state === "reserved")
      .reduce((sum, one) => sum + one.amount, 0);
  const free = (account: Account) => account.balance - held(account) + account.overdraft;
  function find(kind: string, key: string) {
    if (!findings.includes(`${kind} ${key}`)) findings.push(`${kind} ${key}`);
  }

  function counted(account: Account, day: string, scope: string, key: string) {
    const alike = reservations.filter((one) => {
      if (one.account !== account || one.state === "released") return false;
      if (scope === "channel" && String(one.channel) !== key) return false;
      return !(scope === "product" && String(one.product) !== key);
    });
    const today = alike.filter((one) => one.day === day);
    const month = alike.filter((one) => one.day.slice(0, 7) === day.slice(0, 7));
    const sum = (some: Reservation[]) => some.reduce((all, one) => all + one.amount, 0);
    return {
      today: sum(today),
      todayCount: today.length,
      month: sum(month),
      monthCount: month.length,
    };
  }

  function overLimits(request: NaiveReserve, account: Account | undefined, day: string) {
    const keys: Record<string, string> = {
      global: "*",
      channel: String(request.channel),
      product: String(request.product),
      account: account?.number ?? "nobody",
    };
    const applying = SCOPES.flatMap((scope) =>
      limits.filter((limit) => limit.scope === scope && limit.key === keys[scope]),
    );
    const min = applying.findLast((limit) => limit.min !== undefined)?.min;
    if (min !== undefined && request.amount < min) return "2050";
    const max = applying.findLast((limit) => limit.max !== undefined)?.max;
    if (max !== undefined && request.amount > max) return "2040";
    if (account === undefined) return null;
    for (const limit of applying) {
      const used = counted(account, day, limit.scope, limit.key);
      if (used.today + request.amount > (limit.dayAmount ?? Infinity)) return "2040";
      if (used.todayCount + 1 > (limit.dayCount ?? Infinity)) return "2040";
      if (used.month + request.amount > (limit.monthAmount ?? Infinity)) return "2040";
      if (used.monthCount + 1 > (limit.monthCount ?? Infinity)) return "2040";
    }
    return null;
  }

  function check(request: NaiveReserve, day: string): string {
    if (tombstones.includes(request.requestId)) return "2060";
    if (paused || request.currency !== null) return "2090";
    const mapping = buyers.find((one) => one.buyer === request.buyer);
    const account = mapping && accountOf(mapping.number);
    const limit = overLimits(request, account, day);
    if (limit !== null) return limit;
    if (account === undefined) return "2030";
    if (account.pin !== null) {
      if (account.locked || request.authCode === null) return "2020";
      if (request.authCode !== account.pin) {
        account.wrong += 1;
        if (account.wrong >= 3) account.locked = true;
        return "2020";
      }
      account.wrong = 0;
    }
    if (account.status === "inactive") return "2080";
    if (account.status === "blacklisted" || blocked.includes(request.buyer)) return "2070";
    if (request.amount > free(account)) return "2010";
    const { requestId, amount, settlement, product, channel } = request;
    const kept = { requestId, amount, settlement, product, channel };
    reservations.push({ ...kept, account, day, state: "reserved", corrected: false });
    return "0000";
  }

  function take(one: Reservation, from: "buyer" | "loss", sign: 1 | -1) {
    if (from === "buyer") one.account.balance -= sign * one.amount;
    else own.loss -= sign * one.amount;
    if (one.settlement === null) own.suspense += sign * one.amount;
    else {
      own.clickatell += sign * one.settlement;
      own.income += sign * (one.amount - one.settlement);
    }
  }

  function splitFindings(one: Reservation) {
    if (one.settlement === null) find("settlement-missing", one.requestId);
    else if (one.settlement > one.amount) find("settlement-exceeds-reserve", one.requestId);
  }

  function end(one: Reservation, dispensed: boolean) {
    one.state = dispensed ? "debited" : "released";
    if (!dispensed) return;
    take(one, "buyer", 1);
    splitFindings(one);
  }

  return {
    accounts,
    buyers,
    blocked,
    reservations,
    findings,
    limits,
    own,
    held,
    free,

    open(number: string, balance: number, overdraft: number, pin: string | null) {
      accounts.push({ number, balance, overdraft, status: "active", pin, wrong: 0, locked: false });
      own.funding -= balance;
    },

    map(buyer: string, number: string) {
      const known = buyers.find((one) => one.buyer === buyer);
      if (known) known.number = number;
      else buyers.push({ buyer, number });
    },

    reserve(request: NaiveReserve, day: string): string {
      const { requestId, authCode, channel, ...compared } = request;
      const content = JSON.stringify(compared);
      const before = answered.find((one) => one.requestId === requestId);
      if (before === undefined) {
        const code = check(request, day);
        answered.push({ requestId, content, code });
        return code;
      }
      if (before.content !== content) {
        find("conflict", requestId);
        return "2090";
      }
      const one = reservations.find((reservation) => reservation.requestId === requestId);
      return one?.state === "released" ? "2060" : before.code;
    },

    unmap(buyer: string): boolean {
      const at = buyers.findIndex((one) => one.buyer === buyer);
      if (at >= 0) buyers.splice(at, 1);
      return at >= 0;
    },

    pause(isPaused: boolean) {
      paused = isPaused;
    },

    /** The caller was told 2060 before the request was decided. */
    timedOut({ requestId, authCode, channel, ...compared }: NaiveReserve): string {
      if (answered.every((one) => one.requestId !== requestId)) {
        answered.push({ requestId, content: JSON.stringify(compared), code: "2060" });
      }
      return "2060";
    },

    /** The caller was told 2060 while the commit was in flight. */
    expire(requestId: string): void {
      for (const one of answered) if (one.requestId === requestId) one.code = "2060";
      for (const one of reservations) {
        if (one.requestId === requestId && one.state === "reserved") one.state = "released";
      }
    },

    /** Both references were given, and the second one is another reservation's. */
    mismatched(requestId: string, reference: string, code: string): number {
      find(
        code === "0000" ? "unmatched-success" : "unmatched",
        `${requestId} ${reference} ${code}`,
      );
      return 404;
    },

    result(requestId: string, code: string, amount: number | null): number {
      const one = reservations.find((reservation) => reservation.requestId === requestId);
      const dispensed = code === "0000";
      if (one !== undefined && amount !== null && amount !== one.amount) {
        find("amounts-differ", requestId);
      }
      if (one === undefined) {
        const declined = answered.some((known) => known.requestId === requestId);
        if (dispensed) find("unmatched-success", requestId);
        else if (!declined) {
          find("unmatched", `${requestId} ${code}`);
          if (!tombstones.includes(requestId)) tombstones.push(requestId);
        }
        return 404;
      }
      if (one.state === "reserved") {
        if (UNKNOWN_AT_SUPPLIER.includes(code)) find("supplier-unknown", requestId);
        end(one, dispensed);
      } else if (dispensed !== (one.state === "debited")) {
        find("contradiction", requestId);
      }
      return 202;
    },

    /** True where it was done, false where a rule refuses it. */
    settle(requestId: string, dispensed: boolean, bankBears: boolean): boolean {
      const one = reservations.find((reservation) => reservation.requestId === requestId);
      if (one === undefined) return false;
      if (one.state === "reserved") {
        if (bankBears) return false;
        end(one, dispensed);
        return true;
      }
      if (one.corrected || dispensed === (one.state === "debited")) return false;
      if (dispensed) {
        if (!bankBears && one.amount > free(one.account)) return false;
        take(one, bankBears ? "loss" : "buyer", 1);
        splitFindings(one);
      } else if (bankBears) {
        one.account.balance += one.amount;
        own.loss -= one.amount;
      } else take(one, "buyer", -1);
      one.corrected = true;
      return true;
    },

    move(number: string, amount: number): boolean {
      const account = accountOf(number);
      if (account === undefined || -amount > free(account)) return false;
      account.balance += amount;
      own.funding -= amount;
      return true;
    },

    setOverdraft(number: string, overdraft: number): boolean {
      const account = accountOf(number);
      if (account === undefined || account.balance - held(account) + overdraft < 0) return false;
      account.overdraft = overdraft;
      return true;
    },
  };
}
