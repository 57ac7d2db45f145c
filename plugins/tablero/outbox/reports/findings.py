"""Queries about degradations and dry runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.windows import Window
from tablero.outbox.findings import Degradation, DryRun, dry_run_of
from tablero.outbox.reports.snapshot import as_table
from tablero.outbox.schema import degradation, dry_run

#: Causes that concern the number of rows of a day.
LOW_VOLUME = ("no_rows", "few_rows")

#: Causes that are judged anew by current counts.
_COUNTED = ("rejected", "all_rejected")


class Found(NamedTuple):
    """A degradation and the run that found it.

    :ivar what: cause, window and numbers.
    """

    dag_id: str
    run_id: str
    found_at: datetime
    what: Degradation


class DryRunDone(NamedTuple):
    """A dry run on record.

    :ivar windows: number of windows it covered.
    """

    dag_id: str
    run_id: str
    done_at: datetime
    windows: int


_FOUND = [
    degradation.c.dag_id,
    degradation.c.run_id,
    degradation.c.found_at,
    *(degradation.c[name] for name in Degradation._fields),
]


def last_found(connection: Connection, *, since: datetime, limit: int) -> list[Found]:
    """Degradations found since an instant, newest first."""
    query = sa.select(*_FOUND).where(degradation.c.found_at >= since).order_by(degradation.c.id.desc()).limit(limit)
    return [_to_found(row) for row in connection.execute(query)]


def found_in(connection: Connection, window: Window, *, limit: int) -> list[Found]:
    """Degradations of exactly this window, newest first."""
    query = (
        sa.select(*_FOUND)
        .where(degradation.c.window_start == window.start, degradation.c.label == window.label)
        .order_by(degradation.c.id.desc())
        .limit(limit)
    )
    return [_to_found(row) for row in connection.execute(query)]


def degraded_days(connection: Connection, days: Iterable[Window]) -> dict[str, list[Degradation]]:
    """The degradations of each of these days that has any, by label; each cause once, the latest. Shares of rejected rows are
    left out: they are counted anew.
    """
    day = as_table(connection, days)
    query = (
        sa.select(*(degradation.c[name] for name in Degradation._fields))
        .join(day, day.c.label == degradation.c.label)
        .where(degradation.c.cause.not_in(_COUNTED))
        .order_by(degradation.c.id)
    )
    last: dict[str, dict[str, Degradation]] = {}
    for row in connection.execute(query):
        last.setdefault(row.label, {})[row.cause] = Degradation._make(row)
    return {label: list(causes.values()) for label, causes in last.items()}


def dry_runs(connection: Connection, *, limit: int) -> list[DryRunDone]:
    """The latest dry runs, newest first."""
    done_at = sa.func.max(dry_run.c.done_at, type_=dry_run.c.done_at.type)
    query = (
        sa.select(dry_run.c.dag_id, dry_run.c.run_id, done_at, sa.func.count())
        .group_by(dry_run.c.dag_id, dry_run.c.run_id)
        .order_by(done_at.desc())
        .limit(limit)
    )
    return [DryRunDone._make(row) for row in connection.execute(query)]


def windows_of_dry_run(connection: Connection, run_id: str) -> list[DryRun]:
    """The results of a dry run for each window."""
    return list(dry_run_of(connection, run_id))


def _to_found(row: Any) -> Found:
    return Found(row.dag_id, row.run_id, row.found_at, Degradation(*row[3:]))
