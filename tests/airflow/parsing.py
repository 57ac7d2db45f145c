"""Parses the DAG files as the dag-processor does, in a process without any services, and prints what it observed.

Run as ``python -m tests.airflow.parsing``; the facts come as one line of JSON. ``python -m tests.airflow.parsing FILE`` prints
instead the seconds of processor time that importing one DAG file costs beyond ``airflow.sdk``'s ``dag`` and ``task``. A program
and not a fixture, because only a fresh process shows what an import costs and does.
"""

from __future__ import annotations

import json
import runpy
import socket
import sys
import time
from datetime import timedelta
from typing import Any

from tests.airflow.server import ROOT


def cost(path: str) -> float:
    """The cost of importing a DAG file, in seconds of processor time."""
    from airflow.sdk import dag, task  # noqa: F401 what no DAG file can avoid

    before = time.process_time()
    runpy.run_path(path)
    return time.process_time() - before


def facts() -> dict[str, Any]:
    """What the dag-processor learns, and what was requested from the network and from Airflow meanwhile."""
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import BaseHook, Connection, Variable

    asked: list[str] = []

    def forbid(name: str) -> Any:
        def refuse(*_: object, **__: object) -> None:
            asked.append(name)
            raise AssertionError(f"{name} while a DAG file is parsed")

        return refuse

    forbidden: list[tuple[Any, str]] = [
        (socket.socket, "connect"),
        (socket, "getaddrinfo"),
        (Connection, "get"),
        (Variable, "get"),
        (BaseHook, "get_connection"),
    ]
    for owner, name in forbidden:
        setattr(owner, name, forbid(f"{owner.__name__}.{name}"))
    bag = DagBag(dag_folder=ROOT / "dags", collect_dags=True)
    dags = {dag_id: _facts(parsed) for dag_id, parsed in bag.dags.items()}
    return {"asked": asked, "errors": bag.import_errors, "dags": dags}


def _facts(parsed: Any) -> dict[str, Any]:
    return {
        "doc_md": parsed.doc_md,
        "max_active_runs": parsed.max_active_runs,
        "params": sorted(parsed.params),
        "tasks": {task.task_id: _task_facts(task) for task in parsed.tasks},
    }


def _task_facts(task: Any) -> dict[str, Any]:
    arguments = task.partial_kwargs if task.is_mapped else vars(task)
    return {
        "downstream": sorted(task.downstream_task_ids),
        "retries": task.retries,
        "retry_delay": _seconds(task.retry_delay),
        "max_retry_delay": _seconds(task.max_retry_delay),
        "exponential": task.retry_exponential_backoff,
        "policy": type(arguments.get("retry_policy") or getattr(task, "retry_policy", None)).__name__,
        "execution_timeout": _seconds(task.execution_timeout),
    }


def _seconds(duration: timedelta | float | None) -> float | None:
    return duration.total_seconds() if isinstance(duration, timedelta) else duration


if __name__ == "__main__":
    json.dump(cost(sys.argv[1]) if sys.argv[1:] else facts(), sys.stdout)
