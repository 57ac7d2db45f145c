"""Fills a PostgreSQL outbox with millions of status changes, by SQL alone: what years of work leave behind.

Every month from 2020-01 on has its share, in batches of a thousand whose rows lie all over the month, as the historical load
makes them; every day has been read four times by the daily send, and proven each time.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Engine

ZONE = "America/Santo_Domingo"

#: Rows of a batch.
_BATCH = 1_000

_MONTHS = """
CREATE TEMPORARY TABLE month ON COMMIT DROP AS
SELECT row_number() OVER (ORDER BY first) AS number, first, (first AT TIME ZONE :zone) AS starts,
       LEAST(((first + interval '1 month') AT TIME ZONE :zone), CAST(:now AS timestamptz)) AS ends
  FROM generate_series(timestamp '2020-01-01', CAST(:now AS timestamptz) AT TIME ZONE :zone, interval '1 month') AS first
"""

_EXTRACTIONS = """
INSERT INTO extraction (kind, label, window_start, window_end, run_id, started_at, finished_at, rows_read, rows_new,
                        rows_known, duplicates, excluded, rejected)
SELECT 'month', to_char(first, 'YYYY-MM'), starts, ends, 'manual__history', CAST(:now AS timestamptz) - interval '1 day',
       CAST(:now AS timestamptz) - interval '1 day', :rows / (SELECT count(*) FROM month), 0, 0, 3, 5,
       '{"unknown_status": 7}'
  FROM month ORDER BY number
"""

_DAILY = """
INSERT INTO extraction (kind, label, window_start, window_end, run_id, started_at, finished_at, rows_read, rejected)
SELECT 'day', to_char(day, 'YYYY-MM-DD'), day AT TIME ZONE :zone, (day + interval '1 day') AT TIME ZONE :zone,
       'scheduled__' || to_char(day + again * interval '1 day', 'YYYY-MM-DD'),
       (day + (again + 1) * interval '1 day') AT TIME ZONE :zone, (day + (again + 1) * interval '1 day') AT TIME ZONE :zone,
       3000, '{}'
  FROM generate_series(timestamp '2020-01-01', (CAST(:now AS timestamptz) AT TIME ZONE :zone) - interval '1 day',
                       interval '1 day') AS day,
       generate_series(0, 3) AS again
 ORDER BY day, again
"""

_PROOFS = """
INSERT INTO reconciliation (kind, label, window_start, window_end, run_id, counted_at, rows_read, delivered, rejected,
                            excluded, duplicates, pending, recount, settled)
SELECT kind, label, window_start, window_end, run_id, finished_at + interval '1 second', rows_read, rows_read, '{}', 0, 0, 0,
       rows_read, true
  FROM extraction ORDER BY id
"""

_BATCHES = """
INSERT INTO batch (id, extraction_id, rows, first_change, last_change, state, settled_at)
SELECT number, 1 + (number - 1) * months / batches, :size, '-infinity', 'infinity', 'delivered',
       CAST(:now AS timestamptz) - interval '30 days' + number * interval '30 days' / batches
  FROM (SELECT number, CAST(:rows / :size AS bigint) AS batches, (SELECT count(*) FROM month) AS months
          FROM generate_series(1, CAST(:rows / :size AS bigint)) AS number) AS numbered
"""

# A row of number n is in batch n / size; multiplying by a prime spreads the rows of a batch over its month.
_ROWS = """
INSERT INTO status_change (request_id, last_modified_date, status_id, service_id, opening_date, batch_id)
SELECT 'REQ-' || lpad(CAST(row AS text), 9, '0'),
       starts + (ends - starts) * (((row * 7919) % 1000003) / 1000004.0), 1 + row % 21, CAST(1040 + row % 7 AS text),
       starts, batch.id
  FROM batch JOIN month ON month.number = batch.extraction_id,
       generate_series((batch.id - 1) * :size, batch.id * :size - 1) AS row
 WHERE batch.id BETWEEN :first AND :last
 ORDER BY row
"""

_EDGES = """
UPDATE batch SET first_change = found.first, last_change = found.last
  FROM (SELECT batch_id, min(last_modified_date) AS first, max(last_modified_date) AS last
          FROM status_change GROUP BY batch_id) AS found
 WHERE found.batch_id = batch.id
"""

_DAYS = """
INSERT INTO batch_day (day, batch_id, rows)
SELECT CAST(last_modified_date AT TIME ZONE :zone AS date), batch_id, count(*) FROM status_change GROUP BY 1, 2
"""

_ATTEMPTS = """
INSERT INTO attempt (batch_id, run_id, message_id, started_at, outcome, seconds, http_status)
SELECT id, 'manual__history_' || id / 500, 'message-' || id, settled_at - interval '1 second', 'delivered',
       0.2 + (id % 97) / 50.0, 201
  FROM batch ORDER BY id
"""

_PENDING = """
UPDATE batch SET state = 'pending', settled_at = NULL WHERE id > (SELECT max(id) FROM batch) - 50
"""

_REFUSED = """
WITH refused AS (
    INSERT INTO batch (id, extraction_id, rows, first_change, last_change, state, words, settled_at)
    SELECT 10000000 + number, 1, 1, moment, moment, 'refused', '«unknown service_id»', CAST(:now AS timestamptz)
      FROM (SELECT number, timestamptz '2020-01-02' + number * interval '1 hour' AS moment
              FROM generate_series(1, 2000) AS number) AS numbered
    RETURNING id, first_change)
, counted AS (
    INSERT INTO batch_day (day, batch_id, rows) SELECT CAST(first_change AT TIME ZONE :zone AS date), id, 1 FROM refused)
INSERT INTO status_change (request_id, last_modified_date, status_id, service_id, opening_date, batch_id)
SELECT 'BAD-' || id, first_change, 1, '9999', first_change, id FROM refused
"""

_REJECTIONS = """
INSERT INTO rejection (digest, reason, service_id, request_id, opening_date, status_id, last_modified_date, changed_at,
                       extraction_id, resolved)
SELECT md5(CAST(number AS text)),
       (ARRAY['unknown_status', 'missing_request_id', 'opening_after_change', 'too_long'])[1 + number % 4],
       CAST(1040 + number % 7 AS text), 'WRONG-' || number, '2020-01-01', '99', '2020-01-01',
       timestamptz '2020-01-02' + number * interval '36 minutes', 1, number % 10 = 0
  FROM generate_series(1, 100000) AS number
"""

#: Batches whose rows are inserted in one statement.
_STEP = 500


def fill(engine: Engine, *, rows: int, now: str) -> None:
    """Fill an empty outbox.

    :param rows: how many status changes are staged.
    :param now: an instant as ISO 8601; the last month ends there.
    """
    values = {"zone": ZONE, "now": now, "rows": rows, "size": _BATCH}
    with engine.begin() as connection:
        for statement in (_MONTHS, _EXTRACTIONS, _DAILY, _PROOFS, _BATCHES):
            _run(connection, statement, values)
        for first in range(1, rows // _BATCH + 1, _STEP):
            _run(connection, _ROWS, values | {"first": first, "last": first + _STEP - 1})
        for statement in (_EDGES, _DAYS, _ATTEMPTS, _PENDING, _REFUSED, _REJECTIONS):
            _run(connection, statement, values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _run(connection: sa.Connection, statement: str, values: dict[str, object]) -> None:
    text = sa.text(statement)
    connection.execute(text, {name: values[name] for name in text.compile().params})
