"""The guide's script, made runnable: a ``while True`` with three blind attempts for each batch.

It stores nothing, checks only the status of an answer, and drops a batch after its third attempt.
"""

from __future__ import annotations

import time

import psycopg
import requests

from bench.measure import BATCH, arguments, measured

_QUERY = """
SELECT service_id, request_id, opening_date, status_id, last_modified_date
  FROM tablero_status_changes ORDER BY last_modified_date
"""
_TRIES = 3


def send(source: str, sink: str) -> int:
    """Send every row."""
    sent = 0
    session = requests.Session()
    # A server-side cursor: the script would keep all rows in memory, which is not what is compared here.
    with psycopg.connect(source) as connection, connection.cursor("guide") as cursor:
        cursor.execute(_QUERY)
        while True:
            rows = cursor.fetchmany(BATCH)
            if not rows:
                return sent
            payload = {
                "requests": [
                    {
                        "service_id": service_id,
                        "request_id": request_id,
                        "opening_date": opening_date.isoformat(),
                        "status_id": status_id,
                        "last_modified_date": last_modified_date.isoformat(),
                    }
                    for service_id, request_id, opening_date, status_id, last_modified_date in rows
                ]
            }
            for attempt in range(_TRIES):
                try:
                    session.post(sink, json=payload, timeout=30).raise_for_status()
                    sent += len(rows)
                    break
                except requests.RequestException:
                    time.sleep(2 ** (attempt + 1))


if __name__ == "__main__":
    given = arguments()
    measured(lambda: send(given.source, given.sink))
