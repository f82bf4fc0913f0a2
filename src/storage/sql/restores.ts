// What a bank knows of its having been restored from a backup.

import { localTimeText } from "../../domain/local-time.ts";
import type { Bank, By, NewRestore, RestoreView } from "../store.ts";
import type { Journal } from "./journal.ts";
import { refuse } from "./refused.ts";
import type { Sql } from "./sql.ts";

/** Why sales are paused until a restore is acknowledged. */
export const RESTORED = "restored from a backup, until transact-bank restore acknowledge";

export function restoresOn(
  db: Sql,
  { bank, journal, now }: { bank: Bank; journal: Journal; now: () => number },
) {
  const insert = db.query(
    `INSERT INTO restores (from_at, to_at, record, hash, restored_by)
     VALUES ($from, $to, $record, $hash, $journalId)`,
  );
  const selectAll = db.query(
    `SELECT id, from_at AS "from", to_at AS "to", record, hash,
       acknowledged_by IS NOT NULL AS acknowledged FROM restores ORDER BY id`,
  );
  const acknowledge = db.query(
    "UPDATE restores SET acknowledged_by = ? WHERE acknowledged_by IS NULL",
  );

  const list = (): RestoreView[] =>
    (selectAll.all() as (Omit<RestoreView, "acknowledged"> & { acknowledged: number })[]).map(
      (row) => ({
        ...row,
        acknowledged: row.acknowledged === 1,
      }),
    );

  return {
    list,

    /** Refuses what would sell again before anybody looked at what is forgotten. */
    refuseOpen(): void {
      if (list().some(({ acknowledged }) => !acknowledged)) {
        refuse("the bank was restored from a backup: transact-bank restore acknowledge first");
      }
    },

    /** Written into the copy before it is put in place. */
    record(by: By, restore: NewRestore): null {
      const { from, to, record, hash } = restore;
      const at = now();
      const act = { at, kind: "act", act: "backup restore", by } as const;
      const journalId = journal.record({ ...act, detail: JSON.stringify(restore) });
      insert.run({ from, to, record, hash, journalId });
      const time = (instant: number) => localTimeText(instant, bank.timeZone);
      const detail =
        `all that was answered from ${time(from)} to ${time(to)} is forgotten; ` +
        `the backup's journal ends with record ${record}`;
      const draft = { kind: "restored", key: String(journalId), detail } as const;
      journal.finding(draft, { requestId: null, reference: null, at });
      return null;
    },

    acknowledge(by: By): RestoreView[] {
      const open = list().filter(({ acknowledged }) => !acknowledged);
      if (open.length === 0) refuse("no restore waits for it: reserves are decided as usual");
      const act = { at: now(), kind: "act", act: "restore acknowledge", by } as const;
      acknowledge.run(journal.record(act));
      return open;
    },
  };
}
