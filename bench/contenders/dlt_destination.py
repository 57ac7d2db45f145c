"""dlt with a custom destination: it extracts the view into files, normalizes them, and posts several at once.

Runs in its own environment (``requirements-dlt.txt``).
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any

import dlt
import requests
from dlt.sources.sql_database import sql_table

from bench.measure import BATCH, IN_FLIGHT, arguments, measured

#: Rows per file; otherwise dlt would create one file, and post one call at a time.
_ROWS_OF_A_FILE = 10 * BATCH


def send(source: str, sink: str, folder: str) -> int:
    """Send every row; returns how many its destination received."""
    local = threading.local()
    lock = threading.Lock()
    sent = 0

    @dlt.destination(batch_size=BATCH, name="sink", max_parallel_load_jobs=IN_FLIGHT)
    def post(items: list[dict[str, Any]], table: Any) -> None:
        nonlocal sent
        if not hasattr(local, "session"):
            local.session = requests.Session()
        for item in items:
            for name in ("opening_date", "last_modified_date"):
                item[name] = item[name].isoformat()
        local.session.post(sink, json={"requests": items}, timeout=30).raise_for_status()
        with lock:
            sent += len(items)

    pipeline = dlt.pipeline("bench", destination=post, pipelines_dir=folder)
    rows = sql_table(
        source.replace("postgresql:", "postgresql+psycopg2:"), "tablero_status_changes", chunk_size=_ROWS_OF_A_FILE
    )
    pipeline.run(rows)
    return sent


if __name__ == "__main__":
    os.environ["NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS"] = str(_ROWS_OF_A_FILE)
    os.environ["EXTRACT__DATA_WRITER__FILE_MAX_ITEMS"] = str(_ROWS_OF_A_FILE)
    os.environ["LOAD__WORKERS"] = str(IN_FLIGHT)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    given = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        measured(lambda: send(given.source, given.sink, temporary))
