-- One purchase: a reserve and its result, each a transaction with a flush of its own.
-- So ONE pgbench transaction is TWO operations: operations/s = 2 * tps. pgbench's latency is that
-- of both together; with -r it tells each one's. After pgbench-prepare.mjs:
--
--   pgbench -n -M prepared -f pgbench.sql -D accounts=N -D release_percent=10 -c 32 -j 2 -T 30 \
--     -h HOST -p PORT -U postgres postgres
--
-- It needs -M prepared: the other modes would paste the reference into the text without quotes.
-- For another schema than public, PGOPTIONS="-c search_path=NAME".
\set account random(0, :accounts - 1)
\set amount random(500, 20000)
\set is_dispensed random(1, 100) > :release_percent
WITH r AS MATERIALIZED (SELECT gen_random_uuid()::text AS ref)
SELECT ref, reserve_funds(ref, (27730000000 + :account)::text, :amount, :amount * 9 / 10, '4321')
  AS answer FROM r \gset
SELECT transact_result(:ref, :is_dispensed);
