-- The bank, its accounts and buyers, reservations, the journal and the receipts.
-- Amounts are minor units; times are epoch milliseconds; days and months are local ISO text.
-- What is checked at every purchase names its values one by one with OR: for IN with more than two
-- of them SQLite makes a temporary index each time, which costs more than the whole row.

CREATE TABLE bank (
  id INTEGER PRIMARY KEY CONSTRAINT one_bank CHECK (id = 1),
  code TEXT NOT NULL,
  currency TEXT NOT NULL CHECK (length(currency) = 3),
  minor_digits INTEGER NOT NULL CHECK (minor_digits BETWEEN 0 AND 4),
  time_zone TEXT NOT NULL,
  country TEXT NOT NULL CHECK (length(country) = 2),
  demo INTEGER NOT NULL CHECK (demo IN (0, 1)),
  created_at INTEGER NOT NULL,
  -- Tells whether the PIN key in keys/ is the one the stored PINs were hashed with.
  pin_key_check TEXT,
  sales_paused_at INTEGER,
  sales_paused_reason TEXT,
  -- The server that writes here: open_since bounds the requests whose answers may not have left.
  serving INTEGER NOT NULL DEFAULT 0 CHECK (serving IN (0, 1)),
  open_since INTEGER,
  -- Set from an unclean end until what it left open was looked at.
  interrupted_since INTEGER,
  CHECK ((sales_paused_at IS NULL) = (sales_paused_reason IS NULL))
) STRICT;

CREATE TRIGGER bank_demo_for_ever BEFORE UPDATE OF demo ON bank WHEN OLD.demo <> NEW.demo
BEGIN SELECT RAISE(ABORT, 'a demo bank stays a demo, and no other becomes one'); END;

CREATE TABLE accounts (
  id INTEGER PRIMARY KEY,
  number TEXT NOT NULL CONSTRAINT accounts_number UNIQUE,
  name TEXT NOT NULL,
  internal TEXT CONSTRAINT accounts_internal UNIQUE,
  status TEXT NOT NULL CHECK (status IN ('active', 'inactive', 'blacklisted')),
  ledger_balance INTEGER NOT NULL DEFAULT 0
    CHECK (ledger_balance BETWEEN -9007199254740991 AND 9007199254740991),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND 9007199254740991),
  overdraft INTEGER NOT NULL DEFAULT 0 CHECK (overdraft BETWEEN 0 AND 999999999999),
  pin_hash BLOB,
  pin_failures INTEGER NOT NULL DEFAULT 0 CHECK (pin_failures >= 0),
  pin_locked INTEGER NOT NULL DEFAULT 0 CHECK (pin_locked IN (0, 1)),
  created_at INTEGER NOT NULL,
  -- What it reserved by local day and month (the view usage reads it): in the row that each
  -- reserve writes anyway, because a page more is what a purchase costs most.
  usage TEXT NOT NULL DEFAULT '{}',
  -- Its newest reservation; each names the one before it, so that they are found without an index.
  last_reservation INTEGER,
  -- No reserve and no debit may take more than there is.
  CONSTRAINT available_not_negative
    CHECK (internal IS NOT NULL OR ledger_balance - held + overdraft >= 0),
  CONSTRAINT internal_number CHECK ((internal IS NOT NULL) = (number LIKE '@%')),
  CONSTRAINT internal_holds_nothing CHECK (internal IS NULL OR held = 0)
) STRICT;

CREATE TABLE buyers (
  buyer_id TEXT NOT NULL CONSTRAINT buyers_buyer_id PRIMARY KEY,
  account_id INTEGER NOT NULL REFERENCES accounts (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX buyers_account ON buyers (account_id);

CREATE TABLE blocked_buyers (
  buyer_id TEXT NOT NULL PRIMARY KEY,
  blocked_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each raasTxnRef that was ever decided: what it asked, what it was answered and, where
-- that was Success, the reservation that it made. Requests are appended in the order they come, so
-- that only the index on request_id is written in random places.
CREATE TABLE requests (
  id INTEGER PRIMARY KEY,
  request_id TEXT NOT NULL CONSTRAINT requests_request_id UNIQUE,
  received_at INTEGER NOT NULL,
  response_code TEXT NOT NULL CHECK (response_code GLOB '[0-9][0-9][0-9][0-9]'),
  buyer_id TEXT NOT NULL,
  reserve_amount INTEGER NOT NULL CHECK (reserve_amount BETWEEN 1 AND 999999999999),
  purchase_amount INTEGER CHECK (purchase_amount >= 0),
  fee_amount INTEGER NOT NULL CHECK (fee_amount >= 0),
  client_share_amount INTEGER NOT NULL CHECK (client_share_amount >= 0),
  settlement_amount INTEGER CHECK (settlement_amount >= 0),
  product_id INTEGER,
  target_id TEXT,
  currency TEXT,
  client_ref TEXT,
  channel_id INTEGER,
  -- The reservation, all of it NULL where the request was declined.
  reference TEXT CONSTRAINT requests_reference UNIQUE CHECK (length(reference) <= 64),
  account_id INTEGER REFERENCES accounts (id),
  state TEXT CHECK (state = 'reserved' OR state = 'debited' OR state = 'released'),
  reserved_at INTEGER,
  -- The local day whose limits counted it, so that a release gives back to that day and month.
  local_day TEXT,
  -- The account's reservation before this one.
  previous INTEGER,
  resolved_at INTEGER,
  resolved_by TEXT
    CHECK (resolved_by = 'result' OR resolved_by = 'operator' OR resolved_by = 'time-out'),
  result_code TEXT,
  first_sent_at INTEGER,
  CONSTRAINT whole_reservation CHECK ((state IS NULL) = (reference IS NULL)
    AND (state IS NULL) = (account_id IS NULL) AND (state IS NULL) = (reserved_at IS NULL)
    AND (state IS NULL) = (local_day IS NULL)),
  CHECK ((state IN ('debited', 'released')) IS TRUE = (resolved_at IS NOT NULL)),
  CHECK ((resolved_at IS NULL) = (resolved_by IS NULL))
) STRICT;
CREATE INDEX requests_open ON requests (reserved_at) WHERE state = 'reserved';
CREATE INDEX requests_ended ON requests (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TRIGGER reservations_end_once BEFORE UPDATE OF state ON requests
WHEN OLD.state IS NOT NEW.state AND OLD.state IS NOT 'reserved'
BEGIN SELECT RAISE(ABORT, 'a reservation ends once'); END;
CREATE TRIGGER requests_stay_as_asked BEFORE UPDATE OF id, request_id, received_at, buyer_id,
  reserve_amount, purchase_amount, fee_amount, client_share_amount, settlement_amount, product_id,
  target_id, currency, client_ref, channel_id, reference, account_id, reserved_at, local_day,
  previous ON requests
BEGIN SELECT RAISE(ABORT, 'what was asked and reserved is never changed'); END;
-- INSERT OR REPLACE deletes without a delete trigger, so the insert itself is looked at.
CREATE TRIGGER requests_no_replace BEFORE INSERT ON requests
WHEN EXISTS (SELECT 1 FROM requests WHERE request_id = NEW.request_id)
  OR EXISTS (SELECT 1 FROM requests WHERE reference = NEW.reference)
  OR EXISTS (SELECT 1 FROM requests WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a request stands once'); END;
CREATE TRIGGER requests_stay BEFORE DELETE ON requests
BEGIN SELECT RAISE(ABORT, 'no request is ever deleted'); END;

-- The counters of limits: what an account reserved (and was not given back) in a local day
-- ("2026-03-02") and month, in all, by channel ("c7") and by product ("p110").
CREATE VIEW usage AS SELECT a.id AS account_id, p.key AS period,
    CASE substr(c.key, 1, 1) WHEN '*' THEN 'all' WHEN 'c' THEN 'channel' ELSE 'product' END
      AS scope,
    CASE c.key WHEN '*' THEN '*' ELSE substr(c.key, 2) END AS scope_key,
    c.value ->> 0 AS amount, c.value ->> 1 AS count
  FROM accounts a, json_each(a.usage) p, json_each(p.value) c;

-- A failed result that overtook its reserve: the reserve, when it comes, holds nothing.
CREATE TABLE tombstones (
  request_id TEXT NOT NULL PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Postings and admin acts, in one unbroken sequence. An act that moves money is one row, and a
-- posting is its row: its two or three entries stand in it, so that it is whole or not there, and
-- they sum to zero or it is refused. Each row's hash covers the row and the hash before it
-- (chain.ts), so that no figure of the past can change unseen.
CREATE TABLE journal (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL CHECK (kind = 'debit' OR kind = 'act' OR kind = 'opening'
    OR kind = 'correction' OR kind = 'credit' OR kind = 'withdrawal' OR kind = 'settlement'),
  act TEXT NOT NULL,
  subject TEXT,
  detail TEXT,
  reservation_id INTEGER REFERENCES requests (id),
  actor TEXT CHECK (actor IS NULL OR json_valid(actor)),
  reason TEXT,
  account_1 INTEGER REFERENCES accounts (id),
  amount_1 INTEGER CHECK (amount_1 <> 0),
  account_2 INTEGER REFERENCES accounts (id),
  amount_2 INTEGER CHECK (amount_2 <> 0),
  account_3 INTEGER REFERENCES accounts (id),
  amount_3 INTEGER CHECK (amount_3 <> 0),
  hash BLOB NOT NULL CHECK (length(hash) = 32),
  CONSTRAINT posting_has_entries CHECK ((kind = 'act') = (amount_1 IS NULL)
    AND (amount_1 IS NULL) = (amount_2 IS NULL) AND (amount_1 IS NULL) = (account_1 IS NULL)
    AND (amount_2 IS NULL) = (account_2 IS NULL) AND (amount_3 IS NULL) = (account_3 IS NULL)
    AND (amount_3 IS NULL OR amount_2 IS NOT NULL)),
  CONSTRAINT entries_sum_to_zero CHECK (amount_1 + amount_2 + coalesce(amount_3, 0) = 0),
  CONSTRAINT one_entry_an_account
    CHECK (account_1 <> account_2 AND (account_3 IS NULL OR account_3 NOT IN (account_1, account_2)))
) STRICT;
CREATE UNIQUE INDEX journal_one_debit ON journal (reservation_id) WHERE kind = 'debit';
CREATE UNIQUE INDEX journal_one_correction ON journal (reservation_id) WHERE kind = 'correction';
-- What moved money by hand; debits are found by their reservations.
CREATE INDEX journal_by_hand ON journal (at)
  WHERE kind <> 'debit' AND kind <> 'act' AND kind <> 'opening';
-- Each change of a buyer's account, so that its purchases are found in the accounts that it had.
CREATE INDEX journal_of_buyers ON journal (detail ->> '$.buyerId')
  WHERE act IN ('accounts map', 'accounts unmap');

CREATE TRIGGER journal_no_replace BEFORE INSERT ON journal
WHEN EXISTS (SELECT 1 FROM journal WHERE id = NEW.id)
  OR NEW.kind = 'debit' AND EXISTS
    (SELECT 1 FROM journal WHERE reservation_id = NEW.reservation_id AND kind = 'debit')
  OR NEW.kind = 'correction' AND EXISTS
    (SELECT 1 FROM journal WHERE reservation_id = NEW.reservation_id AND kind = 'correction')
BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is never changed'); END;

CREATE VIEW entries AS
  SELECT id AS journal_id, account_1 AS account_id, amount_1 AS amount FROM journal
    WHERE account_1 IS NOT NULL
  UNION ALL SELECT id, account_2, amount_2 FROM journal WHERE account_2 IS NOT NULL
  UNION ALL SELECT id, account_3, amount_3 FROM journal WHERE account_3 IS NOT NULL;

CREATE TABLE findings (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  request_id TEXT,
  reference TEXT,
  detail TEXT NOT NULL,
  opened_at INTEGER NOT NULL,
  last_seen_at INTEGER NOT NULL,
  occurrences INTEGER NOT NULL DEFAULT 1 CHECK (occurrences >= 1),
  first_sent_at INTEGER,
  closed_at INTEGER,
  closed_by INTEGER REFERENCES journal (id),
  CONSTRAINT findings_kind_key UNIQUE (kind, key),
  CHECK ((closed_at IS NULL) = (closed_by IS NULL))
) STRICT;
CREATE INDEX findings_request_id ON findings (request_id, kind) WHERE request_id IS NOT NULL;
CREATE INDEX findings_reference ON findings (reference) WHERE reference IS NOT NULL;
-- The open ones of a kind stand first, in the order of their ids.
CREATE INDEX findings_kind ON findings (kind, closed_at);

CREATE TABLE limits (
  scope TEXT NOT NULL CHECK (scope IN ('global', 'channel', 'product', 'account')),
  scope_key TEXT NOT NULL,
  min INTEGER CHECK (min >= 0),
  max INTEGER CHECK (max >= 0),
  day_amount INTEGER CHECK (day_amount >= 0),
  day_count INTEGER CHECK (day_count >= 0),
  month_amount INTEGER CHECK (month_amount >= 0),
  month_count INTEGER CHECK (month_count >= 0),
  PRIMARY KEY (scope, scope_key),
  CHECK ((scope = 'global') = (scope_key = '*')),
  CHECK (min IS NULL OR max IS NULL OR min <= max)
) STRICT, WITHOUT ROWID;

-- One row for each request received on the two paths and not turned away at the door. What stands
-- in the request that it is about is not written again: its references, and the answer's text.
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY,
  request INTEGER REFERENCES requests (id),
  received_at INTEGER NOT NULL,
  duration_us INTEGER NOT NULL,
  peer TEXT NOT NULL,
  path TEXT NOT NULL,
  body TEXT,
  body_length INTEGER NOT NULL,
  body_digest TEXT,
  signature TEXT NOT NULL,
  status INTEGER NOT NULL,
  response_code TEXT,
  -- Only of a 400.
  message TEXT,
  -- Only of a result that matched no request.
  request_id TEXT,
  reference TEXT,
  notes TEXT
) STRICT;
CREATE INDEX receipts_request ON receipts (request) WHERE request IS NOT NULL;
CREATE INDEX receipts_request_id ON receipts (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX receipts_reference ON receipts (reference) WHERE reference IS NOT NULL;

-- Requests turned away at the door, at most so many a minute and in all; the rest only counted.
CREATE TABLE refusals (
  id INTEGER PRIMARY KEY,
  received_at INTEGER NOT NULL,
  peer TEXT NOT NULL,
  method TEXT NOT NULL,
  path TEXT NOT NULL,
  status INTEGER NOT NULL,
  reason TEXT NOT NULL,
  suppressed INTEGER NOT NULL
) STRICT;

CREATE TABLE holidays (
  day TEXT NOT NULL PRIMARY KEY CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  name TEXT NOT NULL
) STRICT, WITHOUT ROWID;
