"""Tasks that are killed, frozen, stopped or timed out, or that lose their supervisor, on a machine under load.

An Airflow of its own, with an institution in PostgreSQL. Each month of two loads meets one of these ends while its rows are
posted or while a statement runs at the source. Then everything continues by the task's own tries; what a user stopped
is cleared.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import psutil
import pytest

from sandbox.testing import Handle
from tests.airflow import outbox
from tests.airflow.client import Client, Json, wait_for
from tests.airflow.conftest import SETTINGS
from tests.airflow.dashboard import Dashboard, once
from tests.airflow.institution import Change, PostgresInstitution
from tests.airflow.server import ROOT, Airflow
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.endurance, pytest.mark.system]

#: Busy programs in the background, with the lowest priority.
LOAD = 8

HISTORY, HASTY = "historical_load", "hasty_load"

#: What happens to each month of ``historical_load``.
MONTHS = [KILLED, FROZEN, BEREFT, STOPPED, STOPPED_READING] = ["2021-01", "2021-02", "2021-03", "2021-04", "2021-05"]

#: The same for ``hasty_load``, which has a short ``execution_timeout``.
HASTY_MONTHS = [LATE, LATE_READING] = ["2021-07", "2021-08"]

#: Months whose statements never finish.
READING = (STOPPED_READING, LATE_READING)

#: Rows of a month that is posted when its task ends, and of one that is only read.
MANY, FEW = 3_000, 30

#: Seconds that a call takes.
CALL = 1.5

#: Seconds without a sign of life after which a task counts as dead.
SILENCE = 12

#: Seconds within which a task must end after a signal; if Airflow stops it, which polls, as many more
#: as a polling interval takes.
LONGEST = 30.0

#: The ``execution_timeout`` of ``hasty_load``, in seconds; and how much of a try's recorded duration is Airflow's own.
TIME_OUT, BEGINNING = 60.0, 60.0


@dataclass
class Scene:
    """An Airflow, and what happened to its tasks.

    :ivar runs: by DAG.
    :ivar rows: by month.
    :ivar seconds: how long it took until a task was gone, by month.
    :ivar awake: how many rows of the frozen month the dashboard had before its first worker woke up, and after that one's end.
    """

    server: Airflow
    airflow: Client
    institution: PostgresInstitution
    dashboard: Dashboard
    rows: dict[str, list[Change]]
    runs: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    awake: tuple[int, int] = (-1, -1)

    def task(self, month: str) -> tuple[str, str, str, int]:
        """The task instance of a month: DAG, run, task, map index."""
        dag_id, months = (HISTORY, MONTHS) if month in MONTHS else (HASTY, HASTY_MONTHS)
        return dag_id, self.runs[dag_id], "load_month", months.index(month)

    def now(self, month: str) -> Json:
        """The task's state in Airflow."""
        dag_id, run_id, task_id, index = self.task(month)
        return self.airflow.tasks(dag_id, run_id)[task_id, index]

    def tries(self, month: str) -> list[Json]:
        """All its tries."""
        return self.airflow.tries(*self.task(month))

    def received(self, month: str) -> int:
        """How many of its rows arrived, repeats included."""
        beginning = f"{self.dashboard.prefix}{month}"
        return sum(count for row, count in self.dashboard.counts().items() if row[1].startswith(beginning))

    def outcomes(self, month: str) -> set[str]:
        """Outcomes of the attempts of its rows, from the outbox."""
        found = outbox.attempts_by_request(self.server.outbox, f"{self.dashboard.prefix}{month}")
        return {outcome for outcomes in found.values() for outcome in outcomes}

    def workers(self, month: str) -> tuple[psutil.Process, psutil.Process]:
        """The process that works on a month, and its supervisor."""
        pid = wait_for(f"{month} has a process", lambda: self.now(month)["pid"])
        task = psutil.Process(pid)
        supervisor = task.parent()
        assert supervisor is not None
        return task, supervisor

    def gone(self, month: str, process: psutil.Process, since: float) -> None:
        """Wait until a process and its statement at the source have ended, and record how long it took."""
        wait_for(
            f"the task of {month} has ended", lambda: not _lives(process) and not self.institution.waiting(month), every=0.1
        )
        self.seconds[month] = time.monotonic() - since

    def stop(self, month: str) -> None:
        """Mark a task as failed, as a user does in the UI, wait for its process to end, and clear it."""
        process, _ = self.workers(month)
        dag_id, run_id, task_id, index = self.task(month)
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/{index}"
        since = time.monotonic()
        self.airflow.ask("PATCH", path, json={"new_state": "failed"})
        self.gone(month, process, since)
        self.airflow.clear(dag_id, run_id, task_id, index)


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Programs that use all idle processor time."""
    with ExitStack() as stack:
        for _ in range(count):
            program = subprocess.Popen(["nice", "-n", "19", sys.executable, "-c", "while True: pass"])
            stack.callback(program.wait)
            stack.callback(program.kill)
        yield


def hasty(folder: Path) -> Path:
    """A folder with our two DAGs, and a copy of the load that differs only in name and time limit.

    The loads have no preflight, which would count rows of the months that cannot be read.
    """
    shutil.copytree(ROOT / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    load = folder / "historical_load.py"
    load.write_text(_with(load.read_text(encoding="utf-8"), {"    preflight() >> months\n": ""}), encoding="utf-8")
    changed = {f'dag_id="{HISTORY}"': f'dag_id="{HASTY}"', "timedelta(hours=12)": f"timedelta(seconds={TIME_OUT})"}
    (folder / f"{HASTY}.py").write_text(_with(load.read_text(encoding="utf-8"), changed), encoding="utf-8")
    return folder


def _with(text: str, changed: Mapping[str, str]) -> str:
    for before, after in changed.items():
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, sandbox: Handle) -> Iterator[Scene]:
    """Everything is ready, the machine is busy, the dashboard slow, and two months cannot be read."""
    with ExitStack() as stack:
        postgres = stack.enter_context(PostgresServer())
        institution = PostgresInstitution(postgres.database(), ZoneInfo("America/Santo_Domingo"))
        stack.callback(institution.dispose)
        metadata = postgres.database().set(drivername="postgresql+psycopg2")
        settings = {
            **SETTINGS,
            "parallel_months": len(MONTHS) + 1,
            "concurrency": 1,
            "retries": 8,
            "connect_timeout": 1,
            "read_timeout": 3,
        }
        folder = tmp_path_factory.mktemp("airflow")
        server = Airflow(folder, metadata, settings)
        server.environment |= {
            "AIRFLOW__CORE__DAGS_FOLDER": str(hasty(folder / "dags")),
            "AIRFLOW__CORE__PARALLELISM": str(len(MONTHS) + len(HASTY_MONTHS) + 2),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(SILENCE),
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "2",
            "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "2",
        }
        stack.callback(server.stop)
        airflow = server.start()
        airflow.connect("tablero_source", **institution.connection)
        airflow.connect("tablero_api", conn_type="http", host=sandbox.url)
        dashboard = Dashboard(sandbox, "ends/")
        stack.callback(dashboard.heal)
        dashboard.add_fault(kind="delay", seconds=CALL)
        rows = {
            month: institution.month(dashboard.prefix, month, rows=FEW if month in READING else MANY)
            for month in (*MONTHS, *HASTY_MONTHS)
        }
        for month in READING:
            institution.close(month)
        for dag_id in (HISTORY, HASTY):
            airflow.unpause(dag_id)
        stack.enter_context(busy(LOAD))
        yield Scene(server, airflow, institution, dashboard, rows)


@pytest.fixture(scope="module")
def ended(scene: Scene) -> Scene:
    """Every task has ended as planned, and everything has been delivered since."""
    airflow, institution = scene.airflow, scene.institution
    for dag_id, months in ((HISTORY, MONTHS), (HASTY, HASTY_MONTHS)):
        scene.runs[dag_id] = airflow.trigger(dag_id, {"start_month": months[0], "end_month": months[-1]})

    wait_for("rows are being posted", lambda: scene.received(KILLED))
    scene.workers(KILLED)[0].kill()
    wait_for("rows are being posted", lambda: scene.received(FROZEN))
    sleepers = scene.workers(FROZEN)
    for process in reversed(sleepers):  # the supervisor first, since it would notice that its task is missing
        process.suspend()
    wait_for("rows are being posted", lambda: scene.received(BEREFT))
    orphan, supervisor = scene.workers(BEREFT)
    supervisor.kill()
    scene.gone(BEREFT, orphan, time.monotonic())
    wait_for("rows are being posted", lambda: scene.received(STOPPED))
    scene.stop(STOPPED)
    wait_for("rows are being read", lambda: institution.waiting(STOPPED_READING))
    scene.stop(STOPPED_READING)
    for month in HASTY_MONTHS:
        wait_for(f"{month} is tried again", lambda month=month: len(scene.tries(month)) > 1)
    wait_for("only one try of it is reading", lambda: institution.waiting(LATE_READING) <= 1)

    scene.dashboard.heal()
    for month in READING:
        institution.open(month)
    wait_for("the frozen month is another's", lambda: scene.now(FROZEN)["state"] == "success")
    before = scene.received(FROZEN)
    for process in reversed(sleepers):
        process.resume()
    scene.gone(FROZEN, sleepers[0], time.monotonic())
    scene.awake = before, scene.received(FROZEN)

    for dag_id, run_id in scene.runs.items():
        airflow.wait(dag_id, run_id)
    return scene


def test_all_of_it_goes_on_until_both_loads_are_settled(ended: Scene) -> None:
    """Both loads are settled by the tasks' own tries; only what a user stopped had to be cleared."""
    for dag_id, run_id in ended.runs.items():
        assert ended.airflow.run(dag_id, run_id)["state"] == "success"
    for month in (*MONTHS, *HASTY_MONTHS):
        assert len(ended.tries(month)) > 1
        assert ended.now(month)["state"] == "success"


def test_nothing_is_lost_and_nothing_is_posted_again_without_need(ended: Scene) -> None:
    """A row arrives twice only if the outcome of an attempt was unknown."""
    received = ended.dashboard.counts()
    assert set(received) == set(once(*ended.rows.values()))
    assert outbox.unexplained(ended.server.outbox, ended.dashboard.prefix, received) == []


@pytest.mark.parametrize("month", [BEREFT, STOPPED, STOPPED_READING])
def test_a_task_that_must_end_does_so_soon(ended: Scene, month: str) -> None:
    """A task that a user stops, or whose supervisor is gone, ends soon, while posting or reading; so does its statement."""
    assert ended.seconds[month] < LONGEST + SILENCE


@pytest.mark.parametrize("month", HASTY_MONTHS)
def test_a_task_whose_time_is_up_ends_soon(ended: Scene, month: str) -> None:
    """A timed-out task ends soon, while posting or reading."""
    first = ended.tries(month)[0]
    start, end = (datetime.fromisoformat(first[edge]) for edge in ("start_date", "end_date"))
    assert (end - start).total_seconds() < TIME_OUT + BEGINNING + LONGEST
    assert "timed out" in ended.airflow.log(*ended.task(month), try_number=1).lower()


@pytest.mark.parametrize("month", [BEREFT, STOPPED, LATE])
def test_calls_under_way_are_waited_for_and_recorded(ended: Scene, month: str) -> None:
    """Calls in flight are awaited and recorded, so that none of their rows arrives twice."""
    assert ended.outcomes(month) == {"delivered"}
    assert ended.received(month) == len(ended.rows[month])


def test_a_worker_that_wakes_up_when_its_lease_is_over_posts_nothing(ended: Scene) -> None:
    """A worker that wakes up after its lease has ended posts nothing and ends; its month is delivered."""
    before, after = ended.awake
    assert before == after
    assert ended.seconds[FROZEN] < LONGEST + SILENCE
