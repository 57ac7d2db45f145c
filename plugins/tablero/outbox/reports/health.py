"""Questions of a monitor: do runs fail, what was not as usual, when was something delivered last."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import batch, degradation, incident, reconciliation


def is_failing(connection: Connection) -> bool:
    """Whether scheduled runs fail, and none has succeeded since."""
    query = sa.select(incident.c.id).where(
        incident.c.closed_at.is_(None),
        ~incident.c.cause.startswith("degraded:"),
        ~incident.c.dag_id.endswith(" by hand"),
    )
    return connection.execute(query.limit(1)).first() is not None


def last_causes(connection: Connection) -> list[str]:
    """What the last scheduled run that came to its proof found not to be as usual, each cause once."""
    newest = (
        sa.select(reconciliation.c.run_id)
        .where(reconciliation.c.run_id.startswith("scheduled__", autoescape=True))
        .order_by(reconciliation.c.id.desc())
        .limit(1)
    )
    run_id = connection.scalar(newest)
    if run_id is None:
        return []
    causes = sa.select(degradation.c.cause).where(degradation.c.run_id == run_id).order_by(degradation.c.id)
    return list(dict.fromkeys(connection.scalars(causes)))


def last_delivery(connection: Connection) -> datetime | None:
    """When the dashboard acknowledged something last."""
    query = sa.select(sa.func.max(batch.c.settled_at, type_=batch.c.settled_at.type)).where(batch.c.state == "delivered")
    last: datetime | None = connection.scalar(query)
    return last
