"""The package's overhead in Airflow, beside tasks and files that do nothing: ``python -m bench.in_airflow [--rounds N]``.

``historical_load`` over 83 months with nothing to send, and a DAG of 83 empty mapped tasks, run in turn in one real Airflow,
with source and outbox in PostgreSQL and the connections in the environment, as the README sets them; then every DAG file is
imported, several times, each in a fresh Python. CPU seconds are those of all processes of Airflow, which depend less than the
duration of a run on what else the machine does, and not on how long the scheduler sleeps.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
from sqlalchemy.engine import URL

from bench import data
from sandbox.settings import DEFAULT_CLIENT
from sandbox.testing import running_sandbox
from tests.airflow.client import Client
from tests.airflow.server import Airflow
from tests.postgres import PostgresServer

ROOT = Path(__file__).resolve().parent.parent

#: Seconds that a run may take.
_PATIENCE = 1800.0

MONTHS = 83

#: Rows of a month, about; all delivered before anything is measured.
_ROWS = 100

EMPTY = Path(__file__).parent / "dags" / "empty_mapped.py"

#: Prints the seconds that importing a file takes in a new Python process, as in Airflow's DAG processor.
_IMPORT = """
import sys, time
from importlib.machinery import SourceFileLoader
began = time.perf_counter()
SourceFileLoader("dag_file", sys.argv[1]).load_module()
print(time.perf_counter() - began)
"""


class Run(NamedTuple):
    """What a run took.

    :ivar seconds: from its start to its end.
    :ivar cpu: seconds of all processes of Airflow meanwhile.
    """

    seconds: float
    cpu: float


def loads(airflow: Airflow, client: Client, rounds: int) -> dict[str, Run]:
    """The median of each DAG: both in turn, after a first load that leaves nothing to send.

    :raises SystemExit: if a run failed.
    """
    _run(airflow, client, "historical_load")
    found: dict[str, list[Run]] = {"historical_load": [], "empty_mapped": []}
    for _ in range(rounds):
        for dag_id, runs in found.items():
            runs.append(_run(airflow, client, dag_id))
            print(f"{dag_id}: {runs[-1].seconds:.1f} s, {runs[-1].cpu:.1f} s of CPU", flush=True)
    return {dag_id: Run(*map(median, zip(*runs, strict=True))) for dag_id, runs in found.items()}


def _connection(address: URL) -> str:
    """The value of an environment variable that defines a connection to a database of :class:`PostgresServer`."""
    host = address.host or str(address.query["host"])
    return json.dumps({"conn_type": "postgres", "login": address.username, "host": host, "schema": address.database})


def _run(airflow: Airflow, client: Client, dag_id: str) -> Run:
    before = _cpu(airflow)
    run_id = client.trigger(dag_id)
    state = client.wait(dag_id, run_id, _PATIENCE)
    if state != "success":
        sys.exit(f"{dag_id} {run_id}: {state}")
    run = client.run(dag_id, run_id)
    start, end = (datetime.fromisoformat(run[key]) for key in ("start_date", "end_date"))
    return Run((end - start).total_seconds(), _cpu(airflow) - before)


def _cpu(airflow: Airflow) -> float:
    """CPU seconds of all processes of Airflow, including those that have ended, such as tasks."""
    total = 0.0
    for process in airflow.processes():
        with suppress(psutil.Error):
            used = process.cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def imports(rounds: int, environment: dict[str, str]) -> dict[str, float]:
    """Median seconds to import each DAG file."""
    found = {}
    for path in (EMPTY, *sorted((ROOT / "dags").glob("*.py"))):
        command = [sys.executable, "-W", "ignore", "-c", _IMPORT, str(path)]
        times = [
            float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.split()[-1])
            for _ in range(rounds)
        ]
        found[path.name] = median(times)
    return found


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="bench.in_airflow")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="tablero-bench-") as name:
        folder = Path(name)
        dags = shutil.copytree(ROOT / "dags", folder / "dags", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(EMPTY, dags)
        with running_sandbox(folder / "sandbox.db") as dashboard, PostgresServer("psycopg2") as postgres:
            airflow = Airflow(folder / "airflow", postgres.database(), {"xroad_client": DEFAULT_CLIENT})
            source, outbox = postgres.database(), postgres.database()
            data.fill(source.set(drivername="postgresql").render_as_string(), MONTHS * _ROWS)
            airflow.environment |= {
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW_CONN_TABLERO_SOURCE": _connection(source),
                "AIRFLOW_CONN_TABLERO_OUTBOX": _connection(outbox),
                "AIRFLOW_CONN_TABLERO_API": dashboard.url,
            }
            try:
                client = airflow.start()
                for dag_id in ("historical_load", "empty_mapped"):
                    client.unpause(dag_id)
                found = loads(airflow, client, rounds)
            finally:
                airflow.stop()
            ours, empty = found["historical_load"], found["empty_mapped"]
            print(f"historical_load with nothing to send, beside {MONTHS} empty tasks:")
            for name, our, their in zip(("duration", "CPU"), ours, empty, strict=True):
                print(f"{name}: {our:.1f} s, {their:.1f} s: × {our / their:.2f}")
            environment = {**airflow.environment, "PYTHONPATH": os.pathsep.join((str(ROOT / "plugins"), str(ROOT)))}
            for file, seconds in imports(2 * rounds + 1, environment).items():
                print(f"import of {file}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
