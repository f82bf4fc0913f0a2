// Judges what a client was answered: by itself, and by the books of the bank it talked to.
//
//   I3  every Success that was answered exists, once
//   I4  every reservation ends at most once, and money moves once
//   I5  answers for one raasTxnRef differ only as contract.md 4.2 and 4.3 allow
//
// It knows nothing of the program but the contract, and is told no more than a client and an
// operator can see: every request with what was answered when, or that nothing was; when the
// server ended without a farewell; and what the command line says of the bank afterwards. A history
// spells each buyer in one way, and nobody settles by hand in it.

export type Exchange = {
  readonly path: "/reserveFunds" | "/transactResult";
  readonly body: { readonly [field: string]: unknown };
  /** On the client's monotonic clock, in milliseconds. */
  readonly sentAt: number;
  /** Null as long as no answer came, which may be for ever. */
  answer: { readonly at: number; readonly status: number; readonly body: string } | null;
};

export type History = {
  readonly exchanges: readonly Exchange[];
  /** When the server was killed, the power cut, or a failed flush ended it. */
  readonly crashes: readonly number[];
  /**
   * When a database was out of reach of a server that was not: a repeat of a Success may then be
   * told 2060, and what it repeats is released.
   */
  readonly outages?: readonly { readonly from: number; readonly until: number }[];
};

export type ReservationRow = {
  readonly requestId: string;
  readonly reference: string;
  readonly buyerId: string;
  readonly account: string;
  readonly reserveAmountMinor: number;
  readonly state: "reserved" | "debited" | "released";
};

/** `reservations list`, `accounts list` and the raasTxnRefs of `findings list`'s contradictions. */
export type Books = {
  readonly reservations: readonly ReservationRow[];
  readonly accounts: readonly {
    readonly number: string;
    readonly ledgerBalanceMinor: number;
    readonly heldMinor: number;
  }[];
  readonly contradictions: ReadonlySet<string>;
};

const SUCCESS = "0000";
const TIME_OUT = "2060";
const CONFLICT = "2090";
const CODES = new Set([
  SUCCESS,
  "2010",
  "2020",
  "2030",
  "2040",
  "2050",
  TIME_OUT,
  "2070",
  "2080",
  CONFLICT,
] as const) as ReadonlySet<unknown>;

/** A 2060 waits no longer than this for its record or its undoing, unless a crash comes first. */
const UNRECORDED_MS = 30_000;

/** A reserve that was answered. */
type Told = {
  readonly code: string;
  readonly reference: string | undefined;
  readonly text: string;
  readonly content: string;
  readonly sentAt: number;
  readonly at: number;
};

/** All that was said about one raasTxnRef. */
type Purchase = {
  readonly requestId: string;
  readonly reserves: Exchange[];
  readonly results: Exchange[];
};

const textOf = (value: unknown) => (value === undefined || value === null ? "" : String(value));
const amountOf = (value: unknown, absent = "") =>
  textOf(value) === "" ? absent : String(Number(value));

/** What two requests must have in common to be the same one (contract.md 4.2). */
function contentOf({ body }: Exchange): string {
  return JSON.stringify([
    textOf(body["sourceIdentifier"]),
    amountOf(body["reserveAmount"]),
    amountOf(body["purchaseAmount"]),
    amountOf(body["feeAmount"], "0"),
    amountOf(body["clientShareAmount"], "0"),
    amountOf(body["settlementAmount"]),
    amountOf(body["productId"]),
    textOf(body["targetIdentifier"]),
    textOf(body["currencyCode"]).toUpperCase(),
  ]);
}

const isDebit = ({ body }: Exchange) => body["responseCode"] === "0000";
const isRelease = (result: Exchange) => !isDebit(result);
const status = ({ answer }: Exchange) => answer?.status;
/** Only what was answered 404 certainly did nothing. */
const mayHaveActed = (result: Exchange) => status(result) !== 404;
const earliest = (times: readonly number[]) => Math.min(Infinity, ...times);
const sent = ({ sentAt }: Exchange) => sentAt;
const answered = ({ answer }: Exchange) => answer?.at ?? Infinity;

function purchasesOf(exchanges: readonly Exchange[]): Map<string, Purchase> {
  const purchases = new Map<string, Purchase>();
  const requestOf = new Map<string, string>();
  const purchase = (requestId: string) => {
    const known = purchases.get(requestId) ?? { requestId, reserves: [], results: [] };
    purchases.set(requestId, known);
    return known;
  };
  for (const exchange of exchanges) {
    if (exchange.path !== "/reserveFunds") continue;
    const requestId = textOf(exchange.body["raasTxnRef"]);
    purchase(requestId).reserves.push(exchange);
    const reference = fieldsOf(exchange.answer?.body ?? "")["reserveFundsTxnRef"];
    if (typeof reference === "string") requestOf.set(reference, requestId);
  }
  for (const exchange of exchanges) {
    if (exchange.path !== "/transactResult") continue;
    const { raasTxnRef, reserveFundsTxnRef } = exchange.body;
    const reference = textOf(reserveFundsTxnRef);
    const named = textOf(raasTxnRef) || requestOf.get(reference) || reference;
    purchase(named).results.push(exchange);
  }
  return purchases;
}

function fieldsOf(text: string): { readonly [field: string]: unknown } {
  try {
    return (JSON.parse(text) ?? {}) as { [field: string]: unknown };
  } catch {
    return {};
  }
}

/** The answers to reserves that are such an answer at all; a line for each of the others. */
function toldOf({ requestId, reserves }: Purchase): { told: Told[]; problems: string[] } {
  const told: Told[] = [];
  const problems: string[] = [];
  for (const exchange of reserves) {
    const { answer, sentAt } = exchange;
    if (answer === null) continue;
    const fields = fieldsOf(answer.body);
    const code = fields["responseCode"];
    const reference = fields["reserveFundsTxnRef"];
    const isAnswer =
      answer.status === 200 &&
      CODES.has(code) &&
      fields["raasTxnRef"] === requestId &&
      (code === SUCCESS) === (typeof reference === "string");
    if (isAnswer) {
      const content = contentOf(exchange);
      const { at, body: text } = answer;
      told.push({ code: String(code), reference: reference as string, text, content, sentAt, at });
    } else problems.push(`I5: a reserve was answered ${answer.status} ${answer.body}`);
  }
  return { told, problems };
}

// ---------------------------------------------------------------- I5

/** Repeats: the same bytes for the same code, one outcome for one content, none for another. */
function repeatProblems(told: readonly Told[]): string[] {
  const problems: string[] = [];
  const texts = new Map<string, string>();
  const outcomes = new Map<string, string>();
  for (const { code, text, content } of told) {
    const known = texts.get(code);
    if (known !== undefined && known !== text) problems.push(`I5: ${known} became ${text}`);
    texts.set(code, text);
    if (code === TIME_OUT) continue;
    const outcome = outcomes.get(content) ?? code;
    if (outcome !== code) problems.push(`I5: a repeat of ${outcome} was answered ${code}`);
    outcomes.set(content, outcome);
  }
  const decided = [...outcomes.values()].filter((code) => code !== CONFLICT);
  if (decided.length > 1) problems.push(`I5: two contents were decided: ${decided.join(", ")}`);
  return problems;
}

/** Success and 2060 for one content: only after a release, or where a crash forgot the 2060. */
function timeOutProblems(
  { results }: Purchase,
  told: readonly Told[],
  { crashes, outages = [] }: Pick<History, "crashes" | "outages">,
) {
  const firstRelease = earliest(results.filter(isRelease).filter(mayHaveActed).map(sent));
  const successes = told.filter(({ code }) => code === SUCCESS);
  const timeOuts = told.filter(({ code }) => code === TIME_OUT);
  return successes.flatMap((success) =>
    timeOuts.flatMap((timeOut) => {
      const isForgotten = crashes.some((at) => timeOut.sentAt < at && at < success.at);
      const isOther = timeOut.content !== success.content;
      const isReleased = firstRelease < timeOut.at && success.sentAt < timeOut.at;
      const isOutOfReach = outages.some(
        ({ from, until }) =>
          success.at < timeOut.sentAt && from < timeOut.at && timeOut.sentAt < until,
      );
      if (isForgotten || isOther || isReleased || isOutOfReach) return [];
      return ["I5: it was answered both Success and 2060, with no release between"];
    }),
  );
}

/** What results and reserves say about one another, whatever became of the reservation. */
function resultProblems({ reserves, results }: Purchase, told: readonly Told[]): string[] {
  const problems = results.flatMap((result) => {
    const code = status(result);
    if (code === undefined || [202, 404, 503].includes(code)) return [];
    return [`I4: a result was answered ${code} ${result.answer?.body}`];
  });
  const unmatched = results.filter((result) => status(result) === 404);
  const success = told.filter(({ code }) => code === SUCCESS);
  const firstSuccess = earliest(success.map(({ at }) => at));
  for (const result of unmatched) {
    if (firstSuccess < result.sentAt) problems.push("I3: a result for a Success was answered 404");
    else if (isRelease(result) && success.length > 0) {
      problems.push("I5: its cancel found nothing, and it was answered Success all the same");
    }
  }
  const cancelledAt = earliest(unmatched.filter(isRelease).map(answered));
  const wasOvertaken = cancelledAt < earliest(reserves.map(sent));
  if (wasOvertaken && told.some(({ code }) => code !== TIME_OUT && code !== CONFLICT)) {
    problems.push("I5: it was cancelled before it came, and not answered 2060");
  }
  return problems;
}

// ---------------------------------------------------------------- I3 and I4

/** The states that a reservation may be in after all that was sent and answered. */
function allowedStates(
  { reserves, results }: Purchase,
  told: readonly Told[],
  crashes: readonly number[],
) {
  const accepted = results.filter((result) => status(result) === 202);
  const acting = results.filter(mayHaveActed);
  const timeOuts = told.filter(({ code }) => code === TIME_OUT);
  const isForgotten = timeOuts.some(({ sentAt, at }) =>
    crashes.some((crash) => sentAt < crash && crash < at + UNRECORDED_MS),
  );
  const isUndone =
    timeOuts.length > 0 && !isForgotten && !told.some(({ code }) => code === SUCCESS);
  const mayBeUndone = timeOuts.length > 0 || reserves.some(({ answer }) => answer === null);
  /** True where a result of one kind was told its effect before any of the other kind was sent. */
  const isBefore = (one: typeof isDebit, other: typeof isDebit) =>
    earliest(accepted.filter(one).map(answered)) < earliest(acting.filter(other).map(sent));
  const allowed: ReservationRow["state"][] = [];
  if (accepted.length === 0 && !isUndone) allowed.push("reserved");
  if (acting.some(isDebit) && !isUndone && !isBefore(isRelease, isDebit)) allowed.push("debited");
  const isReleasable = acting.some(isRelease) && !isBefore(isDebit, isRelease);
  if (isReleasable || mayBeUndone) allowed.push("released");
  return allowed;
}

function rowProblems(purchase: Purchase, told: readonly Told[], row: ReservationRow): string[] {
  const problems: string[] = [];
  const success = told.find(({ code }) => code === SUCCESS);
  const requests = purchase.reserves.filter(
    (reserve) => success === undefined || contentOf(reserve) === success.content,
  );
  const isAsked = requests.some(
    ({ body }) =>
      Number(body["reserveAmount"]) === row.reserveAmountMinor &&
      textOf(body["sourceIdentifier"]) === row.buyerId,
  );
  if (!isAsked) problems.push("I3: nobody asked for it as it stands in the bank");
  if (success !== undefined && success.reference !== row.reference) {
    problems.push(`I3: it was answered ${success.reference}`);
  }
  const isDeclined =
    told.length === purchase.reserves.length &&
    told.every(({ code }) => code !== SUCCESS && code !== TIME_OUT);
  if (isDeclined && told.length > 0) problems.push("I3: it was declined, and is in the bank");
  return problems;
}

function endProblems(
  { results }: Purchase,
  told: readonly Told[],
  { state, isFound }: { state: ReservationRow["state"]; isFound: boolean },
): string[] {
  const problems: string[] = [];
  const accepted = results.filter((result) => status(result) === 202);
  const contradicts = accepted.some((result) => isDebit(result) !== (state === "debited"));
  if (state !== "reserved" && contradicts && !isFound) {
    problems.push(`I4: a result was answered 202; it is ${state}, and there is no finding`);
  }
  const releasedAt = earliest(accepted.filter(isRelease).map(answered));
  const isToldLater = told.some(({ code, sentAt }) => code === SUCCESS && sentAt > releasedAt);
  if (state === "released" && isToldLater) {
    problems.push("I5: it was answered Success after its release");
  }
  return problems;
}

function purchaseProblems(
  purchase: Purchase,
  row: ReservationRow | undefined,
  {
    crashes,
    outages,
    contradictions,
  }: Pick<History, "crashes" | "outages"> & Pick<Books, "contradictions">,
): string[] {
  const { told, problems } = toldOf(purchase);
  problems.push(
    ...repeatProblems(told),
    ...timeOutProblems(purchase, told, { crashes, ...(outages && { outages }) }),
    ...resultProblems(purchase, told),
  );
  if (row === undefined) {
    const isMissed = told.some(({ code }) => code === SUCCESS);
    if (isMissed) problems.push("I3: it was answered Success, and is not in the bank");
    const isLost = purchase.results.some((result) => status(result) === 202);
    if (isLost) problems.push("I4: its result was answered 202, and it is not in the bank");
    return problems;
  }
  const { state } = row;
  const isFound = contradictions.has(row.requestId);
  problems.push(
    ...rowProblems(purchase, told, row),
    ...endProblems(purchase, told, { state, isFound }),
  );
  const allowed = allowedStates(purchase, told, crashes);
  if (!allowed.includes(state)) {
    problems.push(`I4: it is ${state}, and may be ${allowed.join(" or ") || "nothing"}`);
  }
  return problems;
}

/** Held is what is open, and moved what was debited: to the cent, for every account. */
function moneyProblems(
  { reservations, accounts }: Books,
  opening: ReadonlyMap<string, number>,
): string[] {
  const sums = new Map<string, { reserved: number; debited: number; released: number }>();
  for (const { account, state, reserveAmountMinor } of reservations) {
    const sum = sums.get(account) ?? { reserved: 0, debited: 0, released: 0 };
    sum[state] += reserveAmountMinor;
    sums.set(account, sum);
  }
  const known = new Map(accounts.map((account) => [account.number, account]));
  return [...opening].flatMap(([number, balance]) => {
    const { reserved, debited } = sums.get(number) ?? { reserved: 0, debited: 0 };
    const account = known.get(number);
    const moved = balance - (account?.ledgerBalanceMinor ?? Number.NaN);
    if (account?.heldMinor === reserved && moved === debited) return [];
    return [
      `I4: account ${number}: ${moved} moved where ${debited} was debited, ` +
        `${account?.heldMinor} held where ${reserved} is open`,
    ];
  });
}

/**
 * Gives a line for all that is wrong; none where what was answered and what is in the bank fit.
 * `opening` has each buyer's account with the ledger balance before the first request.
 */
export function historyProblems(
  { exchanges, crashes, outages }: History,
  books: Books,
  opening: ReadonlyMap<string, number>,
): string[] {
  const problems: string[] = [];
  const rows = new Map<string, ReservationRow>();
  const references = new Set<string>();
  for (const row of books.reservations) {
    const isTwice = rows.has(row.requestId) || references.has(row.reference);
    if (isTwice) problems.push(`I3: ${row.requestId} ${row.reference} is in the bank twice`);
    rows.set(row.requestId, row);
    references.add(row.reference);
  }
  const purchases = purchasesOf(exchanges);
  const { contradictions } = books;
  for (const purchase of purchases.values()) {
    const row = rows.get(purchase.requestId);
    const about = `${purchase.requestId}: `;
    const found = purchaseProblems(purchase, row, {
      crashes,
      ...(outages && { outages }),
      contradictions,
    });
    problems.push(...found.map((problem) => about + problem));
  }
  for (const requestId of rows.keys()) {
    if (!purchases.has(requestId)) problems.push(`I3: ${requestId} is in the bank, unasked`);
  }
  return [...problems, ...moneyProblems(books, opening)];
}
