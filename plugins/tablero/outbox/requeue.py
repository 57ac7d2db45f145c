"""Rows that are posted again because a person asked for it: refused ones (on the page), and delivered ones (``resend``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window
from tablero.dashboard.answer import Outcome
from tablero.outbox import batches
from tablero.outbox.batches import carve, touching
from tablero.outbox.engine import MOST_BOUND, writing
from tablero.outbox.schema import attempt, batch, operator_action, requeued

#: Most rows that one action puts back into the queue: it holds the write lock of an SQLite outbox only for a moment.
MAX_ROWS = 10_000

_PROBLEM = 500


class Filter(NamedTuple):
    """Which rows that were set aside are meant.

    :ivar start: first instant of ``last_modified_date``, if it matters.
    :ivar end: first instant after it.
    """

    reason: str | None = None
    service_id: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def requeue_refused(
    engine: Engine,
    *,
    chosen: Sequence[int] | None,
    within: Filter,
    user: str,
    reason: str,
    selection: dict[str, Any],
    now: datetime,
) -> tuple[int, list[datetime]]:
    """Make refused rows pending again, and keep who asked for it. One transaction.

    A row that is no longer refused, because someone else was quicker, is left as it is.

    :param chosen: batches of refused rows; ``None`` is all of them that ``within`` lets through, up to :data:`MAX_ROWS`.
    :param user: who asks.
    :param reason: the code of the reason that is kept.
    :param selection: what was asked for, as it is to be kept.
    :returns: the id of the action, and ``last_modified_date`` of each row that is pending now.
    """
    refused = sa.select(batch.c.id, batch.c.first_change, batch.c.words).where(sa.text("batch.state = 'refused'"))
    if chosen is not None:
        refused = refused.where(batch.c.id.in_(list(chosen)))
    if within.start is not None:
        refused = refused.where(batch.c.first_change >= within.start)
    if within.end is not None:
        refused = refused.where(batch.c.first_change < within.end)
    if within.service_id is not None:
        refused = refused.where(batch.c.service_id == within.service_id)
    with writing(engine) as connection:
        found = connection.execute(refused.order_by(batch.c.first_change, batch.c.id).limit(MAX_ROWS).with_for_update()).all()
        identity = _insert(connection, done_at=now, user_name=user, reason=reason, selection=selection, rows=len(found))
        if found:
            kept = [{"action_id": identity, "batch_id": row.id, "words": row.words} for row in found]
            connection.execute(sa.insert(requeued), kept)
        for step in range(0, len(found), MOST_BOUND):
            connection.execute(
                sa.update(batch)
                .where(batch.c.id.in_([row.id for row in found[step : step + MOST_BOUND]]))
                .values(words=None, strikes=0, struck_by=None, first_refused_at=None, **_PENDING)
            )
    return identity, [row.first_change for row in found]


def resend(engine: Engine, window: Window, *, run_id: str, zone: tzinfo) -> int:
    """Make the delivered rows of ``window`` pending again, once for each run.

    :param zone: the institution's, whose civil days the rows are counted by.
    :returns: how many rows.
    """
    by_this_run = sa.exists().where(
        attempt.c.batch_id == batch.c.id, attempt.c.run_id == run_id, attempt.c.outcome == Outcome.DELIVERED.value
    )
    delivered = (
        sa.select(*batches.COLUMNS)
        .where(touching(window), batch.c.state == "delivered", batch.c.resend_run_id.is_distinct_from(run_id), ~by_this_run)
        .order_by(batch.c.id)
    )
    with writing(engine) as connection:
        found = connection.execute(delivered.with_for_update()).all()
        carved = dict(filter(None, (carve(connection, whole, window, zone) for whole in found)))
        ids = list(carved)
        for start in range(0, len(ids), MOST_BOUND):
            connection.execute(
                sa.update(batch)
                .where(batch.c.id.in_(ids[start : start + MOST_BOUND]))
                .values(settled_how=None, resend_run_id=run_id, **_PENDING)
            )
    return sum(carved.values())


_PENDING: dict[str, Any] = {"state": "pending", "settled_at": None, "claimed_by": None, "claimed_until": None}


def keep_action(engine: Engine, *, user: str, reason: str, selection: dict[str, Any], rows: int, now: datetime) -> int:
    """Keep that someone asked for the source to be read again; returns the id of the action."""
    with writing(engine) as connection:
        return _insert(connection, done_at=now, user_name=user, reason=reason, selection=selection, rows=rows)


def keep_runs(engine: Engine, identity: int, runs: Sequence[dict[str, str]], problem: str | None) -> None:
    """Keep which runs were started for an action, and why one could not be."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(operator_action)
            .where(operator_action.c.id == identity)
            .values(runs=list(runs), problem=problem and problem[:_PROBLEM])
        )


def _insert(connection: Connection, **values: Any) -> int:
    statement = sa.insert(operator_action).values(**values, runs=[]).returning(operator_action.c.id)
    return int(connection.execute(statement).scalar_one())
