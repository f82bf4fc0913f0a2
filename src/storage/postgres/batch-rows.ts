// The rows of a batch in memory: found among what was loaded, changed there, and written together at
// the end. Operations see what those before them did.
import { type Entry, type EntryAccount, sumOf } from "../../domain/entries.ts";
import type { FindingDraft } from "../../domain/finding.ts";
import { applicableLimits, type FindLimit } from "../../domain/limits.ts";
import { minor } from "../../domain/money.ts";
import { type ChainHead, chainNext } from "../chain.ts";
import type {
  AccountRow,
  NewReceipt,
  NewRequest,
  OpenReservation,
  PostingJournal,
  PurchaseRows,
  RequestRow,
  Rules,
} from "../purchases.ts";
import { contentOf, type JournalRecord } from "../sql/journal.ts";
import { receiptValues } from "../sql/receipts.ts";
import type { RefusalOperation } from "../store.ts";
import type { Loaded } from "./batch-load.ts";

export type RequestState = RequestRow & {
  clientRef?: string | null;
  reservedAt?: number | null;
  previous?: number | null;
  resolvedAt?: number;
  resolvedBy?: string;
  resultCode?: string | null;
};

export type FindingWrite = FindingDraft & {
  readonly requestId: string | null;
  readonly reference: string | null;
  readonly at: number;
  occurrences: number;
};

/** What a batch changes, in the form in which it is written. */
export type Changes = {
  readonly newRequests: readonly RequestState[];
  readonly changedRequests: readonly {
    readonly before: RequestRow;
    readonly after: RequestState;
  }[];
  readonly accounts: readonly { readonly before: AccountRow; readonly after: AccountRow }[];
  /** What the bank's own accounts gain. */
  readonly own: ReadonlyMap<number, number>;
  readonly journal: readonly (readonly (string | number | null)[])[];
  readonly tombstones: ReadonlyMap<string, number>;
  readonly findings: readonly FindingWrite[];
  /** By request, what is added to the detail of its finding. */
  readonly laterReserves: ReadonlyMap<string, string>;
  readonly receipts: readonly (readonly (string | number | null)[])[];
  readonly corrections: ReadonlyMap<number, { status?: number; responseCode?: string }>;
  readonly refusals: readonly (RefusalOperation & { readonly id: number })[];
  readonly interruptionExamined: boolean;
};

/** Ids are given in the order of the operations. */
function giver(ids: readonly number[], what: string): () => number {
  const left = [...ids];
  return () => {
    const id = left.shift();
    if (id === undefined) throw new Error(`no id is left for another ${what}`);
    return id;
  };
}

/** Accounts and requests by what they are looked up by, as copies. */
function tablesOf(loaded: Loaded) {
  const accounts = new Map(loaded.accounts.map((row) => [row.id, { ...row }]));
  const byRequestId = new Map<string, RequestState>();
  const byReference = new Map<string, RequestState>();
  const byId = new Map<number, RequestState>();
  function put(row: RequestState): void {
    byId.set(row.id, row);
    byRequestId.set(row.requestId, row);
    if (row.reference !== null) byReference.set(row.reference, row);
  }
  for (const row of loaded.requests) put({ ...row });
  return { accounts, byId, byRequestId, byReference, put };
}

function newRow(id: number, { request, receivedAt, responseCode, made }: NewRequest): RequestState {
  return {
    ...request,
    id,
    receivedAt,
    responseCode,
    reference: made?.reference ?? null,
    accountId: made?.account.id ?? null,
    state: made === null ? null : "reserved",
    reservedAt: made?.at ?? null,
    localDay: made?.day ?? null,
    previous: made?.account.last_reservation ?? null,
  };
}

export function batchRowsOn(
  loaded: Loaded,
  { accountId, start }: { accountId: (account: EntryAccount) => number; start: ChainHead },
) {
  const { accounts, byId, byRequestId, byReference, put } = tablesOf(loaded);
  const buyers = new Map(loaded.buyers.map((row) => [row.buyer_id, row.account_id]));
  const tombstoned = new Set(loaded.tombstones);
  const blocked = new Set(loaded.blocked);
  const unmatched = new Set(loaded.unmatched);
  const requestId = giver(loaded.requestIds, "request");
  const receiptId = giver(loaded.receiptIds, "receipt");
  const refusalId = giver(loaded.refusalIds, "refusal");

  const newRequests: RequestState[] = [];
  const changed = new Set<RequestState>();
  const touched = new Set<number>();
  const own = new Map<number, number>();
  const journalRows: (string | number | null)[][] = [];
  const tombstones = new Map<string, number>();
  const findings = new Map<string, FindingWrite>();
  const laterReserves = new Map<string, string>();
  const receipts: (string | number | null)[][] = [];
  const corrections = new Map<number, { status?: number; responseCode?: string }>();
  const refusals: (RefusalOperation & { id: number })[] = [];
  let interruptionExamined = false;
  let head = loaded.head ?? start;

  function account(id: number): AccountRow {
    const row = accounts.get(id);
    if (row === undefined) throw new Error("an account of the batch was not loaded");
    touched.add(id);
    return row;
  }

  function change(row: RequestState | undefined, values: Partial<RequestState>): void {
    if (row === undefined) return;
    Object.assign(row, values);
    changed.add(row);
  }

  const rows: PurchaseRows = {
    request: (name) => byRequestId.get(name) ?? null,
    requestByReference: (reference) => byReference.get(reference) ?? null,
    usageOf: (id) => account(id).usage,
    resolve(id, { state, at, by, resultCode }) {
      const row = byId.get(id);
      if (row?.state !== "reserved") return false;
      change(row, { state, resolvedAt: at, resolvedBy: by, resultCode });
      return true;
    },
    unhold(id, amount, usage) {
      const row = account(id);
      Object.assign(row, { held: minor(row.held - amount), usage });
    },
    marks: (name, buyer) => ({
      tombstoned: Number(tombstoned.has(name)),
      blocked: Number(blocked.has(buyer)),
      unmatched: Number(unmatched.has(name)),
    }),
    accountOf(buyer) {
      const id = buyers.get(buyer);
      return id === undefined ? null : (accounts.get(id) ?? null);
    },
    addRequest(request) {
      const row = newRow(requestId(), request);
      newRequests.push(row);
      put(row);
      return row.id;
    },
    hold(id, amount, usage, last_reservation) {
      const row = account(id);
      Object.assign(row, { held: minor(row.held + amount), usage, last_reservation });
    },
    writePin: (id, pin_failures, locked) =>
      void Object.assign(account(id), { pin_failures, pin_locked: locked ? 1 : 0 }),
    addTombstone(name, at) {
      if (!tombstoned.has(name)) tombstones.set(name, at);
      tombstoned.add(name);
    },
    expire: (name) => change(byRequestId.get(name), { responseCode: "2060" }),
    nameLaterReserve: (name, later) =>
      void laterReserves.set(name, (laterReserves.get(name) ?? "") + later),
    stillReserved: () =>
      loaded.stillReserved.filter(
        (row) => (byRequestId.get(row.requestId) ?? row).state === "reserved",
      ) as OpenReservation[],
    interruptionExamined() {
      interruptionExamined = true;
    },
    addReceipt(receipt: NewReceipt) {
      const id = receiptId();
      receipts.push([id, ...receiptValues(receipt)]);
      return id;
    },
    correctReceipt: (id, correction) =>
      void corrections.set(id, { ...corrections.get(id), ...correction }),
    addRefusal: (refusal) => void refusals.push({ ...refusal, id: refusalId() }),
  };

  function addToBalances(
    entries: readonly Entry[],
    hold: { readonly accountId: number; readonly amount: number },
  ): void {
    for (const { account: of, amount } of entries) {
      const id = accountId(of);
      if (of.kind === "internal") {
        own.set(id, (own.get(id) ?? 0) + amount);
        continue;
      }
      const row = account(id);
      row.ledger_balance = minor(row.ledger_balance + amount);
      if (hold.accountId === id) row.held = minor(row.held - hold.amount);
    }
  }

  const journal: PostingJournal = {
    post(entry: JournalRecord, entries, hold) {
      if (sumOf(entries) !== 0) throw new Error("the entries of a posting must sum to zero");
      const id = head.id + 1;
      const content = contentOf(id, entry, entries, accountId);
      const hash = chainNext(head.hash, content);
      journalRows.push([...content, Buffer.from(hash).toString("hex")]);
      head = { id, hash };
      addToBalances(entries, hold);
      return id;
    },
    finding(draft, about) {
      const key = JSON.stringify([draft.kind, draft.key]);
      const known = findings.get(key);
      if (known === undefined) findings.set(key, { ...draft, ...about, occurrences: 1 });
      else findings.set(key, { ...known, at: about.at, occurrences: known.occurrences + 1 });
      if (draft.kind === "unmatched-success" && about.requestId !== null) {
        unmatched.add(about.requestId);
      }
    },
  };

  const limits = new Map(loaded.limits.map((row) => [`${row.scope} ${row.scopeKey}`, row]));
  const find: FindLimit = (scope, key) => limits.get(`${scope} ${key}`);
  const rules: Rules = {
    salesPaused: () => loaded.salesPaused,
    limitsFor: (request, number) => applicableLimits(find, request, number),
  };

  function changes(): Changes {
    const before = new Map(loaded.requests.map((row) => [row.id, row]));
    const accountsBefore = new Map(loaded.accounts.map((row) => [row.id, row]));
    return {
      newRequests,
      changedRequests: [...changed].flatMap((after) => {
        const row = before.get(after.id);
        return row === undefined ? [] : [{ before: row, after }];
      }),
      accounts: [...touched]
        .sort((a, b) => a - b)
        .map((id) => ({
          before: accountsBefore.get(id) as AccountRow,
          after: accounts.get(id) as AccountRow,
        })),
      own,
      journal: journalRows,
      tombstones,
      findings: [...findings.values()],
      laterReserves,
      receipts,
      corrections,
      refusals,
      interruptionExamined,
    };
  }

  return { rows, journal, rules, changes };
}
