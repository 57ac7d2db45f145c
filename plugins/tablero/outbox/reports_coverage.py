"""Questions about coverage: how many rows of each day are where, who read which window, and what was proven.

Counts come from ``batch_day`` and ``batch``, of which there is one row for hundreds of status changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.database import Instant
from tablero.outbox.reports import Proof, Reading, Rows
from tablero.outbox.schema import batch, batch_day, extraction, reconciliation, rejection
from tablero.windows import Window


def rows_by_day(connection: Connection) -> dict[date, Rows]:
    """The staged rows of each civil day that has any."""
    total = sa.func.sum(batch_day.c.rows)
    query = (
        sa.select(batch_day.c.day, batch.c.state, total)
        .join(batch, batch.c.id == batch_day.c.batch_id)
        .group_by(batch_day.c.day, batch.c.state)
    )
    found: dict[date, dict[str, int]] = {}
    for day, state, rows in connection.execute(query):
        found.setdefault(day, {})[state] = int(rows)
    return {day: Rows(*(states.get(state, 0) for state in Rows._fields)) for day, states in found.items()}


def days_on_their_way(connection: Connection, now: datetime) -> set[date]:
    """The days of which a batch is being posted."""
    query = (
        sa.select(batch_day.c.day)
        .join(batch, batch.c.id == batch_day.c.batch_id)
        .where(sa.text("batch.state = 'pending'"), batch.c.claimed_until > now)
        .distinct()
    )
    return set(connection.scalars(query))


def last_readings(connection: Connection) -> list[Reading]:
    """The last finished reading of each window, in order of time."""
    newest = (
        sa.select(sa.func.max(extraction.c.id))
        .where(extraction.c.finished_at.is_not(None))
        .group_by(extraction.c.window_start, extraction.c.window_end)
    )
    query = sa.select(extraction).where(extraction.c.id.in_(newest)).order_by(extraction.c.window_start, extraction.c.id)
    return [Reading.of(row) for row in connection.execute(query)]


def unfinished_readings(connection: Connection, run_ids: Iterable[str]) -> list[Reading]:
    """The readings of these runs that have not come to their end."""
    query = sa.select(extraction).where(extraction.c.finished_at.is_(None), extraction.c.run_id.in_(list(run_ids)))
    return [Reading.of(row) for row in connection.execute(query)]


def last_proofs(connection: Connection) -> list[Proof]:
    """The last reconciliation of each window, in order of time."""
    newest = sa.select(sa.func.max(reconciliation.c.id)).group_by(reconciliation.c.window_start, reconciliation.c.window_end)
    query = (
        sa.select(reconciliation)
        .where(reconciliation.c.id.in_(newest))
        .order_by(reconciliation.c.window_start, reconciliation.c.id)
    )
    return [Proof.of(row) for row in connection.execute(query)]


def with_rejections(connection: Connection, windows: Iterable[Window]) -> set[str]:
    """The labels of those windows in which some row breaks the contract and was not mended yet.

    Looks whether there is one; does not count them.
    """
    chosen = [(window.label, window.start, window.end) for window in windows]
    if not chosen:
        return set()
    window = sa.values(
        sa.column("label", sa.String), sa.column("first", Instant), sa.column("after", Instant), name="looked_at"
    ).data(chosen)
    some = (
        sa.exists()
        .where(~rejection.c.resolved)
        .where(rejection.c.changed_at >= window.c.first)
        .where(rejection.c.changed_at < window.c.after)
    )
    return set(connection.scalars(sa.select(window.c.label).where(some)))
