"""A complete, real Airflow (scheduler, dag-processor, api-server and triggerer) in its own process group and home."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import sqlalchemy as sa
from sqlalchemy.engine import URL

from tests.airflow.client import PATIENCE, Client
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]

#: The program installed with the Python that runs the tests.
AIRFLOW = Path(sys.executable).with_name("airflow")

#: On an idle machine it is up after half a minute.
_START_SECONDS = 900.0
#: Whatever does not end by itself within that time is killed; no test relies on that.
_STOP_SECONDS = 5.0
_KILL_SECONDS = 60.0
_USER, _PASSWORD = "admin", "admin"
#: In the title of a worker of LocalExecutor that runs no task.
_IDLE = "LocalExecutor: <idle>"


class Airflow:
    """``airflow standalone`` with the project's own ``dags/`` and ``plugins/``.

    :param home: its ``AIRFLOW_HOME``; made if need be.
    :param metadata: its metadata database, PostgreSQL; on SQLite, Airflow refuses backfills whenever the scheduler is busy.
    :param settings: of section ``[tablero]``, by key.
    :ivar starting: how long its start took, from which other waiting times on this machine are estimated.
    """

    def __init__(self, home: Path, metadata: URL, settings: Mapping[str, object]) -> None:
        self.home = home
        self._metadata = sa.create_engine(metadata, poolclass=sa.NullPool)
        self.log = home / "standalone.log"
        port, worker_logs, trigger_logs = free_port(), free_port(), free_port()
        self.url = f"http://127.0.0.1:{port}"
        passwords = home / "passwords.json"
        home.mkdir(parents=True, exist_ok=True)
        passwords.write_bytes(orjson.dumps({_USER: _PASSWORD}))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": str(Path(__file__).parent / "planted"),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata.render_as_string(hide_password=False),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_USER}:admin",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
            # The files do not change, and each check of them takes a second of a core.
            "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
            # On a busy machine an answer may take longer than the 5 s that Airflow allows, after which the task fails.
            "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "60",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_logs),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_logs),
            # For the components; the tasks' logs stay at INFO.
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
            "PATH": f"{AIRFLOW.parent}{os.pathsep}{os.environ['PATH']}",
            **{f"AIRFLOW__TABLERO__{key.upper()}": str(value) for key, value in settings.items()},
        }
        #: The processes started here, each leading a session of its own; none is reaped before its session has ended, so that
        #: its number is not reused meanwhile.
        self._leaders: list[subprocess.Popen[bytes]] = []
        self.starting = timedelta()

    @property
    def outbox(self) -> Path:
        """The default file of the outbox, used if there is no connection."""
        return self.home / "tablero" / "outbox.db"

    def start(self) -> Client:
        """Start everything, and wait until both DAGs can be triggered.

        :raises RuntimeError: with the end of the log, if that takes too long.
        """
        began = time.monotonic()
        self._begin("standalone")
        client = Client(self.url, _USER, _PASSWORD)
        self._wait_for("Airflow is up", client.is_ready)
        self.starting = timedelta(seconds=time.monotonic() - began)
        return client

    def kill(self, component: str) -> None:
        """Send SIGKILL to a component (``scheduler``); tasks that it started continue.

        Its idle workers are killed as well, as by systemd or Docker: they have its connections to the metadata database open,
        so that its last transaction would keep its locks, and the next scheduler would start no task.
        """
        for process in self._component(component):
            idle = [child for child in process.children() if _IDLE in " ".join(_words(child))]
            for one in (process, *idle):
                with suppress(psutil.NoSuchProcess):
                    one.kill()
        self._wait_for(f"{component} is dead", lambda: not self._component(component))

    def revive(self, component: str) -> bool:
        """Restart a component if it has died, as systemd or Docker would; returns whether it had."""
        if self._component(component):
            return False
        self._begin(component)
        return True

    def _begin(self, command: str) -> None:
        with self.log.open("ab") as log:
            self._leaders.append(
                subprocess.Popen(
                    [AIRFLOW, command],
                    env=self.environment,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that all of it can be stopped
                )
            )

    def _component(self, name: str) -> list[psutil.Process]:
        """Its main process, if it is alive: the one whose parent is not one of its own."""
        title = f"airflow {name.replace('-', '_')} --"  # what the api-server calls itself

        def is_it(process: psutil.Process | None) -> bool:
            words = _words(process)
            return words[1:3] == [str(AIRFLOW), name] or bool(words and words[0].startswith(title))

        return [process for process in self.processes() if is_it(process) and not is_it(process.parent())]

    def stop(self) -> None:
        """Stop everything, and check that nothing is left.

        :raises RuntimeError: if something survives even SIGKILL.
        """
        for leader in self._leaders:
            _signal_group(leader.pid, signal.SIGTERM)
        if not self._leaders or self._have_ended(_STOP_SECONDS):
            self._leaders.clear()
            return
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        if not self._have_ended(_KILL_SECONDS):
            raise RuntimeError(f"still alive: {self.processes()}")
        self._leaders.clear()

    def _have_ended(self, patience: float) -> bool:
        """Wait for all processes to end; afterwards the session numbers may be reused."""
        deadline = time.monotonic() + patience
        while self.processes():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        for leader in self._leaders:
            leader.wait()
        return True

    def processes(self) -> list[psutil.Process]:
        """Every process of this Airflow: all that are in a session started here, or have its home in their environment.

        Processes that change their title (tasks, executors) lose the latter, and those that start a session the former.
        """
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            if os.getsid(process.pid) in {leader.pid for leader in self._leaders}:
                return True
            return process.environ().get("AIRFLOW_HOME") == str(self.home)
        except (psutil.Error, OSError):
            return False

    def ask(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Query the metadata database for what the API does not provide."""
        with self._metadata.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def change(self, statement: str) -> None:
        """Change the metadata database in ways no user can."""
        with self._metadata.begin() as connection:
            connection.execute(sa.text(statement))

    def decided_delays(self, run_id: str, task_id: str, map_index: int) -> list[float]:
        """Seconds that the retry policy chose to wait after each failed try.

        Airflow 3.3 moves a try that has ended into a table of its own; 3.4 has all tries in one table, with another name for
        the map index.
        """
        apart = sa.inspect(self._metadata).has_table("task_instance_history")
        table, map_index_column = ("task_instance_history", "map_index") if apart else ("task_instance", "region_index")
        query = (
            f"select retry_delay_override from {table} where run_id = :run and task_id = :task"
            f" and {map_index_column} = :index and retry_delay_override is not null order by try_number"
        )
        return [seconds for (seconds,) in self.ask(query, run=run_id, task=task_id, index=map_index)]

    def run(self, *arguments: str) -> str:
        """Run ``airflow`` with these arguments; returns its output.

        :raises subprocess.CalledProcessError: if it fails.
        """
        done = subprocess.run(
            [AIRFLOW, *arguments], env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        if done.returncode:
            raise RuntimeError(f"airflow {' '.join(arguments)}: {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def _wait_for(self, what: str, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if not self.processes():
                break
            try:
                if done():
                    return
            except (httpx.TransportError, httpx.HTTPStatusError):
                pass
            time.sleep(0.5)
        end = self.log.read_text(errors="replace")[-6000:]
        raise RuntimeError(f"not within {_START_SECONDS:g} s: {what}. Its log ends:\n{end}")


def _words(process: psutil.Process | None) -> list[str]:
    """The command line of a process, or the title that it has chosen; nothing if it has ended."""
    try:
        return list(process.cmdline()) if process is not None else []
    except psutil.Error:
        return []


def _signal_group(leader: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, number)
