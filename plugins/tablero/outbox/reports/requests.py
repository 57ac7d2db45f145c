"""The question of the counter: was this request reported?"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.outbox.schema import batch, status_change


class Change(NamedTuple):
    """A status change of a request and what became of it.

    :ivar state: of its batch: pending, delivered or refused.
    :ivar settled_at: when the dashboard acknowledged or refused it.
    :ivar words: the dashboard's, if it refused it.
    """

    change: StatusChange
    batch_id: int
    state: str
    settled_at: datetime | None
    words: str | None


def changes_of_request(connection: Connection, request_id: str, *, skip: int, limit: int) -> list[Change]:
    """The staged status changes of a request in order of time."""
    query = (
        sa.select(
            *(status_change.c[name] for name in StatusChange._fields),
            status_change.c.batch_id,
            batch.c.state,
            batch.c.settled_at,
            batch.c.words,
        )
        .join(batch, batch.c.id == status_change.c.batch_id)
        .where(status_change.c.request_id == request_id)
        .order_by(*status_change.primary_key)
        .offset(skip)
        .limit(limit)
    )
    fields = len(StatusChange._fields)
    return [Change(StatusChange._make(row[:fields]), *row[fields:]) for row in connection.execute(query)]
