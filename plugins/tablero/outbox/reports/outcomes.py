"""Queries about the rows that a run posted, where an acknowledgement does not tell the whole story."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import attempt, batch

#: Calls that the average is taken over.
_CALLS = 200


class Outcomes(NamedTuple):
    """Rows that a run posted.

    :ivar delivered: rows that this run delivered.
    :ivar unknown: rows among them that were posted before with an unknown outcome: the dashboard may have them twice.
    :ivar recognised: rows among them that the dashboard recognised as a repeat.
    :ivar unproved: rows that this run refused without a later acceptance to prove that only they were at fault.
    """

    delivered: int = 0
    unknown: int = 0
    recognised: int = 0
    unproved: int = 0


def delivered_by(run_id: str) -> sa.CompoundSelect[Any]:
    """The ids of the batches that a run delivered."""
    accepted = sa.and_(attempt.c.run_id == run_id, attempt.c.outcome == "delivered")
    # An answer that named some rows accepted the others: they were split off, and have no attempt of their own.
    has_own = sa.exists().where(attempt.c.batch_id == batch.c.id)
    parts = sa.select(batch.c.id).where(batch.c.parent_id.in_(sa.select(attempt.c.batch_id).where(accepted)), ~has_own)
    return sa.union(sa.select(attempt.c.batch_id).where(accepted), parts)


def of_run(connection: Connection, run_id: str) -> Outcomes:
    """The outcomes of a run, from its batches. The cost depends on the attempts of this run alone."""
    recognised_by_dashboard = batch.c.settled_how == "recognised"
    # The batch itself records that earlier attempts were unknown, including attempts of a batch that it was split off.
    doubtful = sa.and_(batch.c.ever_unknown, batch.c.settled_how != "recognised")
    query = sa.select(
        sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(doubtful), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(recognised_by_dashboard), 0),
    ).where(batch.c.id.in_(delivered_by(run_id)), batch.c.state == "delivered")
    delivered, unknown, recognised = connection.execute(query).one()
    refused = sa.select(attempt.c.batch_id).where(attempt.c.run_id == run_id, attempt.c.outcome == "refused")
    unproved = sa.select(sa.func.count()).where(
        batch.c.id.in_(refused), batch.c.state == "refused", batch.c.settled_how == "unproved"
    )
    return Outcomes(int(delivered), int(unknown), int(recognised), connection.scalar(unproved) or 0)


def seconds_a_call(connection: Connection) -> float | None:
    """The average response time of the last acknowledged calls; ``None`` if there are none."""
    last = (
        sa.select(attempt.c.seconds)
        .where(attempt.c.outcome == "delivered", attempt.c.seconds.is_not(None))
        .order_by(attempt.c.id.desc())
        .limit(_CALLS)
        .subquery()
    )
    average = connection.scalar(sa.select(sa.func.avg(last.c.seconds)))
    return None if average is None else float(average)
