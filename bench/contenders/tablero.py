"""This package, with the parallelism of ``historical_load``: two months at a time, four batches in flight each; outbox in
PostgreSQL. Each process loads all its months at once, without Airflow's overhead per task (:mod:`bench.in_airflow`).

Every row is validated, stored durably and deduplicated; every attempt and acknowledgement is on disk before the next.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from datetime import date, datetime, timezone
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

import sqlalchemy as sa
from tablero.contract.windows import Window, day_window, month_windows
from tablero.dashboard.client import Dashboard
from tablero.delivery.loading import load
from tablero.delivery.run import Run
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.source.reader import Source

from bench.measure import IN_FLIGHT, arguments, cpu, peak, say

_PROCESSES = 2


def clock() -> datetime:
    """The current time."""
    return datetime.now(timezone.utc)


def settings(path: str) -> Settings:
    """The default settings, with the sink's path."""
    return Settings.read({"api_path": path, "concurrency": str(IN_FLIGHT // _PROCESSES)})


def plan(chosen: Settings, day: date | None) -> list[list[Window]]:
    """The windows of each process: half of the months, or one day."""
    if day is not None:
        return [[day_window(day, chosen.timezone)]]
    months = month_windows(date(2020, 1, 1), clock().date(), chosen.timezone, clock())
    # The last two months have few rows: one month more for the second half, so that neither process waits long for the other.
    half = len(months) // _PROCESSES
    return [months[:half], months[half:]]


def work(source_url: str, outbox_url: str, path: str, windows: list[Window], start: Barrier) -> tuple[int, float, float]:
    """Load ``windows``; returns rows delivered, CPU seconds, memory above idle in MiB."""
    chosen = settings(path)
    outbox = connect(outbox_url)
    source = Source(
        sa.create_engine(source_url.replace("postgresql:", "postgresql+psycopg:")),
        table=chosen.source_table,
        sql=None,
        zone=chosen.source_zone,
        day_zone=chosen.timezone,
    )
    dashboard = Dashboard(chosen, "bench", clock=clock)
    idle, used = peak(), cpu()
    start.wait()
    _, delivery = load(outbox, source, lambda: dashboard, chosen, windows, Run("bench", clock))
    start.wait()
    return delivery.rows, cpu() - used, peak() - idle


def main() -> None:
    """Run the processes, and print their totals."""
    given = arguments(day=date.fromisoformat)
    address = urlsplit(given.sink)
    os.environ["AIRFLOW_CONN_BENCH"] = f"http://{address.netloc}"
    outbox = connect(given.outbox)
    migrate(outbox)
    outbox.dispose()
    shares = plan(settings(address.path), given.day)
    with multiprocessing.Manager() as manager, multiprocessing.get_context("fork").Pool(len(shares)) as pool:
        start = manager.Barrier(len(shares) + 1)
        tasks = [(given.source, given.outbox, address.path, windows, start) for windows in shares]
        results = pool.starmap_async(work, tasks, chunksize=1)
        start.wait()
        began = time.monotonic()
        start.wait()
        seconds = time.monotonic() - began
        found = results.get()
    rows, used, peaks = zip(*found, strict=True)
    say(sum(rows), seconds=seconds, cpu=sum(used), peak=sum(peaks))


if __name__ == "__main__":
    main()
