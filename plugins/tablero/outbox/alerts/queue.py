"""Alerts that are waiting to be sent: one row for each channel, until that channel has taken the alert.

An alert is queued in the transaction that decides it. So it survives a mail server that is down: whichever callback comes next
sends it. Each channel has a row of its own, so that one which fails is tried again without repeating what another one took.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.outbox.engine import lock, writing
from tablero.outbox.schema import notification

#: After this time an alert informs nobody; a channel that was dead for so long must not begin with hundreds of them.
KEPT = timedelta(days=30)

#: Most alerts that a callback sends by one channel; the next one continues.
_MOST = 20

#: Key of the lock under which alerts are claimed, among PostgreSQL's advisory locks: "alerts" in bytes.
_CLAIM_LOCK = int.from_bytes(b"alerts", "big")


class Queued(NamedTuple):
    """An alert that waits for a channel.

    :ivar message: as it was given to :func:`put`.
    """

    id: int
    channel: str
    message: dict[str, Any]
    queued_at: datetime


def put(connection: Connection, channels: Collection[str], message: dict[str, Any], *, now: datetime) -> None:
    """Queue an alert for these channels.

    :param message: JSON, in whatever form its sender understands.
    """
    for channel in channels:
        connection.execute(sa.insert(notification).values(channel=channel, queued_at=now, message=message))


def claim(engine: Engine, channels: Collection[str], *, now: datetime, seconds: float) -> list[Queued]:
    """Claim the alerts that wait for these channels, oldest first, so that no other callback sends them meanwhile.

    :param seconds: after which others may claim them, because this process may have been killed.
    """
    with writing(engine) as connection:
        lock(connection, _CLAIM_LOCK)
        connection.execute(sa.delete(notification).where(notification.c.queued_at < now - KEPT))
        found = [one for channel in channels for one in _waiting(connection, channel, now)]
        _lease(connection, found, now + timedelta(seconds=seconds))
    return found


def settle(engine: Engine, claimed: Sequence[Queued], *, taken: Collection[int], refused: Collection[int]) -> None:
    """Remove the alerts that were taken, and release the others: those that were refused behind all that wait, so that they
    hold up none.

    :param taken: their ids.
    :param refused: their ids; they keep the time at which they were queued.
    """
    with writing(engine) as connection:
        connection.execute(sa.delete(notification).where(notification.c.id.in_([*taken, *refused])))
        for one in claimed:
            if one.id in refused:
                put(connection, [one.channel], one.message, now=one.queued_at)
        _lease(connection, [one for one in claimed if one.id not in taken], None)


def _waiting(connection: Connection, channel: str, now: datetime) -> list[Queued]:
    is_free = sa.or_(notification.c.claimed_until.is_(None), notification.c.claimed_until < now)
    query = (
        sa.select(*(notification.c[name] for name in Queued._fields))
        .where(notification.c.channel == channel, is_free)
        .order_by(notification.c.id)
        .limit(_MOST)
    )
    return [Queued._make(row) for row in connection.execute(query)]


def _lease(connection: Connection, some: Sequence[Queued], until: datetime | None) -> None:
    chosen = notification.c.id.in_([one.id for one in some])
    connection.execute(sa.update(notification).where(chosen).values(claimed_until=until))
