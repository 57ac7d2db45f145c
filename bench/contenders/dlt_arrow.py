"""dlt at its fastest: ConnectorX reads the view as Arrow, which goes through Parquet files without being normalized row by
row; the custom destination posts several at once, and writes JSON with orjson, a dependency of dlt.

Runs in its own environment (``requirements-dlt.txt``).
"""

from __future__ import annotations

import os
import tempfile
import threading
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import dlt
import orjson
import requests
from dlt.sources.sql_database import sql_table

from bench.measure import BATCH, IN_FLIGHT, arguments, measured

#: Rows per file: few enough that there are files for all calls in flight.
_ROWS_OF_A_FILE = 20 * BATCH


def _for_connectorx(source: str) -> str:
    """The URL of the source with its socket's folder as the host, where ConnectorX expects it."""
    address = urlsplit(source)
    folder = parse_qs(address.query).get("host", [""])[0]
    return f"postgresql://{address.username}@{quote(folder, safe='') or address.netloc}{address.path}"


def send(source: str, sink: str, folder: str) -> int:
    """Send every row; returns how many its destination received."""
    local = threading.local()
    lock = threading.Lock()
    sent = 0

    @dlt.destination(batch_size=BATCH, name="sink", loader_file_format="parquet", max_parallel_load_jobs=IN_FLIGHT)
    def post(batch: Any, table: Any) -> None:
        nonlocal sent
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.headers["Content-Type"] = "application/json"
        body = orjson.dumps({"requests": batch.to_pylist()}, option=orjson.OPT_UTC_Z)
        local.session.post(sink, data=body, timeout=30).raise_for_status()
        with lock:
            sent += batch.num_rows

    pipeline = dlt.pipeline("bench", destination=post, pipelines_dir=folder)
    rows = sql_table(
        source.replace("postgresql:", "postgresql+psycopg2:"),  # for reading the columns
        "tablero_status_changes",
        backend="connectorx",
        chunk_size=_ROWS_OF_A_FILE,
        backend_kwargs={"conn": _for_connectorx(source), "return_type": "arrow_stream"},
    )
    pipeline.run(rows)
    return sent


if __name__ == "__main__":
    os.environ["NORMALIZE__DATA_WRITER__FILE_MAX_ITEMS"] = str(_ROWS_OF_A_FILE)
    os.environ["EXTRACT__DATA_WRITER__FILE_MAX_ITEMS"] = str(_ROWS_OF_A_FILE)
    os.environ["EXTRACT__DATA_WRITER__BUFFER_MAX_ITEMS"] = str(_ROWS_OF_A_FILE)
    os.environ["LOAD__WORKERS"] = str(IN_FLIGHT)
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    given = arguments()
    with tempfile.TemporaryDirectory() as temporary:
        measured(lambda: send(given.source, given.sink, temporary))
