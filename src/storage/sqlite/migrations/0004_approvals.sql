-- Dual control: what was asked for and waits for another person, and what became of it. Who asked,
-- when, why and in which words stands in the journal's record of the asking; who decided, in that
-- of the deciding, which of an approval is the act itself.

-- What is under dual control since the journal last said so, as a JSON list.
ALTER TABLE bank ADD COLUMN dual_control TEXT NOT NULL DEFAULT '[]'
  CONSTRAINT dual_control_list CHECK (json_type(dual_control) = 'array');

CREATE TABLE approvals (
  id INTEGER PRIMARY KEY,
  act TEXT NOT NULL,
  -- What the act needs; a secret or a PIN is not in it.
  args TEXT NOT NULL CHECK (json_type(args) = 'object'),
  asked_in INTEGER NOT NULL CONSTRAINT approvals_asked_in UNIQUE REFERENCES journal (id),
  asked_uid INTEGER NOT NULL CHECK (asked_uid >= 0),
  asked_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'approved', 'rejected')),
  -- The first record of the act, or that of the rejection.
  decided_in INTEGER CONSTRAINT approvals_decided_in UNIQUE REFERENCES journal (id),
  decided_uid INTEGER CHECK (decided_uid >= 0),
  decided_at INTEGER,
  CONSTRAINT approval_expires_later CHECK (expires_at > asked_at),
  CONSTRAINT whole_decision CHECK ((state = 'open') = (decided_in IS NULL)
    AND (state = 'open') = (decided_uid IS NULL) AND (state = 'open') = (decided_at IS NULL)),
  CONSTRAINT decided_after_asking CHECK (decided_in IS NULL OR decided_in > asked_in),
  CONSTRAINT approved_in_time CHECK (state <> 'approved' OR decided_at < expires_at),
  CONSTRAINT four_eyes CHECK (state <> 'approved' OR decided_uid <> asked_uid)
) STRICT;
CREATE INDEX approvals_open ON approvals (id) WHERE state = 'open';

CREATE TRIGGER approvals_begin_open BEFORE INSERT ON approvals WHEN NEW.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'an approval is asked for first'); END;
CREATE TRIGGER approvals_stay_as_asked BEFORE UPDATE OF id, act, args, asked_in, asked_uid, asked_at,
  expires_at ON approvals
BEGIN SELECT RAISE(ABORT, 'what was asked for is never changed'); END;
CREATE TRIGGER approvals_decided_once BEFORE UPDATE OF state, decided_in, decided_uid, decided_at
  ON approvals WHEN OLD.state <> 'open'
BEGIN SELECT RAISE(ABORT, 'an approval is decided once'); END;
-- INSERT OR REPLACE deletes without a delete trigger, so the insert itself is looked at.
CREATE TRIGGER approvals_no_replace BEFORE INSERT ON approvals
WHEN EXISTS (SELECT 1 FROM approvals WHERE id = NEW.id OR asked_in = NEW.asked_in)
BEGIN SELECT RAISE(ABORT, 'an approval is asked for once'); END;
CREATE TRIGGER approvals_stay BEFORE DELETE ON approvals
BEGIN SELECT RAISE(ABORT, 'no approval is ever deleted'); END;
