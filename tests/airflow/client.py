"""Airflow's public REST API, as far as the tests need it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import quote

import httpx

from tests import waiting

Json = dict[str, Any]

#: Seconds that a run may take on a slow machine before a test gives up on it.
PATIENCE = 900.0

wait_for = partial(waiting.wait_for, patience=PATIENCE, every=0.5)

DAGS = ("historical_load", "daily_send")


class Client:
    """A logged-in user of the API at ``url``."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self._user = {"username": user, "password": password}
        self._http = httpx.Client(base_url=url, timeout=180, trust_env=False)

    def is_ready(self) -> bool:
        """Whether all components are healthy and both DAGs were parsed."""
        if "authorization" not in self._http.headers:
            answer = self._http.post("/auth/token", json=self._user)
            answer.raise_for_status()
            self._http.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        health = self.get("/monitor/health")
        components = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        if any(health[name]["status"] != "healthy" for name in components):
            return False
        known = {dag["dag_id"] for dag in self.get("/dags")["dags"]}
        return known.issuperset(DAGS) and all(self._has_version(dag_id) for dag_id in DAGS)

    def _has_version(self, dag_id: str) -> bool:
        return bool(self.get(f"/dags/{dag_id}/dagVersions")["dag_versions"])

    def get(self, path: str, **query: Any) -> Json:
        """GET; returns the JSON of the answer."""
        return self.ask("GET", path, params=query).json()

    def ask(self, method: str, path: str, *, expected: Collection[int] = range(200, 300), **arguments: Any) -> httpx.Response:
        """Send a request.

        :param path: below ``/api/v2``.
        :param expected: accepted status codes; any other one is an error.
        """
        answer = self._http.request(method, f"/api/v2{path}", **arguments)
        assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer

    def grid(self, path: str, **query: Any) -> str:
        """Data that Airflow's own pages request for their grid, below ``/ui/grid``."""
        answer = self._http.get(f"/ui/grid{path}", params=query)
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[:2000]}"
        return answer.text

    def page(self, url: str) -> httpx.Response:
        """What a logged-in user sees behind a link."""
        return self._http.get(url)

    def connect(self, conn_id: str, **fields: Any) -> None:
        """Create a connection, as a user does in the UI."""
        self.ask("POST", "/connections", json={"connection_id": conn_id, **fields})

    def reconnect(self, conn_id: str, **fields: Any) -> None:
        """Change where a connection leads."""
        self.ask("PATCH", f"/connections/{conn_id}", json={"connection_id": conn_id, **fields})

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        """Switch a DAG on."""
        self.ask("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def trigger(self, dag_id: str, conf: Json | None = None) -> str:
        """Trigger a run; returns its id."""
        answer = self.ask("POST", f"/dags/{dag_id}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        return str(answer.json()["dag_run_id"])

    def runs(self, dag_id: str, **query: Any) -> list[Json]:
        """The runs of a DAG."""
        return list(self.get(f"/dags/{dag_id}/dagRuns", limit=200, **query)["dag_runs"])

    def run(self, dag_id: str, run_id: str) -> Json:
        """One run."""
        return self.get(_run(dag_id, run_id))

    def wait(self, dag_id: str, run_id: str, patience: float = PATIENCE) -> str:
        """Wait until a run has ended; returns its state."""

        def ended() -> str | None:
            state = str(self.run(dag_id, run_id)["state"])
            return state if state in ("success", "failed") else None

        return wait_for(f"{dag_id} {run_id} has ended", ended, patience=patience)

    def load(self, dag_id: str, conf: Json | None = None) -> tuple[str, str]:
        """Trigger a run and wait for its end; returns its id and state."""
        run_id = self.trigger(dag_id, conf)
        return run_id, self.wait(dag_id, run_id)

    def tasks(self, dag_id: str, run_id: str) -> dict[tuple[str, int], Json]:
        """The task instances of a run, by task and map index (-1: not mapped)."""
        found = self.get(f"{_run(dag_id, run_id)}/taskInstances", limit=200)["task_instances"]
        return {(ti["task_id"], ti["map_index"]): ti for ti in found}

    def states(self, dag_id: str, run_id: str) -> dict[tuple[str, int], str]:
        """The states of the task instances of a run."""
        return {key: ti["state"] for key, ti in self.tasks(dag_id, run_id).items()}

    def tries(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[Json]:
        """All tries of a task instance, oldest first."""
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}"
        path += f"/{map_index}/tries" if map_index >= 0 else "/tries"
        return sorted(self.get(path)["task_instances"], key=lambda ti: ti["try_number"])

    def waits(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[float]:
        """Seconds between the end of each try of a task instance and the start of the next one."""
        tries = self.tries(dag_id, run_id, task_id, map_index)
        return [
            (datetime.fromisoformat(after["start_date"]) - datetime.fromisoformat(before["end_date"])).total_seconds()
            for before, after in pairwise(tries)
        ]

    def log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, try_number: int | None = None) -> str:
        """The log of a try without timestamps; of the last one by default."""
        if try_number is None:
            try_number = self.tasks(dag_id, run_id)[task_id, map_index]["try_number"]
        path = f"{_run(dag_id, run_id)}/taskInstances/{task_id}/logs/{try_number}"
        content = self.get(path, map_index=map_index, full_content=True)["content"]
        return "\n".join(_line(event) for event in content)

    def clear(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, **arguments: Any) -> set[tuple[str, int]]:
        """Clear a task and everything after it; returns what was cleared, by task and map index."""
        answer = self.ask(
            "POST",
            f"/dags/{dag_id}/clearTaskInstances",
            json={
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task_id if map_index < 0 else [task_id, map_index]],
                "only_failed": False,
                "include_downstream": True,
            },
            **arguments,
        )
        return {(ti["task_id"], ti["map_index"]) for ti in answer.json().get("task_instances", ())}

    def xcoms(self, dag_id: str, run_id: str) -> list[Any]:
        """The values of all XComs of a run."""
        entries = self.get(f"{_run(dag_id, run_id)}/taskInstances/~/xcomEntries", limit=200)["xcom_entries"]
        return [
            self.get(
                f"{_run(dag_id, run_id)}/taskInstances/{entry['task_id']}/xcomEntries/{entry['key']}",
                map_index=entry["map_index"],
            )["value"]
            for entry in entries
        ]


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}"


def _line(event: Any) -> str:
    if not isinstance(event, dict):
        return str(event)
    errors = [f"{error['exc_type']}: {error['exc_value']}" for error in event.get("error_detail") or []]
    return "\n".join([str(event.get("event", "")), *errors])
