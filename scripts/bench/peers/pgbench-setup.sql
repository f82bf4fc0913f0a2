-- Makes the two operations as functions in the database, over the tables of postgres-seed.mjs:
-- what PostgreSQL itself can do when nothing is in front of it. pgbench-prepare.mjs runs this.

CREATE EXTENSION IF NOT EXISTS pgcrypto SCHEMA public;

-- Holds the money or declines. Gives the answer's body; a repeat has the first one.
CREATE OR REPLACE FUNCTION reserve_funds(
  p_request_id text, p_buyer_id text, p_amount bigint, p_settlement bigint, p_auth_code text
) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint := extract(epoch FROM clock_timestamp()) * 1000;
  v_account accounts;
  v_first reservations;
  v_code text := '0000';
  v_reference text;
  v_answer text;
BEGIN
  SELECT a.* INTO v_account FROM buyers b JOIN accounts a ON a.id = b.account_id
    WHERE b.buyer_id = p_buyer_id FOR UPDATE OF a;
  IF NOT FOUND THEN
    v_code := '2030';
  ELSIF v_account.pin_hash <> encode(
    public.hmac(v_account.number || E'\n' || coalesce(p_auth_code, ''), 'bench', 'sha256'), 'hex'
  ) THEN
    v_code := '2020';
  ELSIF v_account.status <> 'active' THEN
    v_code := '2080';
  ELSIF p_amount > v_account.ledger_balance - v_account.held + v_account.overdraft THEN
    v_code := '2010';
  ELSE
    v_reference := 'PEER-' || gen_random_uuid();
  END IF;

  INSERT INTO reservations (request_id, reference, account_id, buyer_id, amount,
      settlement_amount, state, response_code, created_at)
    VALUES (p_request_id, v_reference, v_account.id, p_buyer_id, p_amount, p_settlement,
      CASE v_code WHEN '0000' THEN 'reserved' ELSE 'declined' END, v_code, v_now)
    ON CONFLICT (request_id) DO NOTHING;
  IF NOT FOUND THEN
    SELECT * INTO v_first FROM reservations WHERE request_id = p_request_id;
    v_reference := v_first.reference;
    v_code := CASE WHEN v_first.amount = p_amount AND v_first.buyer_id = p_buyer_id
      THEN v_first.response_code ELSE '2090' END;
  ELSIF v_code = '0000' THEN
    UPDATE accounts SET held = held + p_amount WHERE id = v_account.id;
  END IF;

  v_answer := json_strip_nulls(json_build_object(
    'responseCode', v_code,
    'responseMessage', CASE v_code WHEN '0000' THEN 'Success'
      WHEN '2010' THEN 'Insufficient funds' WHEN '2020' THEN 'Invalid authentication code'
      WHEN '2030' THEN 'Consumer Account not mapped' WHEN '2080' THEN 'Consumer Account inactive'
      ELSE 'Unknown error' END,
    'raasTxnRef', p_request_id,
    'reserveFundsTxnRef', CASE v_code WHEN '0000' THEN v_reference END));
  -- pgbench sends no body, so the receipt's is written here, as long as the HTTP peers' are.
  INSERT INTO receipts (received_at, path, body, status, response)
    VALUES (v_now, '/reserveFunds', json_build_object(
      'raasTxnRef', p_request_id, 'sourceIdentifier', p_buyer_id, 'reserveAmount', p_amount,
      'purchaseAmount', p_amount, 'feeAmount', 0, 'settlementAmount', p_settlement,
      'productId', 110, 'channelId', 7, 'clientTxnRef', p_request_id,
      'targetIdentifier', p_buyer_id, 'authCode', '***'), 200, v_answer);
  RETURN v_answer;
END $$;

-- Debits or releases. Gives the answer's status.
CREATE OR REPLACE FUNCTION transact_result(p_request_id text, p_is_dispensed boolean)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint := extract(epoch FROM clock_timestamp()) * 1000;
  v_reservation record;
  v_status integer := 202;
BEGIN
  SELECT r.*, a.number INTO v_reservation
    FROM reservations r JOIN accounts a ON a.id = r.account_id
    WHERE r.request_id = p_request_id AND r.state <> 'declined' FOR UPDATE;
  IF NOT FOUND THEN
    v_status := 404;
  ELSIF v_reservation.state = 'reserved' THEN
    UPDATE accounts SET held = held - v_reservation.amount, ledger_balance = ledger_balance
      - CASE WHEN p_is_dispensed THEN v_reservation.amount ELSE 0 END
      WHERE id = v_reservation.account_id;
    UPDATE reservations
      SET state = CASE WHEN p_is_dispensed THEN 'debited' ELSE 'released' END, resolved_at = v_now
      WHERE id = v_reservation.id;
    INSERT INTO entries (reservation_id, account, amount)
      SELECT v_reservation.id, e.account, e.amount
      FROM (VALUES (v_reservation.number, -v_reservation.amount),
        ('@clickatell', v_reservation.settlement_amount),
        ('@income', v_reservation.amount - v_reservation.settlement_amount),
        ('@suspense', CASE WHEN v_reservation.settlement_amount IS NULL
          THEN v_reservation.amount END)) AS e (account, amount)
      WHERE p_is_dispensed AND e.amount <> 0;
  END IF;

  INSERT INTO receipts (received_at, path, body, status, response)
    VALUES (v_now, '/transactResult', json_build_object('raasTxnRef', p_request_id,
      'responseCode', CASE WHEN p_is_dispensed THEN '0000' ELSE '2226' END), v_status,
      CASE v_status WHEN 404 THEN '{"responseMessage":"No matching reservation"}' ELSE '' END);
  RETURN v_status;
END $$;
