"""The demo's Airflow stays within its own folder and its own machine."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo_airflow import Airflow, environment
from sandbox.demo_processes import Programs

HOME = Path("/demo/airflow")
ROOT = Path("/project")
URL = "http://127.0.0.1:4321"


def _environment(**inherited: str) -> dict[str, str]:
    return environment(inherited, home=HOME, root=ROOT, url=URL)


@pytest.mark.parametrize(
    "name",
    [
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",  # their production database
        "AIRFLOW_CONN_TABLERO_API",  # their real security server
        "AIRFLOW_CONN_TABLERO_OUTBOX",
        "AIRFLOW_CONFIG",
        "PYTHONPATH",
    ],
)
def test_an_airflow_of_the_users_own_is_left_out(name: str) -> None:
    """The settings of a real Airflow in the user's shell are left out, so that the demo's rows are not sent through it."""
    assert name not in _environment(**{name: "theirs"})


def test_their_airflow_home_is_replaced() -> None:
    """Everything of the demo is in its own folder."""
    assert _environment(AIRFLOW_HOME="/theirs")["AIRFLOW_HOME"] == str(HOME)


def test_what_else_they_have_stays() -> None:
    """Other variables stay, such as the language or the folder for temporary files."""
    assert _environment(LANG="es_DO.UTF-8")["LANG"] == "es_DO.UTF-8"


def test_it_listens_on_this_machine_only() -> None:
    """It listens on 127.0.0.1 only, on the port of its address."""
    made = _environment()
    assert (made["AIRFLOW__API__HOST"], made["AIRFLOW__API__PORT"]) == ("127.0.0.1", "4321")
    assert made["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"{URL}/execution/"


def test_no_proxy_stands_before_it() -> None:
    """An institution's proxy is not used for 127.0.0.1."""
    made = _environment(https_proxy="http://proxy:3128", no_proxy="intranet")
    assert made["no_proxy"] == made["NO_PROXY"] == "127.0.0.1,localhost"


def test_the_password_is_made_once_and_no_one_else_may_read_it(tmp_path: Path) -> None:
    """The password of a folder is created once and is readable only by its owner; another folder has another one."""
    with Programs(tmp_path, tmp_path) as programs:
        first, again, other = (Airflow(programs, tmp_path / home, root=ROOT, settings={}).password for home in ("a", "a", "b"))
    assert first == again != other
    assert len(first) >= 12
    assert stat.S_IMODE((tmp_path / "a" / "passwords.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("task", "path"),
    [
        ({"task_id": "reconcile", "map_index": -1, "try_number": 2}, "task_id=reconcile/attempt=2.log"),
        ({"task_id": "load_month", "map_index": 3, "try_number": 1}, "task_id=load_month/map_index=3/attempt=1.log"),
    ],
)
def test_the_log_of_a_task_is_found(tmp_path: Path, task: dict[str, Any], path: str) -> None:
    """The log of a task is found by Airflow's own naming."""
    with Programs(tmp_path, tmp_path) as programs:
        airflow = Airflow(programs, tmp_path, root=ROOT, settings={})
    expected = tmp_path / "logs" / "dag_id=d" / "run_id=r" / path
    assert airflow.log_of("d", "r", task) == expected
