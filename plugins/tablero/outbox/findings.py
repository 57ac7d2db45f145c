"""What runs found out and want remembered, beyond the rows themselves: windows that are not as usual, results of dry runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.outbox.engine import writing
from tablero.outbox.schema import degradation, dry_run


class Degradation(NamedTuple):
    """Something in a window that is not as usual.

    :ivar cause: a name of :class:`tablero.delivery.degraded.Cause`.
    :ivar label: of the window.
    :ivar rows: how many rows it is about.
    :ivar of_rows: what they are compared with: all that were read, or what is usual.
    """

    cause: str
    label: str
    window_start: datetime
    window_end: datetime
    rows: int
    of_rows: int

    @classmethod
    def of(cls, cause: str, window: Window, rows: int, of_rows: int) -> Degradation:
        """In this window."""
        return cls(cause, window.label, window.start, window.end, rows, of_rows)


class DryRun(NamedTuple):
    """What a dry run found of a window.

    :ivar result: its counts, samples and forecast, as JSON; see :mod:`tablero.delivery.dry_run`.
    """

    run_id: str
    done_at: datetime
    label: str
    window_start: datetime
    window_end: datetime
    result: dict[str, Any]


def keep_degradations(engine: Engine, dag_id: str, run_id: str, found: Iterable[Degradation], *, now: datetime) -> None:
    """Remember what a run found; what an earlier try of it found is forgotten."""
    values = [{"dag_id": dag_id, "run_id": run_id, "found_at": now, **one._asdict()} for one in found]
    with writing(engine) as connection:
        connection.execute(sa.delete(degradation).where(degradation.c.dag_id == dag_id, degradation.c.run_id == run_id))
        if values:
            connection.execute(sa.insert(degradation), values)


def degradations_of(connection: Connection, dag_id: str, run_id: str) -> list[Degradation]:
    """What a run found, in the order in which it did."""
    query = sa.select(*(degradation.c[name] for name in Degradation._fields)).where(
        degradation.c.dag_id == dag_id, degradation.c.run_id == run_id
    )
    return [Degradation._make(row) for row in connection.execute(query.order_by(degradation.c.id))]


def keep_dry_run(engine: Engine, dag_id: str, run_id: str, window: Window, result: dict[str, Any], *, now: datetime) -> None:
    """Remember what a dry run found of a window, instead of what an earlier try of it did."""
    same = sa.and_(dry_run.c.run_id == run_id, dry_run.c.window_start == window.start, dry_run.c.window_end == window.end)
    with writing(engine) as connection:
        connection.execute(sa.delete(dry_run).where(same))
        connection.execute(
            sa.insert(dry_run).values(
                dag_id=dag_id,
                run_id=run_id,
                done_at=now,
                label=window.label,
                window_start=window.start,
                window_end=window.end,
                result=result,
            )
        )


def dry_run_of(connection: Connection, run_id: str) -> Sequence[DryRun]:
    """All windows of a dry run, in order of time."""
    query = sa.select(*(dry_run.c[name] for name in DryRun._fields)).where(dry_run.c.run_id == run_id)
    return [DryRun._make(row) for row in connection.execute(query.order_by(dry_run.c.window_start, dry_run.c.id))]
