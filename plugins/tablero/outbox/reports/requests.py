"""The question of the counter: was this request reported?"""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import row_order
from tablero.contract.status_change import StatusChange
from tablero.outbox import batches
from tablero.outbox.content import request_hash
from tablero.outbox.schema import batch


class Change(NamedTuple):
    """A status change of a request and what became of it.

    :ivar state: of its batch: pending, delivered, refused or withdrawn.
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
    # Between the first and the last request of thousands of batches; its hash is in a few.
    needle = sa.literal(request_hash(request_id), sa.LargeBinary)
    if connection.dialect.name == "postgresql":
        position = sa.func.position(needle.op("IN")(batch.c.requests))
    else:
        position = sa.func.instr(batch.c.requests, needle)
    query = sa.select(batch.c.id, batch.c.state, batch.c.settled_at, batch.c.words).where(
        batch.c.first_request <= request_id, batch.c.last_request >= request_id, position > 0
    )
    found = {row.id: row for row in connection.execute(query)}
    contents = batches.rows_of(connection, list(found))
    changes = [
        Change(change, row.id, row.state, row.settled_at, row.words)
        for row in found.values()
        for change in contents[row.id]
        if change.request_id == request_id
    ]
    changes.sort(key=lambda each: (row_order(each.change), each.batch_id))
    return list(islice(changes, skip, skip + limit))
