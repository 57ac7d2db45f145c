"""Questions about what people asked for on the page: who asked when for which rows to be tried again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import operator_action, requeued


class Action(NamedTuple):
    """What someone asked for on the page.

    :ivar runs: those that were started for it, each with ``dag_id`` and ``run_id``.
    :ivar problem: why one could not be started.
    """

    id: int
    done_at: datetime
    user_name: str
    reason: str
    selection: dict[str, Any]
    rows: int
    runs: list[dict[str, str]]
    problem: str | None


def actions(connection: Connection, *, limit: int) -> list[Action]:
    """What was asked for on the page, latest first."""
    query = sa.select(operator_action).order_by(operator_action.c.id.desc()).limit(limit)
    return [Action._make(row) for row in connection.execute(query)]


def action_of(connection: Connection, identity: int) -> Action | None:
    """One of them."""
    row = connection.execute(sa.select(operator_action).where(operator_action.c.id == identity)).one_or_none()
    return None if row is None else Action._make(row)


def requeues_of(connection: Connection, batch_id: int, *, limit: int) -> list[tuple[Action, str | None]]:
    """Who put a batch back into the queue, latest first, with the dashboard's words of then."""
    query = (
        sa.select(operator_action, requeued.c.words.label("words"))
        .join(requeued, requeued.c.action_id == operator_action.c.id)
        .where(requeued.c.batch_id == batch_id)
        .order_by(operator_action.c.id.desc())
        .limit(limit)
    )
    return [(Action._make(row[:-1]), row[-1]) for row in connection.execute(query)]
