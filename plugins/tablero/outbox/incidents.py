"""Failed tasks and runs, and runs that were not as usual, remembered so that each cause is told once, when it is time, and its
end too.

The runs of a schedule follow one another: an incident of theirs lasts until the run that failed last, or a later one, succeeds.
Runs that someone starts may be about anything: they have incidents of their own, which last until what the one that failed last
left open is settled. An incident is one cause: another cause is told although the first one is still open.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from tablero.errors import NotSettledError, PermanentError
from tablero.outbox.engine import reading, writing
from tablero.outbox.schema import incident, notice, reconciliation, trouble

#: How the id of a scheduled run begins. Its time follows, in UTC, so that such ids sort as the runs follow one another.
_SCHEDULED = "scheduled__"

#: How the cause of an incident begins that is no failure.
_DEGRADED = "degraded:"

#: What differs between two reports of one cause: numbers, ids, names, whatever is quoted.
_VARIABLE = re.compile(r"\S*\d\S*|'[^']*'|\"[^\"]*\"|«[^»]*»")


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
    :ivar cause: what tells this kind of failure from others; see :func:`cause_of`.
    :ivar task_id: with ``map_index`` (-1 if it is not mapped) and ``try_number``, where its log is; ``None`` if not known.
    """

    task: str
    permanent: bool
    words: str
    cause: str = ""
    task_id: str | None = None
    map_index: int | None = None
    try_number: int | None = None

    @property
    def is_consequence(self) -> bool:
        """Whether it only says that something else went wrong before."""
        return self.cause == NotSettledError.__name__


class OpenWindow(NamedTuple):
    """A window which the run's reconciliation left unsettled.

    :ivar pending: rows of it.
    :ivar start: its first instant.
    :ivar end: the first instant after it.
    """

    label: str
    pending: int
    start: datetime
    end: datetime

    def is_within(self, other: OpenWindow) -> bool:
        """Whether it is a part of a longer one, such as a day of a month that was proved anew."""
        return (self.start, self.end) != (other.start, other.end) and other.start <= self.start and self.end <= other.end


class Situation(NamedTuple):
    """What there is to tell of a run.

    :ivar troubles: failed tasks, the first one first.
    :ivar windows: unsettled ones.
    """

    troubles: list[Trouble]
    windows: list[OpenWindow]

    @property
    def pending(self) -> int:
        """Rows that are pending, each counted once."""
        whole = (one for one in self.windows if not any(one.is_within(other) for other in self.windows))
        return sum(one.pending for one in whole)


class Opened(NamedTuple):
    """What is to be told of a run that failed, or was not as usual.

    :ivar causes: those which nobody was told of yet.
    :ivar since: when the first of the incidents that are open began.
    """

    causes: list[str]
    since: datetime | None


def cause_of(error: BaseException) -> str:
    """What tells the cause of a failure from others, whatever window, number or name it mentions.

    What may pass by itself is one cause for each kind of error: a server that is down is refused connections today, and
    time-outs tomorrow.
    """
    kind = type(error).__name__
    if not isinstance(error, PermanentError) or isinstance(error, NotSettledError):
        return kind
    words = _VARIABLE.sub("", str(error))
    return f"{kind}:{hashlib.blake2b(words.encode(), digest_size=8).hexdigest()}"


def record_trouble(engine: Engine, dag_id: str, run_id: str, found: Trouble, *, now: datetime) -> None:
    """Remember why a task failed."""
    values = found._asdict() | {"task": found.task[:300], "words": found.words[:2000]}
    with writing(engine) as connection:
        connection.execute(sa.insert(trouble).values(dag_id=dag_id, run_id=run_id, happened_at=now, **values))


def situation(engine: Engine, dag_id: str, run_id: str, *, since: datetime | None) -> Situation:
    """Everything that is known of a run.

    :param since: when it started, or was cleared; what failed before that is history. ``None``: from its beginning.
    """
    recent = trouble.c.happened_at >= since if since is not None else sa.true()
    with reading(engine) as connection:
        troubles = connection.execute(
            sa.select(*(trouble.c[name] for name in Trouble._fields))
            .where(trouble.c.dag_id == dag_id, trouble.c.run_id == run_id, recent)
            .order_by(trouble.c.id)
        ).all()
        left_open = _last_proofs(run_id).where(~reconciliation.c.settled).order_by(reconciliation.c.window_start)
        columns = (reconciliation.c[name] for name in ("label", "pending", "window_start", "window_end"))
        windows = connection.execute(left_open.with_only_columns(*columns)).all()
    return Situation([Trouble(*row) for row in troubles], [OpenWindow(*row) for row in windows])


def run_failed(engine: Engine, run: Run, *, causes: Mapping[str, bool], threshold: int, now: datetime) -> Opened:
    """Count a failed run.

    :param causes: of its failure; each with whether it is permanent, and so told at once.
    :param threshold: failed runs in a row from which on the others are told.
    :returns: the causes that are to be told now: each once for each incident.
    """
    with writing(engine) as connection:
        found = {row.cause: row for row in connection.execute(_open((run.series,)).where(~_is_degraded)).all()}
        for row in list(found.values()):
            if _ended_unheard(connection, row, run):
                _close(connection, row, now)
                del found[row.cause]
        # All incidents of a series count its runs alike. A run that is cleared fails again, and so may one before it; that is
        # no second failure.
        last = next(iter(found.values()), None)
        follows = last is None or _follows(run, last.last_run_id)
        failures = (0 if last is None else last.failures) + follows
        counted = {"failures": failures, "last_run_id": run.run_id if last is None or follows else last.last_run_id}
        untold = [cause for cause in causes if cause not in found or found[cause].alerted_at is None]
        tell = [cause for cause in untold if causes[cause] or failures >= threshold]
        for cause in found.keys() | causes.keys():
            values = counted | ({"alerted_at": now} if cause in tell else {})
            _put(connection, run.series, cause, found.get(cause), values, now)
        return Opened(tell, min((row.opened_at for row in found.values()), default=now))


def run_succeeded(engine: Engine, run: Run, *, now: datetime) -> bool:
    """End the incidents that are over with this run.

    :returns: whether that is to be told, because one of them was told itself.
    """
    with writing(engine) as connection:
        found = connection.execute(_open((run.dag_id, _by_hand(run.dag_id))).where(~_is_degraded)).all()
        over = [one for one in found if _ends(connection, run, one)]
        for one in over:
            _close(connection, one, now)
    return any(one.alerted_at is not None for one in over)


def run_degraded(engine: Engine, run: Run, causes: Collection[str], *, now: datetime) -> tuple[list[str], list[str]]:
    """Compare what was not as usual in a run that ended with what was told before.

    :param causes: what was not as usual; may be nothing.
    :returns: the causes to be told now, and those that are over and had been told. What someone starts has no end of its own
        to wait for: its causes are told once for each run.
    """
    with writing(engine) as connection:
        if not run.scheduled:
            known = sa.select(incident.c.cause).where(incident.c.dag_id == run.series, incident.c.last_run_id == run.run_id)
            told = set(connection.scalars(known))
            new = [cause for cause in causes if _DEGRADED + cause not in told]
            for cause in new:
                values = {"last_run_id": run.run_id, "failures": 0, "alerted_at": now, "closed_at": now}
                _put(connection, run.series, _DEGRADED + cause, None, values, now)
            return new, []
        found = {row.cause.removeprefix(_DEGRADED): row for row in connection.execute(_open((run.series,)).where(_is_degraded))}
        new = [cause for cause in causes if cause not in found]
        over = [cause for cause, row in found.items() if cause not in causes and run.run_id >= row.last_run_id]
        for cause in over:
            _close(connection, found[cause], now)
        for cause in causes:
            row = found.get(cause)
            values = {"failures": 0, "last_run_id": max(run.run_id, row.last_run_id if row else "")}
            _put(connection, run.series, _DEGRADED + cause, row, values | ({} if row else {"alerted_at": now}), now)
        return new, over


def was_sent(engine: Engine, kind: str, label: str) -> bool:
    """Whether the mail of this kind for this period has gone out."""
    same = sa.and_(notice.c.kind == kind, notice.c.label == label)
    with reading(engine) as connection:
        return connection.scalar(sa.select(notice.c.sent_at).where(same)) is not None


def mark_sent(engine: Engine, kind: str, label: str, *, now: datetime) -> None:
    """Remember that it has."""
    with writing(engine) as connection:
        connection.execute(sa.delete(notice).where(notice.c.kind == kind, notice.c.label == label))
        connection.execute(sa.insert(notice).values(kind=kind, label=label, sent_at=now))


_is_degraded = incident.c.cause.startswith(_DEGRADED, autoescape=True)


def _put(connection: Connection, series: str, cause: str, found: Any, values: dict[str, Any], now: datetime) -> None:
    if found is None:
        connection.execute(sa.insert(incident).values(dag_id=series, cause=cause, opened_at=now, **values))
    else:
        connection.execute(sa.update(incident).where(incident.c.id == found.id).values(**values))


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
