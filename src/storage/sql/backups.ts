// What the bank's people are told of its scheduled backups.

import type { By } from "../store.ts";
import type { Journal } from "./journal.ts";
import type { Sql } from "./sql.ts";

export function backupsOn(db: Sql, { journal, now }: { journal: Journal; now: () => number }) {
  const selectOpen = db.query(
    "SELECT key FROM findings WHERE kind = 'backup-failed' AND closed_at IS NULL",
  );
  const close = db.query(
    `UPDATE findings SET closed_at = ?, closed_by = ?
     WHERE kind = 'backup-failed' AND closed_at IS NULL`,
  );

  return {
    /** One finding from the first failure until a backup is made. */
    failed(why: string): null {
      const at = now();
      const open = selectOpen.get() as { key: string } | null;
      const draft = { kind: "backup-failed", key: open?.key ?? String(at), detail: why } as const;
      journal.finding(draft, { requestId: null, reference: null, at });
      return null;
    },

    made(by: By, file: string): null {
      if (selectOpen.get() === null) return null;
      const at = now();
      const act = { at, kind: "act", act: "backup create", detail: file, by } as const;
      close.run(at, journal.record(act));
      return null;
    },
  };
}
