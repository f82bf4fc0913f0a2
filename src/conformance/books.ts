// The rules that only the bank's own side shows. With a data dir of our own bank they are tried
// through the store, on what the kit knows to have happened; without one they are not visible.
import type { AccountView, Store } from "../storage/store.ts";
import { type Kit, must, NotTried, type Reservation } from "./kit.ts";

export type BookRule = {
  readonly id: string;
  readonly section: string;
  readonly words: string;
  readonly run: (books: Books, kit: Kit) => void;
};

/** The store, with the balances of the accounts concerned before the kit's first request. */
export type Books = {
  readonly store: Store;
  readonly before: readonly AccountView[];
};

/** Call it before the first request. */
export function openBooks(store: Store, { profile }: Pick<Kit, "profile">): Books {
  const numbers = [profile.active, profile.withPin].flatMap((buyer) =>
    buyer === null ? [] : (store.buyer(buyer).account ?? []),
  );
  const accounts = [...new Set(numbers)].map((number) => store.account(number));
  return { store, before: accounts.filter((account) => account !== null) };
}

/** False where the data dir's bank is not the one that was called. */
export function isSameBank({ store }: Books, kit: Kit): boolean {
  const first = kit.exchanges.find(
    ({ answer, requestId }) =>
      requestId !== null && (answer.status === 200 || answer.status === 404),
  );
  return first === undefined || store.receiptsOf(first.requestId ?? "", null).length > 0;
}

const inOneLine = (texts: readonly string[]) => texts.slice(0, 3).join("; ");

function mustBeEmpty(problems: readonly string[]): void {
  must(problems.length === 0, `${problems.length} off: ${inOneLine(problems)}`);
}

function sumOf(reservations: readonly Reservation[]): number {
  return reservations.reduce((sum, { amount }) => sum + amount, 0);
}

export const bookRules: readonly BookRule[] = [
  {
    id: "books.states",
    section: "3",
    words: "0000 debits, anything else releases, and a reservation never goes back",
    run({ store }, kit) {
      const off = (reservations: readonly Reservation[], state: string) =>
        reservations.flatMap(({ requestId }) => {
          const found = store.reservation(requestId)?.state ?? "no reservation";
          return found === state ? [] : `${requestId} is ${found}, not ${state}`;
        });
      mustBeEmpty([...off(kit.debited, "debited"), ...off(kit.released, "released")]);
    },
  },
  {
    id: "books.once",
    section: "4.5",
    words: "Money moves once: a debited reservation has one posting, a released one has none",
    run({ store }, kit) {
      const off = (reservations: readonly Reservation[], postings: number) =>
        reservations.flatMap(({ requestId }) => {
          const found = store
            .journalOf(requestId)
            .filter(({ entries }) => entries.length > 0).length;
          return found === postings ? [] : `${requestId} has ${found}, not ${postings}`;
        });
      mustBeEmpty([...off(kit.debited, 1), ...off(kit.released, 0)]);
    },
  },
  {
    id: "books.balances",
    section: "2",
    words: "A hold ends with its reservation: held is as before, less is there by what was debited",
    run({ store, before }, kit) {
      if (before.length === 0) throw new NotTried("no account of the profile is known here");
      const now = before.map(({ number }) => store.account(number));
      const moved = (figure: "ledgerBalance" | "held") =>
        before.reduce((sum, account, at) => sum + account[figure] - (now[at]?.[figure] ?? 0), 0);
      const others = "(if nobody else bought from these accounts meanwhile)";
      must(moved("held") === 0, `${-moved("held")} minor units more are held ${others}`);
      const debited = sumOf(kit.debited);
      const gone = moved("ledgerBalance");
      must(gone === debited, `${gone} minor units went, ${debited} were debited ${others}`);
    },
  },
  {
    id: "books.receipts",
    section: "4.1",
    words: "Every request received on the two paths is logged: one receipt each",
    run({ store }, kit) {
      const sent = new Map<string, number>();
      for (const { requestId, answer } of kit.exchanges) {
        if (requestId === null || ![200, 202, 404].includes(answer.status)) continue;
        sent.set(requestId, (sent.get(requestId) ?? 0) + 1);
      }
      if (sent.size === 0) throw new NotTried("no request was answered");
      mustBeEmpty(
        [...sent].flatMap(([requestId, times]) => {
          const kept = store.receiptsOf(requestId, null).length;
          return kept >= times ? [] : `${requestId} was sent ${times} times and has ${kept}`;
        }),
      );
    },
  },
  {
    id: "books.secrets",
    section: "4.1",
    words: "The PIN is masked in the receipts",
    run({ store }, kit) {
      const { pin } = kit.profile;
      if (pin === null) throw new NotTried("no PIN was sent");
      const ids = new Set(kit.exchanges.map(({ requestId }) => requestId ?? ""));
      const bodies = [...ids].flatMap((id) => store.receiptsOf(id, null).map(({ body }) => body));
      const shown = bodies.filter((body) => body?.includes(`"authCode":"${pin}"`));
      must(shown.length === 0, `${shown.length} receipts show it`);
    },
  },
  {
    id: "books.findings",
    section: "4",
    words: "Conflicts, contradictions, other amounts and unmatched results are findings",
    run({ store }, kit) {
      if (kit.findings.length === 0) throw new NotTried("nothing was done that leads to one");
      mustBeEmpty(
        kit.findings.flatMap(({ kind, requestId }) => {
          const kinds = store.findingsOf(requestId, "").map((finding) => finding.kind);
          return kinds.includes(kind) ? [] : `${requestId} has no ${kind}`;
        }),
      );
    },
  },
];

/** What no run can see, on either side; the verdict says so rather than nothing. */
export const UNSEEN = [
  {
    id: "unseen.durable",
    section: "2",
    words: "Success is durable on disk before the answer leaves",
    why: "only a power cut would show it",
  },
  {
    id: "unseen.expired",
    section: "4.3",
    words: "What was answered 2060 because its time was over holds nothing, for ever",
    why: "only a bank that is slow by itself would show it",
  },
  {
    id: "unseen.late-result",
    section: "3",
    words: "503 with Retry-After: a result that is not known to be durable within 4 s",
    why: "only a bank that is slow by itself would show it",
  },
  {
    id: "unseen.pin-lock",
    section: "2",
    words: "2020: locked after too many wrong ones",
    why: "trying it would lock the test buyer's PIN",
  },
  {
    id: "unseen.allow-list",
    section: "5",
    words: "401: a peer off the allow-list",
    why: "it takes a machine that is not on it",
  },
  {
    id: "unseen.rotation",
    section: "5",
    words: "Two secrets may be valid at once while one is rotated",
    why: "it takes a rotation; run the kit before, during and after one",
  },
  {
    id: "unseen.unconfirmed",
    section: "4.9",
    words: "No result within seven business days: listed in the exception report; the hold stays",
    why: "it takes seven business days; reports exceptions lists them",
  },
] as const;
