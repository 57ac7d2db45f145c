"""``python -m tablero``: lines that a person reads, and an exit status that a script does."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

#: Two changes, in January and in February 2020.
ROWS = [
    ("1041", "LCM-1", "2020-01-10 08:00:00", 1, "2020-01-10 08:00:00"),
    ("1041", "LCM-1", "2020-01-10 08:00:00", 7, "2020-02-14 09:30:00"),
]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "institution.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "create table tablero_status_changes (service_id, request_id, opening_date, status_id, last_modified_date)"
        )
        connection.executemany("insert into tablero_status_changes values (?, ?, ?, ?, ?)", ROWS)
        connection.commit()
    return path


def run(source: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """As typed in a shell with Airflow's environment; no dashboard is there."""
    return subprocess.run(
        [sys.executable, "-m", "tablero", *words],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PYTHONPATH": str(ROOT / "plugins"),
            "AIRFLOW_HOME": str(source.parent),
            "AIRFLOW_CONN_TABLERO_SOURCE": f"sqlite:///{source}",
            "AIRFLOW_CONN_TABLERO_API": "http://127.0.0.1:1",
            "AIRFLOW_CONN_TABLERO_OUTBOX": f"sqlite:///{source.parent}/outbox.db",
            "AIRFLOW__TABLERO__API_PATH": "/api/load",
            **environment,
        },
        capture_output=True,
        text=True,
        check=False,
    )


def delivered(source: Path) -> list[tuple[str, str]]:
    """What the outbox holds for delivered: of each batch, the message and the run of its attempt."""
    with closing(sqlite3.connect(source.parent / "outbox.db")) as connection:
        return connection.execute(
            "select a.message, a.run_id from batch b join attempt a on a.batch_id = b.id where b.state = 'delivered'"
        ).fetchall()


def test_the_checks_are_lines_for_people(source: Path) -> None:
    """Each finding as it is, without the time, the level and the place in the code that Airflow's logs have."""
    done = run(source, "check")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("[ok] source: columnas / columns: service_id")
    assert "[ok] source sample: 2 filas válidas / valid rows" in lines
    assert any(line.startswith("[failed] dashboard: ") for line in lines)
    assert all(line.startswith("[") for line in lines)
    assert "1 checks failed:\n[failed] dashboard" in done.stderr
    assert done.returncode == 1


def test_a_wrong_setting(source: Path) -> None:
    """Named, without a traceback; to check is what it does when nothing is said."""
    done = run(source, AIRFLOW__TABLERO__BATCH_SIZE="many")
    assert done.stderr.startswith("[tablero] batch_size = 'many' (AIRFLOW__TABLERO__BATCH_SIZE)")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_adopt_only_shows_unless_told(source: Path) -> None:
    """Nothing is written before someone says yes: not even the outbox is made."""
    done = run(source, "adopt", "--until", "2020-12-31")
    assert "2 rows would be held for delivered; nothing was written" in done.stdout
    assert done.returncode == 0
    assert not (source.parent / "outbox.db").exists()


def test_adopt(source: Path) -> None:
    """Month by month; and the next check finds an outbox that knows where it delivers to."""
    done = run(source, "adopt", "--until", "2020-01-31", "--yes")
    assert "2020-01: 1 filas dadas por entregadas / rows held for delivered" in done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    ((message, run_id),) = delivered(source)
    assert "nothing was posted" in message
    assert run_id in done.stdout
    moved = run(source, AIRFLOW_CONN_TABLERO_API="http://127.0.0.2:1")
    assert "This outbox delivers to 127.0.0.1:1/api/load" in moved.stdout


def test_adopt_of_a_day_that_has_not_ended(source: Path) -> None:
    """Says so, and does nothing."""
    done = run(source, "adopt", "--until", "2999-01-01", "--yes")
    assert "--until is 2999-01-01" in done.stderr
    assert done.returncode == 1
    assert not (source.parent / "outbox.db").exists()


@pytest.mark.parametrize("words", [["adopt"], ["adopt", "--until", "yesterday"], ["adpot"]])
def test_commands_that_are_none(source: Path, words: list[str]) -> None:
    """The usual exit status for it."""
    assert run(source, *words).returncode == 2
