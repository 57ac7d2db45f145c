"""Runs of the two DAGs in Airflow: which are active, when the daily send last ran and runs next, and triggering one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, NamedTuple, cast
from urllib.parse import quote

import sqlalchemy as sa
from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.common.db.common import SessionDep
from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.sdk.exceptions import AirflowException
from airflow.utils.types import DagRunTriggeredByType
from fastapi import Depends
from sqlalchemy.orm import Session
from tablero.web.access import DAGS, DAILY, HISTORY
from tablero.web.reruns import Rerun

_AT_WORK = ("queued", "running")

#: The mapped task of the historical load, one index per month.
_MONTH_TASK = "load_month"


class CannotStart(Exception):
    """Airflow refuses to trigger a run; the message is Airflow's own."""


class Run(NamedTuple):
    """A run of one of the DAGs."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    start: datetime | None
    end: datetime | None


class RunLink(NamedTuple):
    """A link to a run.

    :ivar dag_id: ``None`` for what is no run of Airflow, such as ``tablero adopt``, and for runs that were deleted there.
    :ivar path: relative to Airflow's root; ``None`` likewise.
    """

    run_id: str
    dag_id: str | None
    path: str | None


def link_to(dag_id: str | None, run_id: str, map_index: int | None = None) -> RunLink:
    """The link to a run of a known DAG, or to the task that loaded a month in it."""
    if dag_id is None:
        return RunLink(run_id, None, None)
    task = "" if map_index is None else f"/tasks/{_MONTH_TASK}/mapped/{map_index}"
    return RunLink(run_id, dag_id, f"dags/{dag_id}/runs/{quote(run_id, safe='')}{task}")


class Daily(NamedTuple):
    """The state of the daily send.

    :ivar known: whether Airflow has the DAG.
    :ivar last: the last scheduled run that ended.
    :ivar next_at: when the next one starts.
    """

    known: bool
    paused: bool
    last: Run | None
    next_at: datetime | None


class Runs:
    """Queries Airflow's runs, and triggers new ones.

    :param session: of Airflow's metadata database.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def at_work(self) -> list[Run]:
        """The queued and running runs, running ones first."""
        query = sa.select(DagRun).where(DagRun.dag_id.in_(DAGS), DagRun.state.in_(_AT_WORK))
        found = [_to_run(run) for run in self._session.scalars(query.order_by(DagRun.start_date, DagRun.id).limit(_MOST))]
        return sorted(found, key=lambda run: run.state != "running")

    def daily(self) -> Daily:
        """The state of the daily send."""
        dag = self._session.get(DagModel, DAILY)
        query = (
            sa.select(DagRun)
            .where(DagRun.dag_id == DAILY, DagRun.run_type == "scheduled", DagRun.end_date.is_not(None))
            .order_by(DagRun.end_date.desc())
            .limit(1)
        )
        last = self._session.scalar(query)
        return Daily(
            known=dag is not None,
            paused=dag is not None and bool(dag.is_paused),
            last=None if last is None else _to_run(last),
            next_at=None if dag is None else dag.next_dagrun_create_after,
        )

    def paused(self, reruns: Iterable[Rerun]) -> list[str]:
        """The DAGs of these runs that are paused, so that the runs would stay queued."""
        ids = {rerun.dag_id for rerun in reruns}
        query = sa.select(DagModel.dag_id).where(DagModel.dag_id.in_(ids), DagModel.is_paused).order_by(DagModel.dag_id)
        return list(self._session.scalars(query))

    def months_left(self, run: Run) -> int:
        """The number of months of a historical load that are not loaded yet."""
        query = (
            sa.select(sa.func.count())
            .select_from(TaskInstance)
            .where(
                TaskInstance.dag_id == run.dag_id,
                TaskInstance.run_id == run.run_id,
                TaskInstance.task_id == _MONTH_TASK,
                TaskInstance.map_index >= 0,
                sa.or_(TaskInstance.state.is_(None), TaskInstance.state.not_in(_ENDED)),
            )
        )
        return int(self._session.scalar(query) or 0)

    def links(self, asked: Iterable[tuple[str, str | None]]) -> list[RunLink]:
        """Links to runs of which only the id is on record, in the order of ``asked``.

        A window does not tell which DAG read or proved it: the daily send audits months, too.

        :param asked: run ids, each with the label of a month that it has loaded, whose mapped task is linked, or ``None``.
        """
        pairs = list(asked)
        run_ids = {run_id for run_id, _ in pairs}
        dags = sa.select(DagRun.run_id, DagRun.dag_id).where(DagRun.dag_id.in_(DAGS), DagRun.run_id.in_(run_ids))
        dag_of = {run_id: dag_id for run_id, dag_id in self._session.execute(dags)}  # noqa: C416 typed on every Python
        label = cast("sa.ColumnElement[str]", TaskInstance.rendered_map_index)
        mapped = sa.select(TaskInstance.run_id, label, TaskInstance.map_index).where(
            TaskInstance.dag_id == HISTORY,
            TaskInstance.run_id.in_(run_ids),
            TaskInstance.task_id == _MONTH_TASK,
            label.in_({label for _, label in pairs if label is not None}),
        )
        index_of: dict[tuple[str, str | None], int] = {
            (run_id, label): index for run_id, label, index in self._session.execute(mapped)
        }
        return [link_to(dag_of.get(run_id), run_id, index_of.get((run_id, label))) for run_id, label in pairs]

    def start(self, rerun: Rerun, user: Any) -> str:
        """Trigger a run on behalf of a user; returns its id.

        :raises CannotStart: if Airflow refuses.
        """
        try:
            run = trigger_dag(
                rerun.dag_id,
                triggered_by=DagRunTriggeredByType.UI,
                triggering_user_name=user.get_name(),
                conf=dict(rerun.conf),
                replace_microseconds=False,
            )
        except (AirflowException, ValueError, sa.exc.SQLAlchemyError) as error:
            raise CannotStart(f"{rerun.dag_id}: {error}") from error
        if run is None:
            raise CannotStart(f"{rerun.dag_id}: no run was made")
        return str(run.run_id)


#: Limit for active runs: each DAG has one at a time, and a few may be queued.
_MOST = 20

_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


def _to_run(run: DagRun) -> Run:
    return Run(run.dag_id, run.run_id, str(run.state), str(run.run_type), run.start_date, run.end_date)


def _runs(session: SessionDep) -> Runs:
    return Runs(session)


RunsDep = Annotated[Runs, Depends(_runs)]
