-- What a restore forgot, and what was archived and taken out.

-- A restored bank has forgotten what it answered after the backup was made. Until that is
-- acknowledged it accepts no reserve.
CREATE TABLE restores (
  id INTEGER PRIMARY KEY,
  -- From the backup's instant until it was put in place nothing is known.
  from_at INTEGER NOT NULL,
  to_at INTEGER NOT NULL,
  -- The newest record of the journal in the backup, and its hash.
  record INTEGER NOT NULL,
  hash TEXT NOT NULL,
  restored_by INTEGER NOT NULL REFERENCES journal (id),
  acknowledged_by INTEGER REFERENCES journal (id)
) STRICT;
CREATE TRIGGER restores_stay BEFORE DELETE ON restores
BEGIN SELECT RAISE(ABORT, 'a restore is never forgotten'); END;
CREATE TRIGGER restores_stay_as_they_are BEFORE UPDATE ON restores
WHEN OLD.acknowledged_by IS NOT NULL OR NEW.from_at <> OLD.from_at OR NEW.to_at <> OLD.to_at
  OR NEW.record <> OLD.record OR NEW.hash <> OLD.hash OR NEW.restored_by <> OLD.restored_by
BEGIN SELECT RAISE(ABORT, 'a restore is acknowledged once, and never changed'); END;

-- Receipts received before this instant may be gone: they were archived.
ALTER TABLE bank ADD COLUMN receipts_pruned_before INTEGER;
CREATE TRIGGER receipts_stay BEFORE DELETE ON receipts
WHEN OLD.received_at >= coalesce((SELECT receipts_pruned_before FROM bank), OLD.received_at)
BEGIN SELECT RAISE(ABORT, 'a receipt goes only when it is archived'); END;
