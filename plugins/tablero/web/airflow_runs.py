"""Runs of our two DAGs in Airflow: which are active, when the daily send last ran and runs next, and starting one."""

from __future__ import annotations

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

#: The mapped task of the historical load, one index for each month.
_MONTH_TASK = "load_month"


class CannotStart(Exception):
    """Airflow refuses to start a run; in its own words."""


class Run(NamedTuple):
    """A run of one of the DAGs."""

    dag_id: str
    run_id: str
    state: str
    run_type: str
    start: datetime | None
    end: datetime | None


class Daily(NamedTuple):
    """How the daily send is doing.

    :ivar last: the last scheduled run that ended.
    :ivar next_at: when the next one begins.
    :ivar known: whether Airflow knows the DAG at all.
    """

    known: bool
    paused: bool
    last: Run | None
    next_at: datetime | None


class Runs:
    """Asks Airflow, and starts runs.

    :param session: of Airflow's own database.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def at_work(self) -> list[Run]:
        """The runs that are queued or running, those that run first."""
        query = sa.select(DagRun).where(DagRun.dag_id.in_(DAGS), DagRun.state.in_(_AT_WORK))
        found = [_to_run(run) for run in self._session.scalars(query.order_by(DagRun.start_date, DagRun.id).limit(_MOST))]
        return sorted(found, key=lambda run: run.state != "running")

    def daily(self) -> Daily:
        """How the daily send is doing."""
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

    def is_paused(self, dag_id: str) -> bool:
        """Whether runs of a DAG stay queued until someone unpauses it."""
        return bool(self._session.scalar(sa.select(DagModel.is_paused).where(DagModel.dag_id == dag_id)))

    def months_left(self, run: Run) -> int:
        """How many months of a historical load are not loaded yet."""
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

    def path_of(self, kind: str, run_id: str, label: str | None = None) -> str:
        """Where Airflow shows a run, relative to its own root.

        :param kind: of the window: ``month`` is the historical load's, ``day`` the daily send's.
        :param label: of the window; if given, and its mapped task is still known, the page of that task.
        """
        dag_id = HISTORY if kind == "month" else DAILY
        path = f"dags/{dag_id}/runs/{quote(run_id, safe='')}"
        if label is None or kind != "month":
            return path
        query = sa.select(TaskInstance.map_index).where(
            TaskInstance.dag_id == dag_id,
            TaskInstance.run_id == run_id,
            TaskInstance.task_id == _MONTH_TASK,
            cast("sa.ColumnElement[str]", TaskInstance.rendered_map_index) == label,
        )
        index = self._session.scalar(query.limit(1))
        return path if index is None else f"{path}/tasks/{_MONTH_TASK}/mapped/{index}"

    def start(self, rerun: Rerun, user: Any) -> str:
        """Start a run in the name of a user; returns its id.

        :raises CannotStart: Airflow refuses.
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


#: More runs than this are never at work: each DAG has one at a time, and others wait.
_MOST = 20

_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")


def _to_run(run: DagRun) -> Run:
    return Run(run.dag_id, run.run_id, str(run.state), str(run.run_type), run.start_date, run.end_date)


def _runs(session: SessionDep) -> Runs:
    return Runs(session)


RunsDep = Annotated[Runs, Depends(_runs)]
