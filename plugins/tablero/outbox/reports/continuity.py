"""Queries that tell whether this outbox is the one that earlier runs wrote to, or an older copy of it."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import attempt, batch, reconciliation


def knows_call(connection: Connection, run_id: str, message_id: str | None) -> bool:
    """Whether this call of a run is on record; any call of the run if ``message_id`` is ``None``."""
    query = sa.select(attempt.c.id).where(attempt.c.run_id == run_id)
    if message_id is not None:
        query = query.where(attempt.c.message_id == message_id)
    return connection.scalar(query.limit(1)) is not None


def knows_run(connection: Connection, run_id: str) -> bool:
    """Whether a proof of this run is on record."""
    return connection.scalar(sa.select(reconciliation.c.id).where(reconciliation.c.run_id == run_id).limit(1)) is not None


def was_adopted_since(connection: Connection, instant: datetime) -> bool:
    """Whether a person has recorded rows as delivered since then, as one does after restoring a backup."""
    adopted = sa.and_(batch.c.settled_how == "adopted", batch.c.settled_at >= instant)
    return connection.scalar(sa.select(batch.c.id).where(adopted).limit(1)) is not None
