"""Queries of a monitor: do runs fail, what is degraded, when was the last delivery, how old is what is pending; and is this the
outbox that earlier runs wrote to, or an older copy of it.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.alerts.incidents import BY_HAND, DEGRADED, SCHEDULED
from tablero.outbox.schema import attempt, batch, degradation, extraction, incident, reconciliation


def is_failing(connection: Connection) -> bool:
    """Whether scheduled runs are failing: an incident of theirs is open."""
    query = sa.select(incident.c.id).where(
        incident.c.closed_at.is_(None),
        ~incident.c.cause.startswith(DEGRADED),
        ~incident.c.dag_id.endswith(BY_HAND),
    )
    return connection.execute(query.limit(1)).first() is not None


def last_causes(connection: Connection) -> list[str]:
    """The distinct causes of degradation found by the last scheduled run that reconciled."""
    newest = (
        sa.select(reconciliation.c.run_id)
        .where(reconciliation.c.run_id.startswith(SCHEDULED, autoescape=True))
        .order_by(reconciliation.c.id.desc())
        .limit(1)
    )
    run_id = connection.scalar(newest)
    if run_id is None:
        return []
    causes = sa.select(degradation.c.cause).where(degradation.c.run_id == run_id).order_by(degradation.c.id)
    return list(dict.fromkeys(connection.scalars(causes)))


def causes_by_hand(connection: Connection, since: datetime) -> list[str]:
    """The distinct causes of degradation that runs which a person started have found since then."""
    by_hand = ~degradation.c.run_id.startswith(SCHEDULED, autoescape=True)
    query = sa.select(degradation.c.cause).where(degradation.c.found_at >= since, by_hand).order_by(degradation.c.id)
    return list(dict.fromkeys(connection.scalars(query)))


def last_delivery(connection: Connection) -> datetime | None:
    """The last time at which the dashboard acknowledged a batch; ``None`` if it never has."""
    # From the end of the index on: all acknowledgements are as many as the batches.
    query = sa.select(batch.c.settled_at).where(batch.c.settled_at.is_not(None), _acknowledged)
    last: datetime | None = connection.scalar(query.order_by(batch.c.settled_at.desc()).limit(1))
    return last


def rows_delivered(connection: Connection, start: datetime, end: datetime) -> int:
    """The rows that the dashboard acknowledged in ``[start, end)``, whatever day they are of."""
    within = sa.and_(batch.c.settled_at >= start, batch.c.settled_at < end)
    return int(connection.scalar(sa.select(sa.func.sum(batch.c.rows)).where(within, _acknowledged)) or 0)


#: What a person recorded as delivered is no delivery.
_acknowledged = sa.and_(batch.c.state == "delivered", batch.c.settled_how.is_distinct_from("adopted"))


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
    """Whether a person has recorded windows as delivered since then, as one does after restoring a backup. They are read for
    that, unlike a batch that the dashboard does not confirm and a person does."""
    adopted = sa.and_(batch.c.settled_how == "adopted", batch.c.settled_at >= instant)
    has_read = attempt.c.run_id.in_(sa.select(extraction.c.run_id))
    # Other attempts of the batch are of runs that read as well.
    its_record = sa.and_(attempt.c.batch_id == batch.c.id, attempt.c.started_at == batch.c.settled_at)
    query = sa.select(batch.c.id).join(attempt, its_record).where(adopted, has_read)
    return connection.scalar(query.limit(1)) is not None


def oldest_pending(connection: Connection, now: datetime) -> float:
    """Seconds since the start of the reading that staged the oldest pending batch; 0 if nothing is pending."""
    query = (
        sa.select(sa.func.min(extraction.c.started_at, type_=extraction.c.started_at.type))
        .join(batch, batch.c.extraction_id == extraction.c.id)
        .where(sa.text("batch.state = 'pending'"))
    )
    oldest = connection.scalar(query)
    return (now - oldest).total_seconds() if oldest is not None else 0.0
