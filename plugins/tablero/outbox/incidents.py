"""Failed tasks and runs, remembered so that an incident is told once, when it is time, and its end too.

The runs of a schedule follow one another: their incident lasts until the one that failed last, or a later one, succeeds. Runs
that someone starts may be about anything: they have an incident of their own, which lasts until what the one that failed last
left open is settled.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import incident, reconciliation, trouble

#: How the id of a scheduled run begins. Its time follows, in UTC, so that such ids sort as the runs follow one another.
_SCHEDULED = "scheduled__"


class Run(NamedTuple):
    """A run that ended.

    :ivar scheduled: by the schedule of its DAG; otherwise someone started it, alone or in a backfill.
    """

    dag_id: str
    run_id: str
    scheduled: bool

    @property
    def series(self) -> str:
        """What the incident of such runs is kept by, in the column ``dag_id``."""
        return self.dag_id if self.scheduled else _by_hand(self.dag_id)


def _by_hand(dag_id: str) -> str:
    return f"{dag_id} by hand"


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
        left_open = _last_proofs(run_id).where(~reconciliation.c.settled).order_by(reconciliation.c.window_start)
        windows = connection.execute(left_open.with_only_columns(reconciliation.c.label, reconciliation.c.pending)).all()
    return Situation([Trouble(*row) for row in troubles], [OpenWindow(*row) for row in windows])


def run_failed(engine: Engine, run: Run, *, threshold: int, permanent: bool, now: datetime) -> bool:
    """Count a failed run.

    :param threshold: failed runs in a row from which on it is told.
    :param permanent: told at once.
    :returns: whether it is to be told now: once for each incident.
    """
    with writing(engine) as connection:
        found = connection.execute(_open((run.series,))).one_or_none()
        if found is not None and _ended_unheard(connection, found, run):
            _close(connection, found, now)
            found = None
        # A run that is cleared fails again, and so may one before it; that is no second failure.
        follows = found is None or _follows(run, found.last_run_id)
        failures = (0 if found is None else found.failures) + follows
        last_run_id = run.run_id if found is None or follows else found.last_run_id
        tell = (permanent or failures >= threshold) and (found is None or found.alerted_at is None)
        values = {"last_run_id": last_run_id, "failures": failures} | ({"alerted_at": now} if tell else {})
        if found is None:
            connection.execute(sa.insert(incident).values(dag_id=run.series, opened_at=now, **values))
        else:
            connection.execute(sa.update(incident).where(incident.c.id == found.id).values(**values))
        return tell


def run_succeeded(engine: Engine, run: Run, *, now: datetime) -> bool:
    """End the incidents that are over with this run.

    :returns: whether that is to be told, because one of them was told itself.
    """
    with writing(engine) as connection:
        found = connection.execute(_open((run.dag_id, _by_hand(run.dag_id)))).all()
        over = [one for one in found if _ends(connection, run, one)]
        for one in over:
            _close(connection, one, now)
    return any(one.alerted_at is not None for one in over)


def _ends(connection: Connection, run: Run, found: Any) -> bool:
    if found.dag_id == _by_hand(run.dag_id):
        return not _left_open(connection, found.last_run_id)
    return run.scheduled and run.run_id >= found.last_run_id


def _follows(run: Run, last_run_id: str) -> bool:
    return run.run_id > last_run_id if run.scheduled else run.run_id != last_run_id


def _open(series: Iterable[str]) -> sa.Select[Any]:
    return sa.select(incident).where(incident.c.dag_id.in_(list(series)), incident.c.closed_at.is_(None)).with_for_update()


def _close(connection: Connection, found: Any, now: datetime) -> None:
    connection.execute(sa.update(incident).where(incident.c.id == found.id).values(closed_at=now))


def _ended_unheard(connection: Connection, found: Any, run: Run) -> bool:
    """Whether an incident is over although nobody could record it: a run succeeded while the outbox did not answer.

    The proof of that run is here all the same, or it would not have succeeded. Without this look, an incident that was told
    would keep the next one from being told.
    """
    scheduled = reconciliation.c.run_id.startswith(_SCHEDULED, autoescape=True)
    if run.scheduled:
        among = sa.and_(scheduled, reconciliation.c.run_id >= found.last_run_id)
    else:
        among = ~scheduled
    succeeded = (
        _last_proofs()
        .where(among, reconciliation.c.counted_at >= found.opened_at)
        .group_by(reconciliation.c.run_id)
        .having(sa.func.min(sa.case((reconciliation.c.settled, 1), else_=0)) == 1)
        .with_only_columns(reconciliation.c.run_id)
        .limit(1)
    )
    unheard = connection.execute(succeeded).first() is not None
    return unheard and (run.scheduled or not _left_open(connection, found.last_run_id))


def _left_open(connection: Connection, run_id: str) -> bool:
    """Whether a window that a run left unsettled is so still: no later run, of whatever kind, settled all of it."""
    later = reconciliation.alias("later")
    settled_since = sa.exists().where(
        later.c.id > reconciliation.c.id,
        later.c.window_start <= reconciliation.c.window_start,
        later.c.window_end >= reconciliation.c.window_end,
        later.c.settled,
    )
    still = _last_proofs(run_id).where(~reconciliation.c.settled, ~settled_since).limit(1)
    return connection.execute(still).first() is not None


def _last_proofs(run_id: str | None = None) -> sa.Select[Any]:
    """The last proof of each window of each run, or of one run."""
    proof = reconciliation.alias("proof")
    newest = sa.select(sa.func.max(proof.c.id)).group_by(proof.c.run_id, proof.c.window_start, proof.c.window_end)
    if run_id is not None:
        newest = newest.where(proof.c.run_id == run_id)
    return sa.select(reconciliation).where(reconciliation.c.id.in_(newest))
