"""What is pending."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window, joined
from tablero.outbox import batches
from tablero.outbox.batches import touching, within
from tablero.outbox.engine import now_of, reading
from tablero.outbox.queue.order import first_in_line
from tablero.outbox.schema import attempt, batch


class Backlog(NamedTuple):
    """What is pending in some windows.

    :ivar batches: number of batches.
    :ivar rows: number of rows in them.
    :ivar wait: seconds until the last lease ends; ``None`` if no worker holds one.
    :ivar waiting: batches that wait for earlier changes of the same request.
    """

    batches: int
    rows: int
    wait: float | None
    waiting: int


def backlog(engine: Engine, windows: Collection[Window], *, now: datetime | None = None) -> Backlog:
    """What is pending in batches that touch one of ``windows``."""
    with reading(engine) as connection:
        at = now or now_of(connection)
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
            sa.func.max(sa.case((batch.c.claimed_until > at, batch.c.claimed_until)), type_=batch.c.claimed_until.type),
            sa.func.count().filter(~first_in_line()),
        ).where(pending_in(windows))
        count, rows, leased_until, waiting = connection.execute(query).one()
    wait = (leased_until - at).total_seconds() if leased_until else None
    return Backlog(int(count), int(rows), wait, int(waiting))


def ever_delivered(engine: Engine) -> bool:
    """Whether the dashboard has ever accepted anything; what a person has adopted says nothing about it."""
    accepted = sa.select(batch.c.id).where(batch.c.state == "delivered", batch.c.settled_how.is_distinct_from("adopted"))
    with reading(engine) as connection:
        return connection.scalar(accepted.limit(1)) is not None


def pending_in(windows: Collection[Window]) -> sa.ColumnElement[bool]:
    """A condition: the batch is pending and touches one of ``windows``."""
    # A literal instead of a bound value: SQLite uses the partial index of pending batches only for a literal.
    return sa.and_(sa.text("batch.state = 'pending'"), sa.or_(sa.false(), *map(touching, joined(windows))))


class Waiting(NamedTuple):
    """What is pending in a window.

    :ivar batches: that will be posted, those that reach beyond the window included.
    :ivar doubtful: rows that were posted before without a known outcome: the dashboard may have them, and gets them again.
    """

    batches: int
    doubtful: int


def waiting(connection: Connection, window: Window) -> Waiting:
    """What a load of ``window`` would post that was staged before."""
    under_way = sa.exists().where(attempt.c.batch_id == batch.c.id, attempt.c.outcome.is_(None))
    query = sa.select(
        batch.c.id,
        batch.c.rows,
        batch.c.first_change,
        batch.c.last_change,
        sa.or_(batch.c.ever_unknown, under_way).label("doubt"),
    ).where(touching(window), batch.c.state == "pending")
    found = connection.execute(query).all()
    doubtful = [row for row in found if row.doubt]
    whole = sum(row.rows for row in doubtful if batches.is_inside(row, window))
    straddling = [row.id for row in doubtful if not batches.is_inside(row, window)]
    parts = batches.rows_of(connection, straddling).values() if straddling else ()
    return Waiting(len(found), whole + sum(len(within(window, rows)) for rows in parts))
