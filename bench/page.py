"""What the page takes with years on record: ``python -m bench.page [--rows N] [--sqlite] [--outbox URL]``.

It is requested from Airflow's own application, in this process; the browser and the network are not measured.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from sqlalchemy.engine import Engine

#: When the pages are requested.
NOW = datetime(2026, 11, 24, 4, 0, tzinfo=timezone.utc)

PATHS = (
    "",
    "live",
    "window/2026-10",
    "window/2026-10-07",
    "batch/500",
    "batches?show=unknown",
    "request?id=REQ-000500000",
    "rejections",
    "rejections?reason=unknown_status",
    "rejections?reason=unknown_status&service=1041&month=2022-03",
    "rejections?reason=refused_by_dashboard",
    "activity",
    "evidence",
    "status.json",
    "evidence/2025-03",
)


def measure(browser: Any, path: str, tries: int) -> str:
    """Request a page several times; returns a line about it.

    :raises SystemExit: if it answers with an error.
    """
    from tests.web.application import sealed

    seconds, used = [], time.process_time()
    for _ in range(tries):
        began = time.perf_counter()
        status = browser.get(sealed(f"/tablero/{path}")).status_code
        seconds.append(time.perf_counter() - began)
        if status != 200:
            raise SystemExit(f"/{path}: {status}")
    used = (time.process_time() - used) / tries
    figures = {"best": min(seconds), "median": median(seconds), "first": seconds[0], "CPU of the page": used}
    return f"/{path}: " + ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in figures.items())


@contextmanager
def _outbox(url: str | None, rows: int, *, sqlite: bool) -> Iterator[Engine]:
    from tablero.outbox.engine import connect
    from tablero.outbox.upgrade import migrate

    from tests.postgres import PostgresServer
    from tests.web.volume import fill

    def filled(address: Any) -> Engine:
        engine = connect(address)
        migrate(engine)
        fill(engine, rows=rows, now=NOW)
        return engine

    if url is not None:
        yield connect(url)
    elif sqlite:
        with tempfile.TemporaryDirectory(prefix="tablero-bench-") as folder:
            yield filled(f"sqlite:///{folder}/outbox.db")
    else:
        with PostgresServer() as server:
            yield filled(server.database())


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="bench.page")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--sqlite", action="store_true", help="the outbox is an SQLite file")
    parser.add_argument("--outbox", metavar="URL", help="an outbox that was filled before")
    parser.add_argument("--tries", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tablero-bench-") as home:
        os.environ["AIRFLOW_HOME"] = home  # before Airflow is imported
        Path(home).chmod(0o755)
        from tests.web.application import Site, browser_of, mount_page, prepare_airflow

        with _outbox(given.outbox, given.rows, sqlite=given.sqlite) as engine:
            prepare_airflow()
            site = Site()
            site.engine, site.now = engine, NOW
            browser = browser_of(mount_page(site), "vera")
            for path in PATHS:
                print(measure(browser, path, given.tries), flush=True)
            engine.dispose()


if __name__ == "__main__":
    main()
