"""Splitting batches that are larger than a call may be now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.outbox import batches
from tablero.outbox.batches import Part, rows_of
from tablero.outbox.queue.pending import first_in_line
from tablero.outbox.schema import batch


def cut_to_size(connection: Connection, found: Sequence[Any], most: int, *, by_service: bool, zone: tzinfo) -> list[int]:
    """The ids of the batches, where batches larger than one call are replaced by their parts; none counts as refused."""
    ids: list[int] = []
    for row in found:
        pieces: list[list[StatusChange]] = []
        if row.rows > most or (by_service and row.service_id is None):
            pieces = _pieces(rows_of(connection, [row.id])[row.id], most, by_service=by_service)
        if len(pieces) > 1:
            fresh = connection.execute(sa.select(*batches.COLUMNS).where(batch.c.id == row.id)).one()
            made = batches.replace(connection, fresh, [Part(piece) for piece in pieces], zone)
            query = sa.select(batch.c.id).where(batch.c.id.in_(made), first_in_line()).order_by(batch.c.id)
            ids += connection.scalars(query)
        else:
            ids.append(row.id)
    return ids


def _pieces(changes: Sequence[StatusChange], most: int, *, by_service: bool) -> list[list[StatusChange]]:
    """Split rows into calls, one service each if required; changes of one request stay in one call where they fit."""
    services: dict[str, list[StatusChange]] = {}
    for change in changes:
        services.setdefault(change.service_id if by_service else "", []).append(change)
    pieces: list[list[StatusChange]] = []
    for rows in services.values():
        start = 0
        while start < len(rows):
            end = min(start + most, len(rows))
            edge = end
            while start < edge < len(rows) and rows[edge].request_id == rows[edge - 1].request_id:
                edge -= 1
            end = edge if edge > start else end
            pieces.append(rows[start:end])
            start = end
    return pieces
