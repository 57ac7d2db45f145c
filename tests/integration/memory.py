"""The memory that a month of any length takes; run in a separate process by ``test_memory.py``.

``python -m tests.integration.memory make|load FOLDER ROWS``. ``load`` prints JSON: resident MiB when idle, at its highest, and
what was staged and sent.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pendulum
import sqlalchemy as sa
from tablero.contract.windows import Window, month_windows
from tablero.dashboard.answer import Answer, Outcome
from tablero.delivery.run import Run
from tablero.delivery.sending import send
from tablero.delivery.staging import stage
from tablero.outbox import ledger
from tablero.outbox.engine import connect
from tablero.outbox.upgrade import migrate
from tablero.settings import Settings
from tablero.source.reader import Source

ZONE = pendulum.timezone("America/Santo_Domingo")
NOW = datetime(2026, 11, 24, 6, tzinfo=timezone.utc)
SETTINGS = Settings.read({"api_path": "/api/load"})


class Nowhere:
    """A dashboard that acknowledges at once."""

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        return Answer(Outcome.DELIVERED, status=201)


def make(folder: Path, rows: int) -> None:
    """A source with this many changes in February 2020, not in posting order."""
    with closing(sqlite3.connect(folder / "source.db")) as connection:
        connection.execute("pragma journal_mode = off")
        connection.execute(
            "create table tablero_status_changes (service_id, request_id, opening_date, status_id, last_modified_date)"
        )
        connection.execute(
            """
            insert into tablero_status_changes
            with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < ?)
            select 1041 + i % 7, 'LCM-2020-' || ((i * 7919) % ?) / 3, '2020-01-15 10:00:00', 1 + i % 21,
                   datetime('2020-02-01', '+' || (i % 2500000) || ' seconds')
              from n
            """,
            (rows, rows),
        )
        connection.commit()


def load(folder: Path, window: Window) -> dict[str, float]:
    """Stage and send it."""
    outbox = connect(f"sqlite:///{folder}/outbox.db")
    migrate(outbox)
    source = Source(
        sa.create_engine(f"sqlite:///{folder}/source.db"), table="tablero_status_changes", sql=None, zone=ZONE, day_zone=ZONE
    )
    source.check()
    idle = status("VmRSS")
    began = time.monotonic()
    tally = stage(outbox, source, SETTINGS, window, Run("run", lambda: NOW))
    staged = time.monotonic()
    delivery = send(outbox, Nowhere, SETTINGS, [window], Run("run", lambda: NOW))
    sent = time.monotonic()
    account = ledger.account(outbox, window)
    return {
        "idle": idle,
        "highest": status("VmHWM"),
        "read": tally.read,
        "delivered": delivery.rows,
        "accounted": account.accounted,
        "pending": account.pending,
        "staging_seconds": round(staged - began, 1),
        "sending_seconds": round(sent - staged, 1),
    }


def status(name: str) -> float:
    """MiB, from ``/proc``: the peak of this program alone, whatever process started it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    step, place, count = sys.argv[1:]
    if step == "make":
        make(Path(place), int(count))
    else:
        first = datetime(2020, 2, 1, tzinfo=timezone.utc).date()
        json.dump(load(Path(place), month_windows(first, first, ZONE, NOW)[0]), sys.stdout)
