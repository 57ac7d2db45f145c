"""Queries about what people did on the page: who requeued which rows, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.schema import operator_action, requeued


class Action(NamedTuple):
    """An action of a person on the page.

    :ivar done_at: when, in UTC.
    :ivar reason: code of the rejection reason whose rows were requeued, or how one batch was resolved.
    :ivar selection: the request: month, service, chosen rows.
    :ivar rows: number of rows.
    :ivar runs: the runs started for it, each with ``dag_id`` and ``run_id``.
    :ivar problem: why a run could not be started, if so.
    """

    id: int
    done_at: datetime
    user_name: str
    reason: str
    selection: dict[str, Any]
    rows: int
    runs: list[dict[str, str]]
    problem: str | None

    @property
    def is_of_a_batch(self) -> bool:
        """Whether one batch was resolved, rather than the rows of a reason requeued."""
        return self.reason.endswith("_batch")


def actions(connection: Connection, *, limit: int) -> list[Action]:
    """The latest actions, newest first."""
    query = sa.select(operator_action).order_by(operator_action.c.id.desc()).limit(limit)
    return [Action._make(row) for row in connection.execute(query)]


def action_of(connection: Connection, identity: int) -> Action | None:
    """An action by its id; ``None`` if there is none."""
    row = connection.execute(sa.select(operator_action).where(operator_action.c.id == identity)).one_or_none()
    return None if row is None else Action._make(row)


def requeues_of(connection: Connection, batch_id: int, *, limit: int) -> list[tuple[Action, str | None]]:
    """The actions that requeued a batch, newest first, each with the dashboard's explanation at that time."""
    query = (
        sa.select(operator_action, requeued.c.words.label("words"))
        .join(requeued, requeued.c.action_id == operator_action.c.id)
        .where(requeued.c.batch_id == batch_id)
        .order_by(operator_action.c.id.desc())
        .limit(limit)
    )
    return [(Action._make(row[:-1]), row[-1]) for row in connection.execute(query)]
