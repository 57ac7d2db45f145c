"""The demo's own Airflow: in one folder, on a free port of 127.0.0.1, unaffected by the user's settings.

Its components are started one by one. ``airflow standalone`` would work, but its scheduler and triggerer serve logs on all
addresses of the machine.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from sandbox.demo_api import Api
from sandbox.demo_failure import DemoError
from sandbox.demo_processes import Program, Programs
from sandbox.settings import DEFAULT_CLIENT

#: Time zone of the sample institution, for its days and months and for Airflow's pages.
ZONE = "America/Santo_Domingo"

USER = "admin"

#: Below those that the kernel gives to clients: a port stays free until the API server listens, half a minute later.
_PORTS = range(20_000, 32_768)

#: On an idle machine it takes half a minute; a component that ends is noticed at once.
_START_SECONDS = 900.0
_POLL_SECONDS = 1.0


class Airflow:
    """API server, scheduler, DAG processor and triggerer, with their database in ``home``.

    :param home: becomes ``AIRFLOW_HOME``; created if missing.
    :param root: the project's folder, with ``dags`` and ``plugins``.
    :param settings: further environment variables: connections.
    """

    def __init__(self, programs: Programs, home: Path, *, root: Path, settings: Mapping[str, str]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.password = _password(home / "passwords.json")
        self._home = home
        self._programs = programs
        self._environment = environment(os.environ, home=home, root=root, url=self.url) | dict(settings)
        self._parts: list[Program] = []

    def migrate(self) -> Program:
        """Start the migration of Airflow's database, which creates it if there is none."""
        return self._launch("db", "migrate")

    def start_reading(self, *dag_ids: str) -> Api:
        """Start the DAG processor and the API server; return when these DAGs have been parsed.

        :raises DemoError: if a component ends, a DAG cannot be imported, or it takes too long.
        """
        began, deadline = datetime.now(timezone.utc), time.monotonic() + _START_SECONDS
        self._parts += [self._launch("api-server"), self._launch("dag-processor")]
        api = Api(self.url, USER, self.password)
        while not (api.log_in() and all(api.parsed_at(dag_id) >= began for dag_id in dag_ids)):
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(
                    f"Airflow no leyó los DAG en {_START_SECONDS:.0f} s / Airflow did not read the DAGs in that time",
                    self._parts[1].log,
                )
            time.sleep(_POLL_SECONDS)
        return api

    def start_working(self) -> None:
        """Start the scheduler and the triggerer."""
        self._parts += [self._launch("scheduler", "--skip-serve-logs"), self._launch("triggerer", "--skip-serve-logs")]

    def check(self) -> None:
        """Check that every component is running.

        :raises DemoError: names the one that ended.
        """
        for part in self._parts:
            part.must_run()

    def log_of(self, dag_id: str, run_id: str, task: Mapping[str, Any]) -> Path:
        """The log file of a task's last try.

        :param task: as returned by the REST API.
        """
        folder = self._home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
        if task["map_index"] >= 0:
            folder /= f"map_index={task['map_index']}"
        return folder / f"attempt={task['try_number']}.log"

    def _launch(self, name: str, *options: str) -> Program:
        command = [sys.executable, "-m", "airflow", name, *options]
        return self._programs.start(f"airflow {name}", command, environment=self._environment, folder=self._home)


def environment(inherited: Mapping[str, str], *, home: Path, root: Path, url: str) -> dict[str, str]:
    """The environment of the demo's Airflow: the user's, without any settings of an Airflow of theirs.

    Set for two cores: few processes, and a scheduler that does not idle between short tasks.
    """
    kept = {name: value for name, value in inherited.items() if not name.startswith("AIRFLOW") and name != "PYTHONPATH"}
    here = "127.0.0.1,localhost"
    return kept | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
        "no_proxy": here,
        "NO_PROXY": here,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(root / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": ZONE,
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__INSTANCE_NAME": "Tablero",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        # On a busy machine an answer may take longer than the 5 s that Airflow allows, after which the task fails.
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
        # Tasks of an interrupted demo are resumed soon.
        "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
        "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "AIRFLOW__TABLERO__XROAD_CLIENT": DEFAULT_CLIENT,
        "AIRFLOW__TABLERO__TIMEZONE": ZONE,
        "AIRFLOW__TABLERO__PARALLEL_MONTHS": "4",
        # Short, as are the sandbox's answers: after an interruption no lease lasts long.
        "AIRFLOW__TABLERO__CONNECT_TIMEOUT": "5",
        "AIRFLOW__TABLERO__READ_TIMEOUT": "10",
        "AIRFLOW__TABLERO__RETRY_DELAY": "5",
        "AIRFLOW__TABLERO__MAX_RETRY_DELAY": "30",
    }


def _password(file: Path) -> str:
    """The password, generated once, in the file from which Airflow reads it."""
    if file.exists():
        return str(json.loads(file.read_text())[USER])
    password = secrets.token_urlsafe(9)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump({USER: password}, stream)
    return password


def _free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
