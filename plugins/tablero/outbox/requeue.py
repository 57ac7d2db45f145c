"""Posting rows again at a person's request: refused rows (on the page) and delivered rows (``resend``)."""

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

#: Most rows that one action requeues, so that the write lock of an SQLite outbox is held only briefly.
MAX_ROWS = 10_000

_PROBLEM = 500


class Filter(NamedTuple):
    """Selects rejected or refused rows; a field that is ``None`` does not restrict.

    :ivar start: first instant of ``last_modified_date``.
    :ivar end: first instant after the range.
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
    """Make refused rows pending again and record who asked for it, in one transaction.

    A row that is no longer refused, because someone else was faster, is left unchanged.

    :param chosen: batches of refused rows; ``None`` selects all that match ``within``, up to :data:`MAX_ROWS`.
    :param user: name of the person who asks.
    :param reason: code of the reason given.
    :param selection: the request as it is recorded.
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
                .values(words=None, **_PENDING)
            )
    return identity, [row.first_change for row in found]


def resend(engine: Engine, window: Window, *, run_id: str, zone: tzinfo) -> int:
    """Make the delivered rows of ``window`` pending again, once per run. Only as part of a reading of the window (see
    :func:`tablero.delivery.staging.stage`), which restores those that the source no longer has.

    :param zone: the institution's time zone, in which rows are counted by day.
    :returns: the number of rows.
    """
    by_this_run = sa.exists().where(
        # Rows that an answer accepted, but for those it named, were split off the batch of that attempt.
        attempt.c.batch_id.in_([batch.c.id, batch.c.parent_id]),
        attempt.c.run_id == run_id,
        attempt.c.outcome == Outcome.DELIVERED.value,
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
                sa.update(batch).where(batch.c.id.in_(ids[start : start + MOST_BOUND])).values(resend_run_id=run_id, **_PENDING)
            )
    return sum(carved.values())


#: Pending as if never posted: what counted against a row in its former life proves nothing about the next call.
_PENDING: dict[str, Any] = {
    "state": "pending",
    "settled_at": None,
    "settled_how": None,
    "claimed_by": None,
    "claimed_until": None,
    "first_refused_at": None,
    "strikes": 0,
    "struck_by": None,
}


def keep_action(engine: Engine, *, user: str, reason: str, selection: dict[str, Any], rows: int, now: datetime) -> int:
    """Record that someone asked for the source to be read again; returns the id of the action."""
    with writing(engine) as connection:
        return _insert(connection, done_at=now, user_name=user, reason=reason, selection=selection, rows=rows)


def keep_runs(engine: Engine, identity: int, runs: Sequence[dict[str, str]], problem: str | None) -> None:
    """Record the runs that were started for an action, and the problem if one could not be started."""
    with writing(engine) as connection:
        connection.execute(
            sa.update(operator_action)
            .where(operator_action.c.id == identity)
            .values(runs=list(runs), problem=problem and problem[:_PROBLEM])
        )


def _insert(connection: Connection, **values: Any) -> int:
    statement = sa.insert(operator_action).values(**values, runs=[]).returning(operator_action.c.id)
    return int(connection.execute(statement).scalar_one())
