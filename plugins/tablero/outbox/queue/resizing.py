"""Splitting batches that are larger than a call may be now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import pack
from tablero.outbox import batches
from tablero.outbox.batches import Part, rows_of
from tablero.outbox.queue.order import first_in_line
from tablero.outbox.schema import batch


def cut_to_size(connection: Connection, found: Sequence[Any], most: int, *, by_service: bool, zone: tzinfo) -> list[Any]:
    """The same batches, where those larger than one call are replaced by their parts; none counts as refused.

    The parts are packed as if they were staged now.
    """
    fitting: list[Any] = []
    for row in found:
        pieces = []
        if row.rows > most or (by_service and row.service_id is None):
            pieces = list(pack(rows_of(connection, [row.id])[row.id], most, by_service=by_service))
        if len(pieces) > 1:
            fresh = connection.execute(sa.select(*batches.COLUMNS).where(batch.c.id == row.id)).one()
            made = batches.replace(connection, fresh, [Part(piece.changes) for piece in pieces], zone)
            parts = sa.select(*batches.COLUMNS).where(batch.c.id.in_(made), first_in_line())
            fitting += connection.execute(parts.order_by(batch.c.place, batch.c.id))
        else:
            fitting.append(row)
    return fitting
