"""Fills a PostgreSQL outbox with millions of status changes, as after years of operation.

Every month from 2020-01 on has its share, in batches of a thousand whose rows are spread over the month, as the historical load
creates them; every day was read four times by the daily send, and proved each time.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.status_change import StatusChange
from tablero.outbox.batches import Origin, make

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

_ATTEMPTS = """
INSERT INTO attempt (batch_id, run_id, message_id, started_at, outcome, seconds, http_status)
SELECT id, 'manual__history_' || id / 500, 'message-' || id, settled_at - interval '1 second', 'delivered',
       0.2 + (id % 97) / 50.0, 201
  FROM batch ORDER BY id
"""

_PENDING = """
UPDATE batch SET state = 'pending', settled_at = NULL WHERE id > (SELECT max(id) FROM batch) - 50
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

#: Batches inserted in one transaction.
_STEP = 100

_SETTLED = """
UPDATE batch SET settled_at = CAST(:now AS timestamptz) - interval '30 days' + id * interval '30 days' / (:rows / :size)
"""


def fill(engine: Engine, *, rows: int, now: str) -> None:
    """Fill an empty outbox.

    :param rows: how many status changes are staged.
    :param now: an instant as ISO 8601; the last month ends there.
    """
    values = {"zone": ZONE, "now": now, "rows": rows, "size": _BATCH}
    with engine.begin() as connection:
        for statement in (_MONTHS, _EXTRACTIONS, _DAILY, _PROOFS):
            _run(connection, statement, values)
        months = connection.execute(sa.text("SELECT starts, ends FROM month ORDER BY number")).all()
    count = rows // _BATCH
    zone = pendulum.timezone(ZONE)
    settled = {"state": "delivered", "settled_at": datetime.fromisoformat(now), "settled_how": "acknowledged"}
    for first in range(0, count, _STEP):
        with engine.begin() as connection:
            for number in range(first, min(first + _STEP, count)):
                month = number * len(months) // count
                make(connection, Origin(month + 1), [_rows(number, *months[month])], zone, **settled)
    with engine.begin() as connection:
        refused = {"state": "refused", "words": "«unknown service_id»", "settled_at": datetime.fromisoformat(now)}
        for statement in (_SETTLED, _ATTEMPTS, _PENDING):
            _run(connection, statement, values)
        make(connection, Origin(1), [[_bad(number)] for number in range(2000)], zone, **refused)
        _run(connection, _REJECTIONS, values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM ANALYZE"))


def _rows(number: int, starts: datetime, ends: datetime) -> list[StatusChange]:
    """The rows of a batch; multiplying by a prime spreads them over its month."""
    starts = starts.astimezone(timezone.utc)
    second = (ends - starts).total_seconds() / 1_000_004
    return [
        StatusChange(
            str(1040 + row % 7),
            f"REQ-{row:09}",
            starts,
            1 + row % 21,
            starts + timedelta(seconds=int(second * (row * 7919 % 1_000_003))),
        )
        for row in range(number * _BATCH, (number + 1) * _BATCH)
    ]


def _bad(number: int) -> StatusChange:
    moment = datetime(2020, 1, 2, tzinfo=timezone.utc) + number * timedelta(hours=1)
    return StatusChange("9999", f"BAD-{number}", moment, 1, moment)


def _run(connection: sa.Connection, statement: str, values: dict[str, object]) -> None:
    text = sa.text(statement)
    connection.execute(text, {name: values[name] for name in text.compile().params})
