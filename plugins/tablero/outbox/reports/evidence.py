"""Questions for the evidence of a month: what was delivered, row by row and counted.

These look at every row of a month, on purpose: they are asked for a document, not for a glance.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.outbox.schema import attempt, batch, status_change

_FETCH = 5_000


class Acknowledged(NamedTuple):
    """When the rows of a window were acknowledged.

    :ivar batches: how many batches brought them, adopted ones included.
    :ivar adopted: batches that a person said were delivered (``python -m tablero adopt``): no acknowledgement is on record.
    """

    first: datetime | None
    last: datetime | None
    batches: int
    adopted: int


def acknowledged(connection: Connection, window: Window) -> Acknowledged:
    """When the rows of ``window`` were acknowledged. Changes whenever one more is, so it tells documents apart."""
    # An adoption leaves an attempt that was delivered without a call: it has no HTTP status.
    adopted = sa.exists().where(
        attempt.c.batch_id == batch.c.id, attempt.c.outcome == Outcome.DELIVERED.value, attempt.c.http_status.is_(None)
    )
    called = sa.case((~adopted, batch.c.settled_at))
    query = sa.select(
        sa.func.min(called, type_=batch.c.settled_at.type),
        sa.func.max(called, type_=batch.c.settled_at.type),
        sa.func.count(),
        sa.func.count().filter(adopted),
    ).where(*_delivered(window))
    return Acknowledged._make(connection.execute(query).one())


def delivered_rows(connection: Connection, window: Window) -> Iterator[StatusChange]:
    """Every delivered row of ``window``, streamed in the order of the outbox's key, whatever batches they were in."""
    query = (
        sa.select(*(status_change.c[name] for name in StatusChange._fields))
        .where(status_change.c.batch_id.in_(sa.select(batch.c.id).where(*_delivered(window))), *_inside(window))
        .order_by(*status_change.primary_key)
    )
    rows = connection.execution_options(stream_results=True, yield_per=_FETCH).execute(query)
    return map(StatusChange._make, rows)


def _delivered(window: Window) -> tuple[Any, ...]:
    return (batch.c.state == "delivered", batch.c.first_change < window.end, batch.c.last_change >= window.start)


def _inside(window: Window) -> tuple[Any, ...]:
    return (status_change.c.last_modified_date >= window.start, status_change.c.last_modified_date < window.end)
