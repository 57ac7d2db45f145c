"""Airflow's listener: what every task imports is imported once, by the processes that tasks are forked from.

A task of LocalExecutor runs in a fork of the scheduler, and the callback of a run in one of the dag-processor. What those two
have imported costs a fork neither time nor memory. Otherwise each of the 84 tasks of a load would import it anew, which takes
three times as long as reading a month that has not changed. Airflow preloads modules of its own in the same way
(``parsing_pre_import_modules``; its Celery executor). Celery's workers call no listener before they fork: there each task
imports what it needs.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: object) -> None:
    """Called by Airflow when the scheduler, the dag-processor or the triggerer starts, and in the process of each task."""
    from airflow.sdk.execution_time.task_runner import TaskRunnerMarker

    if isinstance(component, TaskRunnerMarker):
        return  # of whatever DAG
    try:
        _import_all()
    except Exception:  # the task that needs it fails by it, in its own log
        log.debug("not preloaded", exc_info=True)


def _import_all() -> None:
    """Import what DAG files and tasks import at their top, and what tasks import when they connect to something."""
    import airflow.providers.common.sql.hooks.sql
    import tablero.airflow.callbacks
    import tablero.airflow.operators
    import tablero.airflow.tasks
    import tablero.dashboard.client
    import tablero.source.parameters  # noqa: F401

    with suppress(ImportError):  # the extra ``postgres``
        import airflow.providers.postgres.hooks.postgres  # noqa: F401
        import psycopg  # noqa: F401
        import sqlalchemy.dialects.postgresql.psycopg  # noqa: F401
