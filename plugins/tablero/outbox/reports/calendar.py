"""Queries about time: which intervals were read, which are unsettled, and when each month was last proved."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import batch, batch_day, degradation, extraction, reconciliation


class Proved(NamedTuple):
    """The last proof of a month, or of as much of it as there was at that time.

    :ivar month_start: its first instant.
    :ivar counted_at: when it was proved.
    :ivar settled: the result.
    """

    month_start: datetime
    counted_at: datetime
    settled: bool


Stretch = tuple[datetime, datetime]


def stretches_read(connection: Connection) -> list[Stretch]:
    """The intervals that were read to their end: disjoint, half-open, ascending."""
    edges = (extraction.c.window_start, extraction.c.window_end)
    query = sa.select(*edges).where(extraction.c.finished_at.is_not(None), extraction.c.kind.in_(("day", "month"))).distinct()
    joined: list[Stretch] = []
    for start, end in connection.execute(query.order_by(*edges)):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def stretches_unsettled(connection: Connection) -> list[Stretch]:
    """Windows whose last proof found them unsettled, unless a later proof of a window that contains them found it settled."""
    later = reconciliation.alias("later")
    same = reconciliation.alias("same")
    settled_since = sa.exists().where(
        later.c.id > reconciliation.c.id,
        later.c.window_start <= reconciliation.c.window_start,
        later.c.window_end >= reconciliation.c.window_end,
        later.c.settled,
    )
    newer = sa.exists().where(
        same.c.id > reconciliation.c.id,
        same.c.window_start == reconciliation.c.window_start,
        same.c.window_end == reconciliation.c.window_end,
    )
    query = (
        sa.select(reconciliation.c.window_start, reconciliation.c.window_end)
        .where(~reconciliation.c.settled, reconciliation.c.kind.in_(("day", "month")), ~settled_since, ~newer)
        .order_by(reconciliation.c.window_start)
    )
    return [(start, end) for start, end in connection.execute(query)]


def proved_months(connection: Connection) -> list[Proved]:
    """The last proof of each month that was ever proved as a month, ascending."""
    newest = (
        sa.select(sa.func.max(reconciliation.c.id))
        .where(reconciliation.c.kind == "month")
        .group_by(reconciliation.c.window_start)
    )
    columns = (reconciliation.c.window_start, reconciliation.c.counted_at, reconciliation.c.settled)
    query = sa.select(*columns).where(reconciliation.c.id.in_(newest)).order_by(reconciliation.c.window_start)
    return [Proved._make(row) for row in connection.execute(query)]


def rows_on(connection: Connection, days: Collection[date]) -> dict[date, int]:
    """The valid rows of each of these civil days in any state; 0 for a day without rows."""
    query = (
        sa.select(batch_day.c.day, sa.func.sum(batch_day.c.rows))
        .join(batch, batch.c.id == batch_day.c.batch_id)
        .where(batch_day.c.day.in_(list(days)), batch.c.state.in_(("pending", "delivered", "refused")))
        .group_by(batch_day.c.day)
    )
    counts = {day: int(rows) for day, rows in connection.execute(query)}
    return {day: counts.get(day, 0) for day in days}


def days_with(connection: Connection, causes: Collection[str]) -> set[date]:
    """The days for which a run stored a degradation with one of these causes."""
    query = sa.select(degradation.c.label).where(degradation.c.cause.in_(list(causes))).distinct()
    return {date.fromisoformat(label) for label in connection.scalars(query) if len(label) == len("YYYY-MM-DD")}
