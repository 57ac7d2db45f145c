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
    """By what is on record of its attempts."""
    mine = sa.exists().where(attempt.c.batch_id == batch.c.id, attempt.c.run_id == run_id, attempt.c.outcome == "delivered")
    doubtful = sa.exists().where(attempt.c.batch_id == batch.c.id, attempt.c.outcome == "unknown")
    ids = sa.select(attempt.c.batch_id).where(attempt.c.run_id == run_id, attempt.c.outcome == "delivered")
    query = sa.select(
        sa.func.coalesce(sa.func.sum(batch.c.rows), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(doubtful, batch.c.settled_how != "recognised"), 0),
        sa.func.coalesce(sa.func.sum(batch.c.rows).filter(batch.c.settled_how == "recognised"), 0),
    ).where(batch.c.id.in_(ids), batch.c.state == "delivered", mine)
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
