"""This package, with the parallelism of ``historical_load``: two months at a time, four batches in flight each; outbox in
PostgreSQL. Each process loads all its months in one go, without Airflow's own time per task (:mod:`bench.in_airflow`).

Every row is validated, made durable and deduplicated; every attempt and acknowledgement is on disk before the next.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from datetime import date, datetime, timezone
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

import sqlalchemy as sa
from tablero.contract.windows import month_windows
from tablero.dashboard.client import Dashboard
from tablero.delivery.loading import load
from tablero.outbox.engine import connect, migrate
from tablero.settings import Settings
from tablero.source.reader import Source

from bench.measure import IN_FLIGHT, arguments, peak

_PROCESSES = 2


def clock() -> datetime:
    """Now."""
    return datetime.now(timezone.utc)


def settings(path: str) -> Settings:
    """The defaults, and the sink's path."""
    return Settings.read({"api_path": path, "concurrency": str(IN_FLIGHT // _PROCESSES)})


def work(source_url: str, outbox_url: str, path: str, turn: int, start: Barrier) -> tuple[int, float]:
    """Load every second month, beginning with the ``turn``-th; returns rows delivered, and memory above idle in MiB."""
    chosen = settings(path)
    windows = month_windows(date(2020, 1, 1), clock().date(), chosen.timezone, clock())[turn::_PROCESSES]
    outbox = connect(outbox_url)
    source = Source(
        sa.create_engine(source_url.replace("postgresql:", "postgresql+psycopg:")),
        table=chosen.source_table,
        sql=None,
        zone=chosen.source_zone,
        day_zone=chosen.timezone,
    )
    dashboard = Dashboard(chosen, "bench", clock=clock)
    idle = peak()
    start.wait()
    _, delivery = load(outbox, source, lambda: dashboard, chosen, windows, run_id="bench", clock=clock)
    start.wait()
    return delivery.rows, peak() - idle


def main() -> None:
    """Run the processes, and say what they took together."""
    given = arguments()
    address = urlsplit(given.sink)
    os.environ["AIRFLOW_CONN_BENCH"] = f"http://{address.netloc}"
    outbox = connect(given.outbox)
    migrate(outbox)
    outbox.dispose()
    with multiprocessing.Manager() as manager, multiprocessing.get_context("fork").Pool(_PROCESSES) as pool:
        start = manager.Barrier(_PROCESSES + 1)
        tasks = [(given.source, given.outbox, address.path, turn, start) for turn in range(_PROCESSES)]
        results = pool.starmap_async(work, tasks, chunksize=1)
        start.wait()
        began = time.monotonic()
        start.wait()
        seconds = time.monotonic() - began
        found = results.get()
    rows, peaks = zip(*found, strict=True)
    print(json.dumps({"rows": sum(rows), "seconds": seconds, "peak": sum(peaks)}))


if __name__ == "__main__":
    main()
