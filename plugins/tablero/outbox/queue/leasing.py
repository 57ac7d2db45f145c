"""Leases, by the outbox's clock: taken, renewed, handed back. How long they last is decided in ``delivery.sending``."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.outbox.batches import Lease
from tablero.outbox.engine import Instant, now_of, reading, writing
from tablero.outbox.queue.claims import Leaseholder
from tablero.outbox.schema import batch

#: The current time: the database's on PostgreSQL; on SQLite it is passed in as this machine's.
NOW = sa.func.coalesce(sa.bindparam("now", type_=Instant), sa.func.now(), type_=Instant)


def clock(connection: Connection, now: datetime | None) -> datetime | None:
    """The value to bind for ``now``: ``None`` on PostgreSQL, where the server's clock is used."""
    return now if now is not None or connection.dialect.name == "postgresql" else datetime.now(timezone.utc)


def from_now(connection: Connection, now: datetime | None, seconds: float = 0.0) -> Any:
    """The instant that many seconds from now, as an SQL expression."""
    known, later = clock(connection, now), timedelta(seconds=seconds)
    return sa.func.now() + later if known is None else sa.literal(known + later, Instant)


# Compiled once because every batch uses them: building them took a fifth of the time of an exchange.
OF_THESE = sa.and_(batch.c.id.in_(sa.bindparam("ids", expanding=True)), batch.c.state == "pending")
LEASED = sa.and_(OF_THESE, batch.c.claimed_by == sa.bindparam("worker"))
_HAND_BACK = sa.update(batch).where(LEASED).values(claimed_by=None, claimed_until=None)
RELEASE = sa.update(batch).where(LEASED).values(claimed_until=None)


def lease(engine: Engine, holder: Leaseholder, now: datetime | None = None) -> Lease:
    """A lease that begins now, for batches that are about to be staged."""
    with reading(engine) as connection:
        return Lease(holder.worker, (now or now_of(connection)) + timedelta(seconds=holder.seconds))


def renew(engine: Engine, ids: Collection[int], holder: Leaseholder, *, now: datetime | None = None) -> set[int]:
    """Renew the leases of batches that are waiting or being posted.

    :returns: the batches that this worker still holds.
    """
    with writing(engine) as connection:
        until = from_now(connection, now, holder.seconds)
        held = sa.update(batch).where(LEASED).values(claimed_until=until).returning(batch.c.id)
        return set(connection.scalars(held, {"ids": list(ids), "worker": holder.worker}))


def hand_back(engine: Engine, ids: Collection[int], worker: str) -> None:
    """Undo the claim of batches that this worker has not posted, so that any worker may claim them."""
    if ids:
        with writing(engine) as connection:
            connection.execute(_HAND_BACK, {"ids": list(ids), "worker": worker})


def release(engine: Engine, ids: Collection[int], worker: str) -> None:
    """End the leases of batches that stay pending; this worker does not claim them again."""
    if ids:
        with writing(engine) as connection:
            connection.execute(RELEASE, {"ids": list(ids), "worker": worker})
