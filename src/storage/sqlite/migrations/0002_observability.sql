-- Which request a receipt is of: with received_at it makes the trace id that stands in the answer's
-- X-Request-Id and in the log. NULL where it was written before there was one, and where a line
-- only counts what was turned away.
ALTER TABLE receipts ADD COLUMN trace INTEGER;
ALTER TABLE refusals ADD COLUMN trace INTEGER;
