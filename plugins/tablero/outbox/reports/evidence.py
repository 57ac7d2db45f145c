"""Queries for the evidence of a month: its delivered rows, and when they were acknowledged.

Unlike other queries these read every row of a month: they serve a document, not a page.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.windows import Window
from tablero.outbox.batches import touching
from tablero.outbox.record import Connect as Connect
from tablero.outbox.record import Record
from tablero.outbox.schema import batch


class Acknowledged(NamedTuple):
    """When the rows of a window were acknowledged.

    :ivar first: first acknowledgement, in UTC; ``None`` if there is none.
    :ivar last: last acknowledgement.
    :ivar batches: delivered batches, including adopted ones.
    :ivar adopted: batches recorded as delivered by a person (``tablero adopt``), without an acknowledgement on record.
    :ivar recognised: batches whose answer was lost, and which the dashboard recognised as a repeat when they were posted again.
    """

    first: datetime | None
    last: datetime | None
    batches: int
    adopted: int
    recognised: int


def acknowledged(connection: Connection, window: Window) -> Acknowledged:
    """When the rows of ``window`` were acknowledged. Changes with each acknowledgement, so it also serves as a version."""
    adopted = batch.c.settled_how == "adopted"
    called = sa.case((batch.c.settled_how.is_distinct_from("adopted"), batch.c.settled_at))
    query = sa.select(
        sa.func.min(called, type_=batch.c.settled_at.type),
        sa.func.max(called, type_=batch.c.settled_at.type),
        sa.func.count(),
        sa.func.count().filter(adopted),
        sa.func.count().filter(batch.c.settled_how == "recognised"),
    ).where(batch.c.state == "delivered", touching(window))
    return Acknowledged._make(connection.execute(query).one())


def delivered_rows(connect: Connect, window: Window) -> Record:
    """Every delivered row of ``window``, streamed in :data:`~tablero.contract.packing.row_order`. No connection is held between
    pages.

    :param connect: opens a connection for reading.
    """
    return Record(connect, window, ("delivered",))
