"""The parts of Airflow's REST API that the demo needs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

import requests

from sandbox.demo_failure import DemoError

#: Long, since Airflow may share two cores with other programs.
_ANSWER_SECONDS = 120.0

_NEVER = datetime.min.replace(tzinfo=timezone.utc)


class Api:
    """One user's session.

    :param url: ``http://127.0.0.1:<port>``.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self._url = url
        self._login = {"username": user, "password": password}
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy for 127.0.0.1

    def log_in(self) -> bool:
        """Get a token; returns whether a server answered with one."""
        try:
            answer = self._session.post(f"{self._url}/auth/token", json=self._login, timeout=10)
        except requests.RequestException:
            return False
        if answer.status_code != 201:
            return False
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return True

    def parsed_at(self, dag_id: str) -> datetime:
        """When the file of a DAG was last read; long ago if it never was.

        :raises DemoError: if a DAG cannot be imported.
        """
        for problem in self._call("GET", "/importErrors")["import_errors"]:
            raise DemoError(f"{problem['filename']}:\n{problem['stack_trace']}")
        found = self._call("GET", f"/dags?dag_id_pattern={dag_id}")["dags"]
        parsed = [dag["last_parsed_time"] for dag in found if dag["dag_id"] == dag_id]
        return datetime.fromisoformat(parsed[0].replace("Z", "+00:00")) if parsed and parsed[0] else _NEVER

    def pause(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""
        self._call("PATCH", f"/dags/{dag_id}", {"is_paused": paused})

    def trigger(self, dag_id: str, run_id: str, params: Mapping[str, Any]) -> None:
        """Trigger a run."""
        self._call("POST", f"/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None, "conf": dict(params)})

    def unfinished(self, dag_id: str) -> list[str]:
        """The ids of the runs that have not ended, oldest first."""
        runs = self._call("GET", f"/dags/{dag_id}/dagRuns?state=queued&state=running&order_by=id")["dag_runs"]
        return [run["dag_run_id"] for run in runs]

    def give_up(self, dag_id: str, run_id: str) -> None:
        """Mark a run and its running tasks as failed."""
        self._call("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", {"state": "failed"})

    def state(self, dag_id: str, run_id: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self._call("GET", f"/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str, state: str) -> list[dict[str, Any]]:
        """The run's tasks in this state."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances?state={state}"
        tasks: list[dict[str, Any]] = self._call("GET", path)["task_instances"]
        return tasks

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            answer = self._session.request(method, f"{self._url}/api/v2{path}", json=body, timeout=_ANSWER_SECONDS)
            if answer.status_code == 401 and self.log_in():  # a token lasts a day; the demo may last longer
                answer = self._session.request(method, f"{self._url}/api/v2{path}", json=body, timeout=_ANSWER_SECONDS)
        except requests.RequestException as error:
            raise DemoError(f"Airflow no responde / does not answer: {method} {path}: {error}") from error
        if not answer.ok:
            raise DemoError(f"{method} {path}: HTTP {answer.status_code} {answer.text[:500]}")
        return answer.json()
