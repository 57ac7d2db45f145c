"""What an Airflow user would write first: a loop over the rows of a hook's cursor, and ``HttpHook.run`` for each batch."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

import psycopg
from airflow.providers.http.hooks.http import HttpHook

from bench.measure import BATCH, arguments, measured

_QUERY = """
SELECT service_id, request_id, opening_date, status_id, last_modified_date
  FROM tablero_status_changes ORDER BY last_modified_date
"""


def send(source: str, hook: HttpHook, endpoint: str) -> int:
    """Send every row."""
    sent = 0
    with psycopg.connect(source) as connection, connection.cursor("hook") as cursor:
        cursor.execute(_QUERY)
        while rows := cursor.fetchmany(BATCH):
            entries = [
                {
                    "service_id": service_id,
                    "request_id": request_id,
                    "opening_date": opening_date.isoformat(),
                    "status_id": status_id,
                    "last_modified_date": last_modified_date.isoformat(),
                }
                for service_id, request_id, opening_date, status_id, last_modified_date in rows
            ]
            hook.run(endpoint, json={"requests": entries})
            sent += len(rows)
    return sent


if __name__ == "__main__":
    given = arguments()
    address = urlsplit(given.sink)
    os.environ["AIRFLOW_CONN_BENCH"] = f"http://{address.netloc}"
    measured(lambda: send(given.source, HttpHook(method="POST", http_conn_id="bench"), address.path))
