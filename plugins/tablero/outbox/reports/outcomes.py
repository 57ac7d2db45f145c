"""What became of the rows that a run posted, where an acknowledgement alone does not say it."""

from __future__ import annotations

from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import attempt, batch

#: Calls of which the average is taken.
_CALLS = 200


class Outcomes(NamedTuple):
    """Rows that a run posted.

    :ivar delivered: that it was the one to deliver.
    :ivar unknown: delivered now, and posted before without a known outcome: the dashboard may have them twice.
    :ivar recognised: that the dashboard called a repeat of what it has.
    """

    delivered: int = 0
    unknown: int = 0
    recognised: int = 0


def of_run(connection: Connection, run_id: str) -> Outcomes:
    """By what is on record of its batches. Costs as much as the run has attempts, whatever else is on record."""
    ids = sa.select(attempt.c.batch_id).where(attempt.c.run_id == run_id, attempt.c.outcome == "delivered")
    recognised_by_dashboard = batch.c.settled_how == "recognised"
    # What earlier attempts left unknown, also those of a batch that this one was cut out of, stands on the batch itself.
    doubtful = sa.and_(batch.c.ever_unknown, batch.c.settled_how != "recognised")
    query = sa.select(
        sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(doubtful), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(recognised_by_dashboard), 0),
    ).where(batch.c.id.in_(ids), batch.c.state == "delivered")
    delivered, unknown, recognised = connection.execute(query).one()
    return Outcomes(int(delivered), int(unknown), int(recognised))


def seconds_a_call(connection: Connection) -> float | None:
    """How long the last calls took that were acknowledged, on average; ``None`` if there were none."""
    last = (
        sa.select(attempt.c.seconds)
        .where(attempt.c.outcome == "delivered", attempt.c.seconds.is_not(None))
        .order_by(attempt.c.id.desc())
        .limit(_CALLS)
        .subquery()
    )
    average = connection.scalar(sa.select(sa.func.avg(last.c.seconds)))
    return None if average is None else float(average)
