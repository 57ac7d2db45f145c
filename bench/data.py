"""The rows that every contender sends: status changes over all months since 2020-01, in PostgreSQL."""

from __future__ import annotations

from datetime import date

import psycopg

#: Changes of one request, days apart.
CHANGES_OF_A_REQUEST = 4

#: An institution's history table behind the view that the package reads. Requests are spread evenly over 2020-01 to
#: 2026-10, and stored in the order in which they changed.
_SCHEMA = """
CREATE TABLE historial (
    service_id text NOT NULL, request_id text NOT NULL, opening_date timestamptz NOT NULL, status_id integer NOT NULL,
    last_modified_date timestamptz NOT NULL
);
CREATE VIEW tablero_status_changes AS
    SELECT service_id, request_id, opening_date, status_id, last_modified_date FROM historial;
"""

_FILL = """
INSERT INTO historial
SELECT 'SRV-' || lpad((request %% 25)::text, 3, '0'),
       {request_id},
       opened,
       (ARRAY[9, 2, 3, 7])[step + 1],
       opened + step * interval '29 hours 13 minutes' + (request %% 977) * interval '1 second'
  FROM (SELECT request, timestamptz '2020-01-01 12:00:00Z' + request * (interval '2480 days' / %(requests)s) AS opened
          FROM generate_series(0, %(requests)s - 1) AS request) AS requests,
       generate_series(0, %(steps)s - 1) AS step
 ORDER BY 5;
"""

_INDEX = "CREATE INDEX historial_changed ON historial (last_modified_date)"


#: Ids of requests: numbers that count up, or UUIDs, which compress least.
IDS = {
    "numbered": "'SOL-' || to_char(opened, 'YYYY') || '-' || lpad(request::text, 8, '0')",
    "uuid": "CAST(CAST(md5(request::text) AS uuid) AS text)",
}


def fill(url: str, rows: int, *, ids: str = "numbered") -> int:
    """Create table, view and ``rows`` status changes in an empty database; returns their number.

    :param ids: a key of :data:`IDS`.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_SCHEMA)
        filled = _FILL.format(request_id=IDS[ids])
        connection.execute(filled.encode(), {"requests": rows // CHANGES_OF_A_REQUEST, "steps": CHANGES_OF_A_REQUEST})
        connection.execute(_INDEX)
        connection.execute("VACUUM ANALYZE historial")
        found = connection.execute("SELECT count(*) FROM tablero_status_changes").fetchone()
    return int(found[0]) if found else 0


_FILL_DAY = """
INSERT INTO historial
SELECT 'SRV-' || lpad((request %% 25)::text, 3, '0'), 'SOL-DAY-' || lpad(request::text, 8, '0'), %(day)s::date,
       9, %(day)s::date + interval '15 hours' + request * interval '1 second'
  FROM generate_series(1, %(rows)s) AS request;
"""


def add_day(url: str, day: date, rows: int) -> None:
    """Add ``rows`` status changes of new requests, all on the same day."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_FILL_DAY, {"day": day, "rows": rows})
