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
  /** What else counts as content, where a test sends it. */
  purchase?: number | null;
  target?: string | null;
};

export type NaiveResult = {
  requestId: string | null;
  reference: string | null;
  code: string;
  amount: number | null;
  /** Names of fields that could not be read. */
  malformed?: string[];
};

type Account = {
  number: string;
  balance: number;
  overdraft: number;
  status: string;
  pin: string | null;
  wrong: number;
  locked: boolean;
  reservations: Reservation[];
};
type Reservation = {
  requestId: string;
  /** Given by the bank that is compared: nobody can foresee it. */
  reference: string | null;
  at: number;
  account: Account;
  amount: number;
  settlement: number | null;
  product: number | null;
  channel: number | null;
  day: string;
  state: string;
  corrected: boolean;
};
type Finding = {
  kind: string;
  requestId: string | null;
  reference: string | null;
  times: number;
  open: boolean;
  /** What a reserve was answered that came after it. */
  later: string | null;
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
const SETTLED_BY_HAND = ["contradiction", "supplier-unknown", "interrupted"];
const SCOPES = ["global", "channel", "product", "account"];

/** When a reserve is decided; `reference` is what the compared bank gave the reservation. */
type When = { day: string; at: number; reference: string | null };

function nothing() {
  return {
    accounts: [] as Account[],
    buyers: [] as { buyer: string; number: string }[],
    blocked: [] as string[],
    answered: new Map<string, { content: string; code: string }>(),
    reservations: new Map<string, Reservation>(),
    tombstones: new Set<string>(),
    findings: new Map<string, Finding>(),
    limits: [] as Limit[],
    own: { clickatell: 0, income: 0, suspense: 0, loss: 0, funding: 0 },
    paused: false,
    serving: false,
    openSince: 0 as number | null,
    interruptedSince: null as number | null,
  };
}

export type NaiveBank = ReturnType<typeof naiveBank>;

/** `state` is all there is of a bank: a copy of it is another bank. */
export function naiveBank(state = nothing()) {
  const { accounts, buyers, blocked, answered, reservations, tombstones } = state;
  const { findings, limits, own } = state;

  const accountOf = (number: string) => accounts.find((account) => account.number === number);
  const held = (account: Account) =>
    account.reservations
      .filter((one) => one.state === "reserved")
      .reduce((sum, one) => sum + one.amount, 0);
  const free = (account: Account) => account.balance - held(account) + account.overdraft;

  type About = { requestId: string | null; reference: string | null };
  function find(kind: string, about: About, key = about.requestId) {
    const { requestId, reference } = about;
    const known = findings.get(`${kind} ${key}`);
    if (known) known.times += 1;
    else {
      const finding = { kind, requestId, reference, times: 1, open: true, later: null };
      findings.set(`${kind} ${key}`, finding);
    }
  }

  function counted(account: Account, day: string, scope: string, key: string) {
    const alike = account.reservations.filter((one) => {
      if (one.state === "released") return false;
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

  function check(request: NaiveReserve, { day, at, reference }: When): string {
    if (tombstones.has(request.requestId)) return "2060";
    if (state.paused || request.currency !== null) return "2090";
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
    const kept = { requestId, amount, settlement, product, channel, account, day, at, reference };
    const made = { ...kept, state: "reserved", corrected: false };
    reservations.set(requestId, made);
    account.reservations.push(made);
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
    if (one.settlement === null) find("settlement-missing", one);
    else if (one.settlement > one.amount) find("settlement-exceeds-reserve", one);
  }

  function closeSettled(one: Reservation) {
    for (const finding of findings.values()) {
      if (finding.requestId !== one.requestId || !SETTLED_BY_HAND.includes(finding.kind)) continue;
      finding.open = false;
    }
  }

  function end(one: Reservation, dispensed: boolean) {
    one.state = dispensed ? "debited" : "released";
    if (!dispensed) return;
    take(one, "buyer", 1);
    splitFindings(one);
  }

  /** The content that two messages must share to be the same one. */
  const contentOf = ({ requestId, authCode, channel, ...compared }: NaiveReserve) =>
    JSON.stringify(compared);

  function first(request: NaiveReserve, code: string): string {
    answered.set(request.requestId, { content: contentOf(request), code });
    const dispensed = [...findings.values()].filter(
      (one) => one.kind === "unmatched-success" && one.requestId === request.requestId,
    );
    for (const one of dispensed) one.later ??= code;
    return code;
  }

  /** A failed result for a declined reserve, which Clickatell sends for its own books. */
  function isNoFinding({ requestId, reference, code }: NaiveResult): boolean {
    if (requestId === null || reference !== null || code === "0000") return false;
    return answered.has(requestId) && !reservations.has(requestId);
  }

  function unmatched(request: NaiveResult): number {
    const { requestId, reference, code } = request;
    const dispensed = code === "0000";
    const both = requestId !== null && reference !== null;
    const declined = requestId !== null && answered.has(requestId);
    if (isNoFinding(request)) return 404;
    find(
      dispensed ? "unmatched-success" : "unmatched",
      request,
      `${requestId} ${reference} ${code}`,
    );
    if (!both && requestId !== null && !declined && !dispensed) tombstones.add(requestId);
    return 404;
  }

  return {
    ...state,
    state,
    held,
    free,
    counted,
    accountOf,

    open(number: string, balance: number, overdraft: number, pin: string | null) {
      const fresh = { status: "active", wrong: 0, locked: false, reservations: [] };
      accounts.push({ number, balance, overdraft, pin, ...fresh });
      own.funding -= balance;
    },

    map(buyer: string, number: string) {
      const known = buyers.find((one) => one.buyer === buyer);
      if (known) known.number = number;
      else buyers.push({ buyer, number });
    },

    /** What a message with this content is answered where it is a repeat, or null. */
    repeat(request: NaiveReserve): string | null {
      const before = answered.get(request.requestId);
      if (before === undefined) return null;
      if (before.content !== contentOf(request)) return "2090";
      const one = reservations.get(request.requestId);
      return before.code === "0000" && one?.state === "released" ? "2060" : before.code;
    },

    /** `reference` is what the compared bank gave the reservation, if it made one. */
    reserve(request: NaiveReserve, when: When): string {
      const code = this.repeat(request);
      if (code === null) return first(request, check(request, when));
      const { requestId } = request;
      const known = answered.get(requestId);
      if (known?.content !== contentOf(request)) {
        const reference = reservations.get(requestId)?.reference ?? null;
        find("conflict", { requestId, reference });
      }
      return code;
    },

    unmap(buyer: string): boolean {
      const at = buyers.findIndex((one) => one.buyer === buyer);
      if (at >= 0) buyers.splice(at, 1);
      return at >= 0;
    },

    pause(isPaused: boolean) {
      state.paused = isPaused;
    },

    /** The caller was told 2060 before the request was decided. */
    timedOut(request: NaiveReserve): string {
      if (!answered.has(request.requestId)) first(request, "2060");
      return "2060";
    },

    /** The caller was told 2060 while the commit was in flight. */
    expire(requestId: string): void {
      const known = answered.get(requestId);
      if (known) known.code = "2060";
      const one = reservations.get(requestId);
      if (one?.state === "reserved") one.state = "released";
    },

    result(request: NaiveResult): number {
      const { requestId, reference, code, amount, malformed = [] } = request;
      const byId = requestId === null ? undefined : reservations.get(requestId);
      const byReference =
        reference === null
          ? undefined
          : [...reservations.values()].find((other) => other.reference === reference);
      const isOne = requestId === null || reference === null || byId === byReference;
      const one = isOne ? (byId ?? byReference) : undefined;
      const fields = malformed.join(", ");
      const about = one ?? request;
      const isNoted = one !== undefined || !isNoFinding(request);
      const status = one === undefined ? unmatched(request) : 202;
      if (isNoted && fields !== "")
        find("malformed-field", about, `${requestId} ${reference} ${fields}`);
      if (one === undefined) return status;
      const dispensed = code === "0000";
      if (amount !== null && amount !== one.amount) find("amounts-differ", one);
      if (one.state === "reserved") {
        if (UNKNOWN_AT_SUPPLIER.includes(code)) find("supplier-unknown", one);
        end(one, dispensed);
      } else if (dispensed !== (one.state === "debited")) {
        find("contradiction", one);
      }
      return 202;
    },

    /** A server starts; true where the one before did not end cleanly, or was not looked at yet. */
    start(now: number): boolean {
      if (state.serving) state.interruptedSince ??= state.openSince;
      state.serving = true;
      state.openSince = now;
      return state.interruptedSince !== null;
    },

    stop(): void {
      state.serving = false;
    },

    /** Names what was reserved as a server died and has no result yet. */
    interrupted(since: number, until: number): void {
      for (const one of reservations.values()) {
        if (one.state !== "reserved" || one.at < since || one.at > until) continue;
        find("interrupted", one);
      }
      state.interruptedSince = null;
    },

    /** True where it was done, false where a rule refuses it. */
    settle(requestId: string, dispensed: boolean, bankBears: boolean): boolean {
      const one = reservations.get(requestId);
      if (one === undefined) return false;
      if (one.state === "reserved") {
        if (bankBears) return false;
        end(one, dispensed);
        closeSettled(one);
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
      closeSettled(one);
      return true;
    },

    move(number: string, amount: number): boolean {
      const account = accountOf(number);
      if (account === undefined || -amount > free(account)) return false;
      account.balance += amount;
      own.funding -= amount;
      return true;
    },

    /** Pays Clickatell what it is owed. */
    pay(amount: number): boolean {
      if (amount > own.clickatell) return false;
      own.clickatell -= amount;
      own.funding += amount;
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
