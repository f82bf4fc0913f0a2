// Applies batches of purchases: one transaction each, two round trips, the second of which commits.
//
// Why an answer is durable: the session has synchronous_commit=on, so a COMMIT that returned is on the
// disk of the server and, where the database has synchronous standbys, on theirs. Nothing of a batch is
// told before. A COMMIT is never cancelled: where its answer does not come, the connection is given up,
// and a new one asks for the batch by its number, which this appliance's row got in the same
// transaction. That row is locked by whatever is left of the old one, so the question waits until it is
// decided; and from then on its epoch is another, so nothing of the old connection can come later.
// What is found there may be a commit that reached no standby yet, so the question is a commit of our
// own as well: its answer comes when the standby has it, and with it all that came before.
import type { EntryAccount } from "../../domain/entries.ts";
import { messageOf } from "../../errors.ts";
import { applyEach, Broke, inPlaceOf, type ToApply } from "../broken.ts";
import type { ChainHead } from "../chain.ts";
import { purchasesOn } from "../purchases.ts";
import {
  type BankIdentity,
  type BatchTimes,
  FlushFailed,
  type Operation,
  type OperationOutcome,
  StoreBusy,
  type StoreOptions,
} from "../store.ts";
import { type Appliance, type Loaded, loading } from "./batch-load.ts";
import { batchRowsOn } from "./batch-rows.ts";
import { writing } from "./batch-write.ts";
import { type Client, ConnectionLost, ServerSaidNo } from "./client.ts";
import { MIGRATIONS } from "./migrate.ts";
import { COMMIT, ROLLBACK } from "./sql.ts";

/** Serialization failures and deadlocks are tried again so often; nothing else is. */
const MOST_TRIES = 3;
/** A round trip that takes longer is given up with its connection. */
const WITHIN_MS = 5_000;
const BETWEEN_CONNECTIONS_MS = 100;

/** Another appliance serves by this one's name since, or a later program: this one must end. */
export class TakenOver extends FlushFailed {}

export type BatchParts = {
  readonly client: Client;
  readonly bank: BankIdentity;
  readonly options: Pick<StoreOptions, "policy" | "pinKey" | "newUuid"> & {
    /** Null: the database's clock. */
    readonly now: (() => number) | null;
  };
  readonly accountId: (account: EntryAccount) => number;
  /** What the first record of the journal follows. */
  readonly start: ChainHead;
  /** This appliance's name. */
  readonly name: string;
};

const isPassing = (error: unknown): boolean =>
  error instanceof ServerSaidNo && (error.state === "40001" || error.state === "40P01");

export function batchesOn({ client, bank, options, accountId, start, name }: BatchParts) {
  let appliance: Appliance | null = null;
  const known = (operations: readonly ToApply[]): Operation[] =>
    operations.filter((operation) => operation.kind !== "broken");

  /**
   * Connects and takes the appliance's row; gives the number of its last batch with it. That is a
   * commit of our own: once it returns the standby has it, and with it all that came before.
   */
  function takeOver(): Appliance & { readonly batch: number } {
    appliance = null;
    client.connect(WITHIN_MS);
    const [taken] = client.run(
      [
        {
          text: `INSERT INTO appliances AS a (name)
            SELECT CAST($1 AS TEXT) FROM schema_version WHERE version = $2
            ON CONFLICT (name) DO UPDATE SET epoch = a.epoch + 1 RETURNING epoch, batch`,
          values: [name, MIGRATIONS.length],
        },
      ],
      WITHIN_MS * 3,
    );
    const row = taken?.rows[0] as { epoch: number; batch: number } | undefined;
    if (row === undefined) throw new TakenOver("the tables were upgraded for a later program");
    appliance = { name, epoch: row.epoch };
    return { ...appliance, batch: row.batch };
  }

  /** Whether the database has a batch of ours, asked until it is known. */
  function isThere(batch: number): boolean {
    for (;;) {
      try {
        return takeOver().batch >= batch;
      } catch (error) {
        if (error instanceof TakenOver) throw error;
        Bun.sleepSync(BETWEEN_CONNECTIONS_MS);
      }
    }
  }

  function decideAll(operations: readonly ToApply[], times: BatchTimes, loaded: Loaded) {
    const { rows, journal, rules, changes } = batchRowsOn(loaded, { accountId, start });
    const purchases = purchasesOn({ rows, journal, rules, bank, options });
    const outcomes = applyEach(operations, (operation) => purchases.apply(operation, times));
    return { outcomes, changes: changes() };
  }

  function rollBack(): void {
    client.run([ROLLBACK], WITHIN_MS);
  }

  /** One transaction. Throws what the database says; after Broke nothing is left of it. */
  function commitOnce(operations: readonly ToApply[], given: BatchTimes): OperationOutcome[] {
    const own = appliance ?? takeOver();
    const { queries, loadedFrom } = loading(known(operations), {
      times: given,
      appliance: own,
      country: bank.country,
      clock: options.now?.() ?? null,
    });
    const loaded = loadedFrom(client.run(queries, WITHIN_MS));
    if (loaded.batch === null) {
      rollBack();
      throw new TakenOver(`another appliance serves as ${name}`);
    }
    const times = { ...given, now: loaded.now };
    let decided: ReturnType<typeof decideAll>;
    try {
      decided = decideAll(operations, times, loaded);
    } catch (error) {
      rollBack();
      throw error;
    }
    const writes = writing(decided.changes, own);
    try {
      const done = client.run([...writes, COMMIT], WITHIN_MS);
      if (done.at(-1)?.command !== "COMMIT") throw new Error("the database rolled a batch back");
      return decided.outcomes;
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      if (isThere(loaded.batch)) return decided.outcomes;
      throw new StoreBusy(`the connection was lost before the commit: ${messageOf(error)}`);
    }
  }

  /** The same, tried again where another transaction was in the way. */
  function commitBatch(operations: readonly ToApply[], times: BatchTimes): OperationOutcome[] {
    for (let tries = 1; ; tries += 1) {
      try {
        return commitOnce(operations, times);
      } catch (error) {
        if (error instanceof ConnectionLost) {
          appliance = null;
          throw error;
        }
        if (error instanceof ServerSaidNo) rollBack();
        if (!isPassing(error)) throw error;
        if (tries === MOST_TRIES) throw new StoreBusy(messageOf(error));
      }
    }
  }

  /**
   * An operation that breaks leaves its neighbours alone: the batch is applied again without it. Where
   * the database does not say which it was, halves of the batch are tried, down to the one.
   */
  function applyNow(operations: readonly ToApply[], times: BatchTimes): OperationOutcome[] {
    const toApply = [...operations];
    for (;;) {
      try {
        return commitBatch(toApply, times);
      } catch (error) {
        if (error instanceof Broke) {
          toApply[error.index] = inPlaceOf(toApply[error.index], error.cause);
        } else if (!concernsOne(error)) {
          throw error;
        } else if (toApply.length === 1) {
          const [only] = toApply;
          if (only === undefined || only.kind === "broken") throw error;
          toApply[0] = inPlaceOf(only, error);
        } else {
          const middle = Math.ceil(toApply.length / 2);
          return [
            ...applyNow(toApply.slice(0, middle), times),
            ...applyNow(toApply.slice(middle), times),
          ];
        }
      }
    }
  }

  return { applyNow };
}

/** An error of data, which one row caused: 22 data exception, 23 constraint, P0001 a trigger's. */
const concernsOne = (error: unknown): boolean =>
  error instanceof ServerSaidNo && /^(22|23|P0)/.test(error.state);
