"""Status changes, windows and settings that the integration tests are about."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pendulum
import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.contract.packing import pack, sort_key, without
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, day_window, local_day, month_windows
from tablero.outbox import intake
from tablero.outbox.schema import attempt, batch, batch_day, status_change
from tablero.settings import Settings

ZONE = pendulum.timezone("America/Santo_Domingo")

#: The instant at which these tests take place.
NOW = datetime(2026, 11, 24, 6, 0, tzinfo=timezone.utc)


def month(label: str) -> Window:
    """A whole month, ``2020-02``."""
    first = date.fromisoformat(f"{label}-01")
    (window,) = month_windows(first, first, ZONE, NOW)
    return window


def day(label: str) -> Window:
    """A whole day, ``2020-02-14``."""
    return day_window(date.fromisoformat(label), ZONE)


FEBRUARY = month("2020-02")


def clock() -> datetime:
    """Always :data:`NOW`."""
    return NOW


def settings(**changes: Any) -> Settings:
    """Settings for a dashboard without X-Road, unless told otherwise."""
    return Settings.read({"api_path": "/api/load", **changes})


def change(number: int, *, service: str = "1041", status: int = 2, at: datetime | None = None) -> StatusChange:
    """A status change of request ``R-<number>``, a minute times its number into February unless ``at`` says otherwise."""
    return StatusChange(
        service,
        f"R-{number:07d}",
        datetime(2020, 1, 15, tzinfo=timezone.utc),
        status,
        at or FEBRUARY.start + timedelta(minutes=number),
    )


def changes(count: int, first: int = 0) -> list[StatusChange]:
    """``count`` status changes of as many requests, all in February."""
    return [change(number) for number in range(first, first + count)]


def begin(engine: Engine, window: Window = FEBRUARY, run_id: str = "run") -> intake.Extraction:
    """A reading under way."""
    return intake.begin(engine, window, run_id=run_id, zone=ZONE, now=NOW)


def stage(
    engine: Engine,
    rows: Iterable[StatusChange],
    window: Window = FEBRUARY,
    *,
    size: int = 1000,
    by_service: bool = False,
    run_id: str = "run",
) -> int:
    """Stage rows as a reading of ``window`` that found these and no others; returns how many were new."""
    key = sort_key(by_service)
    rows = sorted(rows, key=key)
    extraction = begin(engine, window, run_id)
    fresh = list(without(rows, extraction.known(by_service=by_service), key, extraction.miss))
    new = extraction.stage(list(pack(fresh, size, by_service=by_service))).new if fresh else 0
    finish(extraction, valid=len(rows), new=new)
    return new


def finish(extraction: intake.Extraction, *, valid: int, new: int, **counts: Any) -> None:
    """End a reading that found only valid rows, unless ``counts`` says otherwise."""
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


def staged(engine: Engine) -> set[StatusChange]:
    """Every row in the outbox."""
    with engine.connect() as connection:
        return {StatusChange(**row) for row in connection.execute(_ALL_ROWS).mappings()}


def rows_in(engine: Engine, state: str) -> set[StatusChange]:
    """The rows whose batch is in this state."""
    query = _ALL_ROWS.join(batch, batch.c.id == status_change.c.batch_id).where(batch.c.state == state)
    with engine.connect() as connection:
        return {StatusChange(**row) for row in connection.execute(query).mappings()}


def states(engine: Engine) -> dict[str, int]:
    """Rows by the state of their batch."""
    query = (
        sa.select(batch.c.state, sa.func.count().label("rows"))
        .join(status_change, status_change.c.batch_id == batch.c.id)
        .group_by(batch.c.state)
    )
    with engine.connect() as connection:
        return {row.state: row.rows for row in connection.execute(query)}


def attempts(engine: Engine) -> list[Any]:
    """All attempts, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(attempt).order_by(attempt.c.id)))


def all_batches(engine: Engine) -> list[Any]:
    """All batches, oldest first."""
    with engine.connect() as connection:
        return list(connection.execute(sa.select(batch).order_by(batch.c.id)))


def check_books(engine: Engine) -> None:
    """Everything that must hold in an outbox at any moment between two transactions."""
    with engine.connect() as connection:
        found = {row.id: row for row in connection.execute(sa.select(batch))}
        contents: dict[int, list[datetime]] = {identity: [] for identity in found}
        for row in connection.execute(sa.select(status_change.c.batch_id, status_change.c.last_modified_date)):
            contents[row.batch_id].append(row.last_modified_date)
        days: dict[int, dict[date, int]] = {identity: {} for identity in found}
        for row in connection.execute(sa.select(batch_day)):
            days[row.batch_id][row.day] = row.rows
    for identity, row in found.items():
        instants = contents[identity]
        assert row.rows == len(instants), f"batch {identity} says {row.rows} rows and has {len(instants)}"
        assert days[identity] == _by_day(instants), f"batch {identity}: counts by day"
        assert row.state in ("pending", "delivered", "refused", "withdrawn", "split")
        assert (row.state == "split") == (not instants), f"batch {identity} is {row.state} with {len(instants)} rows"
        assert row.state not in ("refused", "withdrawn") or row.rows == 1
        assert (row.settled_at is not None) == (row.state in ("delivered", "refused", "withdrawn")), (
            f"batch {identity}: {row.state}"
        )
        if instants:
            assert row.first_change <= min(instants)
            assert max(instants) <= row.last_change
        if row.after_id is not None:
            assert row.after_id in found


def _by_day(instants: Iterable[datetime]) -> dict[date, int]:
    counts: dict[date, int] = {}
    for instant in instants:
        counts[local_day(instant, ZONE)] = counts.get(local_day(instant, ZONE), 0) + 1
    return counts


_ALL_ROWS = sa.select(*(status_change.c[name] for name in StatusChange._fields))
