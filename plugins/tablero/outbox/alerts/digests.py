"""Which digests were sent, by the name of their period."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import notice


def is_marked(connection: Connection, kind: str, label: str) -> bool:
    """Whether a period is marked.

    :param kind: what the mark says, such as that the digest was sent.
    :param label: the period.
    """
    same = sa.and_(notice.c.kind == kind, notice.c.label == label)
    return connection.scalar(sa.select(notice.c.sent_at).where(same)) is not None


def mark(connection: Connection, kind: str, label: str, *, now: datetime) -> None:
    """Mark a period."""
    connection.execute(sa.delete(notice).where(notice.c.kind == kind, notice.c.label == label))
    connection.execute(sa.insert(notice).values(kind=kind, label=label, sent_at=now))
