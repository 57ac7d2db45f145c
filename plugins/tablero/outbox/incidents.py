"""Failed tasks and runs, remembered so that an incident is told once, when it is time, and its end too."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Engine
from tablero.database import reading, writing
from tablero.outbox.schema import incident, reconciliation, trouble


class Trouble(NamedTuple):
    """A task that failed for good.

    :ivar task: its id, with the month it was mapped to.
    :ivar words: what it said.
    """

    task: str
    permanent: bool
    words: str


class OpenWindow(NamedTuple):
    """A window which the run's reconciliation left unsettled."""

    label: str
    pending: int


class Situation(NamedTuple):
    """What there is to tell of a run.

    :ivar troubles: failed tasks, the first one first.
    :ivar windows: unsettled ones.
    """

    troubles: list[Trouble]
    windows: list[OpenWindow]


def record_trouble(engine: Engine, dag_id: str, run_id: str, task: str, *, permanent: bool, words: str, now: datetime) -> None:
    """Remember why a task failed."""
    values = {"dag_id": dag_id, "run_id": run_id, "task": task[:300], "happened_at": now}
    with writing(engine) as connection:
        connection.execute(sa.insert(trouble).values(**values, permanent=permanent, words=words[:2000]))


def situation(engine: Engine, dag_id: str, run_id: str, *, since: datetime | None) -> Situation:
    """Everything that is known of a run.

    :param since: when it started, or was cleared; what failed before that is history. ``None``: from its beginning.
    """
    recent = trouble.c.happened_at >= since if since is not None else sa.true()
    with reading(engine) as connection:
        troubles = connection.execute(
            sa.select(trouble.c.task, trouble.c.permanent, trouble.c.words)
            .where(trouble.c.dag_id == dag_id, trouble.c.run_id == run_id, recent)
            .order_by(trouble.c.id)
        ).all()
        newest = (
            sa.select(sa.func.max(reconciliation.c.id))
            .where(reconciliation.c.run_id == run_id)
            .group_by(reconciliation.c.window_start, reconciliation.c.window_end)
        )
        windows = connection.execute(
            sa.select(reconciliation.c.label, reconciliation.c.pending)
            .where(reconciliation.c.id.in_(newest), ~reconciliation.c.settled)
            .order_by(reconciliation.c.window_start)
        ).all()
    return Situation([Trouble(*row) for row in troubles], [OpenWindow(*row) for row in windows])


def run_failed(engine: Engine, dag_id: str, run_id: str, *, threshold: int, permanent: bool, now: datetime) -> bool:
    """Count a failed run.

    :param threshold: failed runs in a row from which on it is told.
    :param permanent: told at once.
    :returns: whether it is to be told now: once for each incident.
    """
    with writing(engine) as connection:
        found = connection.execute(
            sa.select(incident).where(incident.c.dag_id == dag_id, incident.c.closed_at.is_(None)).with_for_update()
        ).one_or_none()
        # The same run fails again when it is cleared; that is no second failure.
        failures = 1 if found is None else found.failures + (found.last_run_id != run_id)
        tell = (permanent or failures >= threshold) and (found is None or found.alerted_at is None)
        values = {"last_run_id": run_id, "failures": failures} | ({"alerted_at": now} if tell else {})
        if found is None:
            connection.execute(sa.insert(incident).values(dag_id=dag_id, opened_at=now, **values))
        else:
            connection.execute(sa.update(incident).where(incident.c.id == found.id).values(**values))
        return tell


def run_succeeded(engine: Engine, dag_id: str, *, now: datetime) -> bool:
    """End the open incident, if there is one.

    :returns: whether its end is to be told, because it was told itself.
    """
    with writing(engine) as connection:
        alerted = connection.execute(
            sa.update(incident)
            .where(incident.c.dag_id == dag_id, incident.c.closed_at.is_(None))
            .values(closed_at=now)
            .returning(incident.c.alerted_at)
        ).all()
    return any(row.alerted_at is not None for row in alerted)
