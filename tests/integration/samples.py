"""Status changes, windows and settings used by the integration tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from functools import partial
from typing import Any

import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.merging import differences
from tablero.contract.packing import pack, row_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, day_window, local_day, month_windows
from tablero.outbox import batches, intake
from tablero.outbox.content import request_hashes, service_of
from tablero.outbox.schema import attempt, batch, batch_content
from tablero.settings import Settings
from tablero.source.reader import Source

ZONE = pendulum.timezone("America/Santo_Domingo")

#: The current time in these tests.
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=timezone.utc)


#: What would end a literal, a statement or a placeholder, and letters of every width.
AWKWARD = r"""it's "so"; -- \' \ %s %(now)s :now $1 {} E'\x41' ñ € 漢 😀"""


def month(label: str) -> Window:
    """A whole month, ``2020-02``."""
    first = date.fromisoformat(f"{label}-01")
    (window,) = month_windows(first, first, ZONE, NOW)
    return window


def day(label: str) -> Window:
    """A whole day, ``2020-02-14``."""
    return day_window(date.fromisoformat(label), ZONE)


FEBRUARY = month("2020-02")


def counted(source: Source, window: Window) -> int:
    """How many rows the source itself counts in a window."""
    found = source.count([window])
    assert found is not None
    return found.of[window]


def clock() -> datetime:
    """Always :data:`NOW`."""
    return NOW


def settings(**changes: Any) -> Settings:
    """Settings for a dashboard without X-Road, unless overridden."""
    return Settings.read({"api_path": "/api/load", **changes})


def change(number: int, *, service: str = "1041", status: int = 2, at: datetime | None = None) -> StatusChange:
    """A status change of request ``R-<number>``, that many minutes into February unless ``at`` is given."""
    return StatusChange(
        service,
        f"R-{number:07d}",
        datetime(2020, 1, 15, tzinfo=timezone.utc),
        status,
        at or FEBRUARY.start + timedelta(minutes=number),
    )


def changes(count: int, first: int = 0) -> list[StatusChange]:
    """``count`` status changes, each of another request, all in February."""
    return [change(number) for number in range(first, first + count)]


def begin(
    engine: Engine, window: Window = FEBRUARY, run_id: str = "run", *, size: int = 1000, by_service: bool = False
) -> intake.Extraction:
    """A reading in progress."""
    packing = partial(pack, size=size, by_service=by_service)
    return intake.begin(engine, window, run_id=run_id, zone=ZONE, packing=packing, now=NOW)


def stage(
    engine: Engine,
    rows: Iterable[StatusChange],
    window: Window = FEBRUARY,
    *,
    size: int = 1000,
    by_service: bool = False,
    run_id: str = "run",
) -> int:
    """Stage rows as a complete reading of ``window``; returns the number of new rows."""
    rows = sorted(rows, key=row_order)
    extraction = begin(engine, window, run_id, size=size, by_service=by_service)
    pieces = list(differences(rows, extraction.record))
    fresh = [row for piece in pieces for row in piece.new]
    for piece in pieces:
        if piece.gone:
            extraction.withdraw(piece.gone)
    new = extraction.stage(list(pack(fresh, size, by_service=by_service))).new if fresh else 0
    finish(extraction, valid=len(rows), new=new)
    return new


def finish(extraction: intake.Extraction, *, valid: int, new: int, **counts: Any) -> None:
    """Finish a reading that found only valid rows, unless ``counts`` is given."""
    extraction.finish(
        **{
            "read": valid,
            "new": new,
            "known": valid - new,
            "duplicates": 0,
            "excluded": 0,
            "rejected": {},
            "now": NOW,
            **counts,
        }
    )


def contents(engine: Engine) -> list[tuple[Any, list[StatusChange]]]:
    """Every batch that was not split, with its rows."""
    with engine.connect() as connection:
        found = list(connection.execute(sa.select(batch).where(batch.c.state != "split").order_by(batch.c.id)))
        rows = batches.rows_of(connection, [row.id for row in found])
    return [(row, rows[row.id]) for row in found]


def staged(engine: Engine) -> set[StatusChange]:
    """Every row in the outbox."""
    return {change for _, rows in contents(engine) for change in rows}


def rows_in(engine: Engine, state: str) -> set[StatusChange]:
    """The rows whose batch is in this state."""
    return {change for row, rows in contents(engine) for change in rows if row.state == state}


def states(engine: Engine) -> dict[str, int]:
    """Rows by the state of their batch."""
    counts: Counter[str] = Counter()
    for row, rows in contents(engine):
        counts[row.state] += len(rows)
    return dict(counts)


def attempts(engine: Engine) -> list[Any]:
    """All attempts, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(attempt).order_by(attempt.c.id)))


def all_batches(engine: Engine) -> list[Any]:
    """All batches, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(batch).order_by(batch.c.id)))


def check_books(engine: Engine) -> None:
    """Check the invariants that hold in an outbox between any two transactions."""
    found = contents(engine)
    with engine.connect() as connection:
        hashes = {row.batch_id: row.requests for row in connection.execute(sa.select(batch_content))}
    on_record = Counter(change for row, rows in found for change in rows if row.state != "withdrawn")
    assert max(on_record.values(), default=1) == 1, "a row stands in two batches"
    everything = all_batches(engine)
    ids = {row.id for row in everything}
    for row in everything:
        if row.state == "split":
            assert (row.rows, row.days, row.id in hashes) == (0, None, False), f"batch {row.id} was cut, and still has rows"
    for row, rows in found:
        instants = [change.last_modified_date for change in rows]
        assert row.rows == len(rows) > 0, f"batch {row.id} says {row.rows} rows and has {len(rows)}"
        assert rows == sorted(rows, key=row_order)
        assert row.days == _by_day(instants), f"batch {row.id}: counts by day"
        assert row.state in ("pending", "delivered", "refused", "withdrawn")
        assert row.state != "refused" or row.rows == 1
        assert (row.settled_at is not None) == (row.state != "pending"), f"batch {row.id}: {row.state}"
        assert (row.first_change, row.last_change) == (min(instants), max(instants))
        assert row.place <= row.first_change
        assert (row.first_request, row.last_request) == (rows[0].request_id, rows[-1].request_id)
        assert (hashes[row.id], row.service_id) == (request_hashes(rows), service_of(rows))
        assert row.after_id is None or row.after_id in ids


def _by_day(instants: Iterable[datetime]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for instant in instants:
        day = local_day(instant, ZONE).isoformat()
        counts[day] = counts.get(day, 0) + 1
    return counts
