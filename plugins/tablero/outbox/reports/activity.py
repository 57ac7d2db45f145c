"""Queries about activity: the progress of a run, deliveries over time, and response times of the dashboard."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.windows import Window
from tablero.outbox.batches import touching
from tablero.outbox.reports.outcomes import delivered_by
from tablero.outbox.reports.snapshot import as_table
from tablero.outbox.schema import attempt, batch, extraction


class Progress(NamedTuple):
    """The progress of a run.

    :ivar delivered: rows it has delivered.
    :ivar recently: those of them delivered since a given instant.
    :ivar windows_read: windows it has read to their end.
    :ivar rows_new: rows it has staged in them.
    :ivar last_attempt: start of its last POST.
    """

    delivered: int
    recently: int
    windows_read: int
    rows_new: int
    last_attempt: datetime | None


class Call(NamedTuple):
    """A POST that ended.

    :ivar seconds: response time.
    :ivar outcome: value of :class:`tablero.dashboard.answer.Outcome`.
    """

    started_at: datetime
    seconds: float
    outcome: str


def progress_of(connection: Connection, run_id: str, *, since: datetime) -> Progress:
    """The progress of a run, and how much it has delivered since an instant."""
    recently = sa.case((batch.c.settled_at >= since, batch.c.rows), else_=0)
    delivered, late = connection.execute(
        sa.select(sa.func.coalesce(sa.func.sum(batch.c.rows), 0), sa.func.coalesce(sa.func.sum(recently), 0)).where(
            batch.c.id.in_(delivered_by(run_id)), batch.c.state == "delivered"
        )
    ).one()
    windows, new = connection.execute(
        sa.select(
            sa.func.count(sa.distinct(extraction.c.label)), sa.func.coalesce(sa.func.sum(extraction.c.rows_new), 0)
        ).where(extraction.c.run_id == run_id, extraction.c.finished_at.is_not(None))
    ).one()
    last = connection.scalar(sa.select(sa.func.max(attempt.c.started_at)).where(attempt.c.run_id == run_id))
    return Progress(int(delivered), int(late), int(windows), int(new), last)


def delivered_since(connection: Connection, window: Window, since: datetime) -> int:
    """Rows of the batches with rows in ``window`` that were delivered since an instant."""
    query = sa.select(sa.func.coalesce(sa.func.sum(batch.c.rows), 0)).where(
        batch.c.settled_at >= since, batch.c.state == "delivered", touching(window)
    )
    return int(connection.scalar(query) or 0)


def pending_rows(connection: Connection) -> int:
    """The number of rows staged and not yet acknowledged."""
    query = sa.select(sa.func.coalesce(sa.func.sum(batch.c.rows), 0)).where(sa.text("batch.state = 'pending'"))
    return int(connection.scalar(query) or 0)


def delivered_in(connection: Connection, windows: Iterable[Window]) -> dict[str, int]:
    """Rows acknowledged within each of these windows (by time of delivery, not of change), by label."""
    window = as_table(connection, windows)
    settled = sa.and_(
        *(batch.c.settled_at >= window.c.first, batch.c.settled_at < window.c.after, batch.c.state == "delivered"),
        batch.c.settled_how.is_distinct_from("adopted"),
    )
    query = (
        sa.select(window.c.label, sa.func.coalesce(sa.func.sum(batch.c.rows), 0))
        .outerjoin(batch, settled)
        .group_by(window.c.label)
    )
    return {label: int(rows) for label, rows in connection.execute(query)}


def last_calls(connection: Connection, *, limit: int) -> list[Call]:
    """The last POSTs that ended, oldest first."""
    query = (
        sa.select(attempt.c.started_at, attempt.c.seconds, attempt.c.outcome)
        .where(attempt.c.seconds.is_not(None))
        .order_by(attempt.c.id.desc())
        .limit(limit)
    )
    return [Call._make(row) for row in reversed(connection.execute(query).all())]
