"""Incidents: failed or degraded runs, stored so that each cause is alerted once, and its end as well.

Scheduled runs form a series: an incident of a series lasts until the run that failed last, or a later one, succeeds. Runs that
a person starts may concern anything, so they have incidents of their own, which last until the windows that the last failed one
left unsettled are settled, or, if it came to read none, until another one succeeds. An incident has one cause; a new cause is
alerted even while another incident is open.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.outbox.alerts.troubles import IS_WAIT, last_proofs
from tablero.outbox.schema import extraction, incident, reconciliation, trouble

#: Prefix of the id of a scheduled run. A timestamp in UTC follows, so that these ids sort in the order of the runs.
SCHEDULED = "scheduled__"

_ONE_DAY = timedelta(days=1)

#: Prefix of the cause of an incident that is not a failure.
DEGRADED = "degraded:"

#: Suffix of the key of the incidents of runs that a person started.
BY_HAND = " by hand"


class EndedRun(NamedTuple):
    """A DAG run that ended.

    :ivar scheduled: whether the DAG's schedule started it; otherwise a person did, by hand or as a backfill.
    """

    dag_id: str
    run_id: str
    scheduled: bool

    @property
    def series(self) -> str:
        """The key of the incidents of such runs, stored in the column ``dag_id``."""
        return self.dag_id if self.scheduled else _by_hand(self.dag_id)


def _by_hand(dag_id: str) -> str:
    return f"{dag_id}{BY_HAND}"


class Opened(NamedTuple):
    """What to alert about a run that failed or is degraded.

    :ivar causes: causes that have not been alerted yet.
    :ivar since: when the oldest open incident began.
    """

    causes: list[str]
    since: datetime | None


def run_failed(
    connection: Connection,
    run: EndedRun,
    *,
    causes: Mapping[str, bool],
    threshold: int | None,
    now: datetime,
    is_complete: bool = False,
) -> Opened:
    """Count a failed run.

    :param causes: the causes of its failure, each with whether it is permanent and therefore alerted at once.
    :param threshold: number of failed runs in a row after which other causes are alerted; ``None`` if nobody is to be alerted,
        so that the incident is only stored.
    :param is_complete: whether all tasks of the run came to do their work. Then a cause that is missing is over, and is alerted
        again if it returns while another one lasts.
    :returns: the causes to alert now; each is alerted once per incident.
    """
    found = {row.cause: row for row in connection.execute(_open((run.series,)).where(~_is_degraded)).all()}
    for row in list(found.values()):
        if _ended_unheard(connection, row, run) or _is_of_another_day(connection, row, run, now):
            _close(connection, row, now)
            del found[row.cause]
    # All incidents of a series count the same runs. A cleared run may fail again, and so may an earlier one: neither counts
    # twice.
    last = next(iter(found.values()), None)
    follows = last is None or _follows(run, last.last_run_id)
    failures = (0 if last is None else last.failures) + follows
    if is_complete and follows and run.scheduled:
        for cause in found.keys() - causes.keys():
            _close(connection, found.pop(cause), now)
    counted = {"failures": failures, "last_run_id": run.run_id if last is None or follows else last.last_run_id}
    not_alerted = [cause for cause in causes if cause not in found or found[cause].alerted_at is None]
    to_alert = [] if threshold is None else [cause for cause in not_alerted if causes[cause] or failures >= threshold]
    for cause in found.keys() | causes.keys():
        values = counted | ({"alerted_at": now} if cause in to_alert else {})
        _put(connection, run.series, cause, found.get(cause), values, now)
    return Opened(to_alert, min((row.opened_at for row in found.values()), default=now))


def run_succeeded(connection: Connection, run: EndedRun, *, now: datetime) -> bool:
    """Close the incidents that end with this run.

    :returns: whether to send a recovery notice: one of these incidents was alerted.
    """
    found = connection.execute(_open((run.dag_id, _by_hand(run.dag_id))).where(~_is_degraded)).all()
    over = [one for one in found if _ends(connection, run, one)]
    for one in over:
        _close(connection, one, now)
    return any(one.alerted_at is not None for one in over)


def run_degraded(
    connection: Connection,
    run: EndedRun,
    causes: Collection[str],
    *,
    events: Collection[str] = (),
    is_complete: bool,
    now: datetime,
) -> tuple[list[str], list[str]]:
    """Compare the degradations of a run that ended with those that were alerted before.

    :param causes: the causes of the degradations; may be empty.
    :param events: causes that do not last. They are alerted once per run, as all are of a run that a person starts, since no
        later run ends their incident.
    :param is_complete: whether the run judged all its windows. If not, as in a run that failed before it read them, that a
        cause is missing does not mean that it is over.
    :returns: the causes to alert now, and those that are over and had been alerted.
    """
    new = _once_per_run(connection, run, [cause for cause in causes if cause in events or not run.scheduled], now)
    if not run.scheduled:
        return new, []
    over_before = _over_since(connection, run)
    causes = [cause for cause in causes if cause not in events and cause not in over_before]
    found = {row.cause.removeprefix(DEGRADED): row for row in connection.execute(_open((run.series,)).where(_is_degraded))}
    new += [cause for cause in causes if cause not in found]
    missing = [cause for cause, row in found.items() if cause not in causes and run.run_id >= row.last_run_id]
    over = missing if is_complete else []
    for cause in over:
        _close(connection, found[cause], now)
    for cause in causes:
        row = found.get(cause)
        values = {"failures": 0, "last_run_id": max(run.run_id, row.last_run_id if row else "")}
        _put(connection, run.series, DEGRADED + cause, row, values | ({} if row else {"alerted_at": now}), now)
    return new, over


def _over_since(connection: Connection, run: EndedRun) -> set[str]:
    """The causes that this run, which was cleared, or a later one has reported, and that are over: the past of a run that is
    cleared is not alerted again.
    """
    later = sa.and_(incident.c.dag_id == run.series, incident.c.last_run_id >= run.run_id, _is_degraded)
    rows = connection.execute(sa.select(incident.c.cause, incident.c.closed_at).where(later)).all()
    still_open = {row.cause for row in rows if row.closed_at is None}
    return {row.cause.removeprefix(DEGRADED) for row in rows if row.cause not in still_open}


def _once_per_run(connection: Connection, run: EndedRun, causes: Collection[str], now: datetime) -> list[str]:
    known = sa.select(incident.c.cause).where(incident.c.dag_id == run.series, incident.c.last_run_id == run.run_id)
    alerted = set(connection.scalars(known))
    new = [cause for cause in causes if DEGRADED + cause not in alerted]
    for cause in new:
        values = {"last_run_id": run.run_id, "failures": 0, "alerted_at": now, "closed_at": now}
        _put(connection, run.series, DEGRADED + cause, None, values, now)
    return new


_is_degraded = incident.c.cause.startswith(DEGRADED, autoescape=True)


def _put(connection: Connection, series: str, cause: str, found: Any, values: dict[str, Any], now: datetime) -> None:
    if found is None:
        connection.execute(sa.insert(incident).values(dag_id=series, cause=cause, opened_at=now, **values))
    else:
        connection.execute(sa.update(incident).where(incident.c.id == found.id).values(**values))


def _ends(connection: Connection, run: EndedRun, found: Any) -> bool:
    if found.dag_id != _by_hand(run.dag_id):
        return run.scheduled and run.run_id >= found.last_run_id
    if _has_read(connection, found.last_run_id):
        return not _left_open(connection, found.last_run_id)
    return not run.scheduled  # what it was to send is not known: a night says nothing about that, a person has tried again


def _follows(run: EndedRun, last_run_id: str) -> bool:
    return run.run_id > last_run_id if run.scheduled else run.run_id != last_run_id


def _open(series: Iterable[str]) -> sa.Select[Any]:
    return sa.select(incident).where(incident.c.dag_id.in_(list(series)), incident.c.closed_at.is_(None)).with_for_update()


def _close(connection: Connection, found: Any, now: datetime) -> None:
    connection.execute(sa.update(incident).where(incident.c.id == found.id).values(closed_at=now))


def _ended_unheard(connection: Connection, found: Any, run: EndedRun) -> bool:
    """Whether the incident is over although it could not be closed: a run succeeded while the outbox was unavailable.

    The proof of that run is stored, or it would not have succeeded. Settled windows alone do not mean success: a run may fail
    after its proof, such as by the count over all windows. Without this check an incident that was alerted would suppress the
    alert of the next one.

    :param run: the run that failed now.
    """
    scheduled = reconciliation.c.run_id.startswith(SCHEDULED, autoescape=True)
    if run.scheduled:
        among = sa.and_(scheduled, reconciliation.c.run_id >= found.last_run_id)
    else:
        among = ~scheduled
    failed_later = sa.exists().where(
        trouble.c.run_id == reconciliation.c.run_id, trouble.c.happened_at >= reconciliation.c.counted_at, ~IS_WAIT
    )
    succeeded = (
        last_proofs()
        .where(among, reconciliation.c.run_id != run.run_id, reconciliation.c.counted_at >= found.opened_at)
        .group_by(reconciliation.c.run_id)
        .having(sa.func.min(sa.case((sa.and_(reconciliation.c.settled, ~failed_later), 1), else_=0)) == 1)
        .with_only_columns(reconciliation.c.run_id)
        .limit(1)
    )
    unheard = connection.execute(succeeded).first() is not None
    return unheard and (run.scheduled or not _left_open(connection, found.last_run_id))


def _is_of_another_day(connection: Connection, found: Any, run: EndedRun, now: datetime) -> bool:
    """Whether an incident of a run by hand that read nothing says nothing about the run that failed now: within a day they may
    be parts of one backfill, whose cause is alerted once.
    """
    return not run.scheduled and now - found.opened_at > _ONE_DAY and not _has_read(connection, found.last_run_id)


def _has_read(connection: Connection, run_id: str) -> bool:
    """Whether a run came to read or to prove a window."""
    of_run = (sa.exists().where(one.c.run_id == run_id) for one in (extraction, reconciliation))
    return connection.scalar(sa.select(sa.or_(*of_run))) or False


def _left_open(connection: Connection, run_id: str) -> bool:
    """Whether a window that a run left unsettled, or read without proving it, is still unsettled: no later run of any kind has
    settled all of it.
    """
    later = reconciliation.alias("later")

    def is_settled_since(one: sa.Table, since: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        around = sa.and_(later.c.window_start <= one.c.window_start, later.c.window_end >= one.c.window_end)
        return sa.exists().where(since, around, later.c.settled)

    proved = sa.exists().where(
        reconciliation.c.run_id == run_id,
        reconciliation.c.window_start == extraction.c.window_start,
        reconciliation.c.window_end == extraction.c.window_end,
    )
    unsettled = last_proofs(run_id).where(
        ~reconciliation.c.settled, ~is_settled_since(reconciliation, later.c.id > reconciliation.c.id)
    )
    unproved = sa.select(extraction.c.id).where(
        extraction.c.run_id == run_id,
        ~proved,
        ~is_settled_since(extraction, later.c.counted_at >= extraction.c.started_at),
    )
    return any(connection.execute(still.limit(1)).first() is not None for still in (unsettled, unproved))
