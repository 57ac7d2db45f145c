"""The sample institution: its rows match the summary, and are as varied as those of a real one.

The rows are judged here by an implementation of the contract that shares nothing with the generator.
"""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_mock import MockerFixture

from sandbox.institution import Summary, add_changes, create

ZONE = ZoneInfo("America/Santo_Domingo")
NOW = datetime(2026, 11, 24, tzinfo=ZONE)
EARLIEST = datetime(2020, 1, 1, tzinfo=ZONE)
ROWS = 6000

ViewRow = tuple[Any, ...]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """A database that no test changes, and its summary."""
    database = tmp_path_factory.mktemp("institution") / "i.db"
    return database, create(database, rows=ROWS, seed=7, now=NOW)


def view(database: Path, where: str = "1 = 1") -> list[ViewRow]:
    """Rows of the view, in the order of its columns."""
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(f"select * from tablero_status_changes where {where}").fetchall()


def instant(text: object) -> datetime | None:
    """A date as the institution writes it, or None if it is not a date."""
    if not isinstance(text, str) or not re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d", text):
        return None
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZONE)


def judge(row: ViewRow) -> str:
    """ "valid", "excluded", or the problem of a row; fails if there are two."""
    service_id, request_id, opening_date, status_id, last_modified_date = row
    opened, changed = instant(opening_date), instant(last_modified_date)
    assert changed is not None
    assert EARLIEST <= changed < NOW + timedelta(days=1)
    wrong = {
        "missing_service_id": not (service_id or "").strip(),
        "missing_request_id": not (request_id or "").strip(),
        "too_long": len(request_id or "") > 255,
        "control_characters": bool(re.search(r"[\x00-\x1f\x7f-\x9f]", request_id or "")),
        "unknown_status": status_id not in range(1, 22),
        "opening_not_a_date": opened is None,
        "opening_after_change": opened is not None and opened > changed,
        "excluded": opened is not None and opened < EARLIEST,
    }
    kinds = [kind for kind, is_so in wrong.items() if is_so]
    assert len(kinds) <= 1, f"{row} is {kinds}"
    return kinds[0] if kinds else "valid"


def test_summary_agrees_with_the_rows(made: tuple[Path, Summary]) -> None:
    """Every kind of row occurs, exactly as often as the summary says."""
    database, summary = made
    rows = Counter(view(database))
    kinds = Counter(judge(row) for row in rows)

    assert sum(rows.values()) == summary.total == ROWS
    assert kinds.pop("valid") == summary.valid
    assert kinds.pop("excluded") == summary.excluded
    assert kinds == summary.wrong
    assert sum(rows.values()) - len(rows) == summary.duplicates
    assert all(judge(row) == "valid" for row, count in rows.items() if count > 1)
    assert min(summary.wrong.values()) >= 2
    assert summary.excluded > 0
    assert summary.duplicates > 0
    assert summary.total == summary.valid + summary.duplicates + summary.excluded + sum(summary.wrong.values())


def test_view_has_exactly_the_five_columns(made: tuple[Path, Summary]) -> None:
    """The view is all that the project may read."""
    with closing(sqlite3.connect(made[0])) as connection:
        cursor = connection.execute("select * from tablero_status_changes limit 1")
        names = [column[0] for column in cursor.description]
    assert names == ["service_id", "request_id", "opening_date", "status_id", "last_modified_date"]


def test_reading_a_day_uses_an_index(made: tuple[Path, Summary]) -> None:
    """A window is read through the view without reading the whole history."""
    where = "last_modified_date >= '2023-05-01' and last_modified_date < '2023-05-02'"
    with closing(sqlite3.connect(made[0])) as connection:
        plan = connection.execute(f"explain query plan select * from tablero_status_changes where {where}").fetchall()
    steps = [step[-1] for step in plan]
    assert not [step for step in steps if step.startswith("SCAN")], steps


def test_every_month_has_rows_up_to_its_very_edges(made: tuple[Path, Summary]) -> None:
    """Each month from 2020-01 on has a change in its first second and one in its last."""
    moments = {changed for row in view(made[0]) if (changed := instant(row[4]))}
    month = EARLIEST
    while month < NOW:
        following = (month + timedelta(days=32)).replace(day=1)
        assert month in moments
        assert following > NOW or following - timedelta(seconds=1) in moments
        month = following


def test_yesterday_has_changes(made: tuple[Path, Summary]) -> None:
    """The last day before ``now`` has changes, several of them of one request."""
    database, summary = made
    start = NOW - timedelta(days=1)
    rows = [row for row in view(database) if start <= (instant(row[4]) or NOW) < NOW]

    assert len(rows) == summary.yesterday >= 5
    assert max(Counter((row[0], row[1]) for row in set(rows)).values()) > 1


def test_dates_come_in_several_forms(made: tuple[Path, Summary]) -> None:
    """Most dates are local without an offset; some have an offset, some are UTC, some have a fraction."""
    forms = Counter(re.sub(r"\d", "0", row[4]).split(".")[0] for row in view(made[0]))

    assert forms["0000-00-00 00:00:00"] > 0.9 * ROWS
    assert forms["0000-00-00T00:00:00-00:00"] > 0
    assert forms["0000-00-00T00:00:00Z"] > 0
    assert any("." in row[4] for row in view(made[0]))


def test_requests_look_real(made: tuple[Path, Summary]) -> None:
    """Requests go through one to six changes, all services and statuses occur, weekends are quiet."""
    valid = {row for row in view(made[0]) if judge(row) == "valid"}
    lengths = Counter(Counter((row[0], row[1]) for row in valid).values())
    days = Counter(moment.astimezone(ZONE).weekday() for row in valid if (moment := instant(row[4])))

    assert set(lengths) <= {1, 2, 3, 4, 5, 6}
    assert len(lengths) >= 4
    assert len({row[0] for row in valid}) >= 6
    assert {row[3] for row in valid} == set(range(1, 22))
    assert days[6] < days[5] < min(days[number] for number in range(5)) / 2


def test_same_parameters_make_the_same_rows(tmp_path: Path, made: tuple[Path, Summary]) -> None:
    """The rows depend on the parameters alone."""
    again, other = tmp_path / "again.db", tmp_path / "other.db"

    assert create(again, rows=ROWS, seed=7, now=NOW) == made[1]
    assert view(again) == view(made[0])
    create(other, rows=ROWS, seed=8, now=NOW)
    assert view(other) != view(again)


def test_database_is_kept_when_made_again(tmp_path: Path) -> None:
    """With the same parameters the file stays as it is, including added changes; otherwise it is replaced."""
    database = tmp_path / "i.db"
    summary = create(database, rows=500, seed=7, now=NOW)
    add_changes(database, 3, NOW + timedelta(hours=9))
    before = database.read_bytes()

    kept = create(database, rows=500, seed=7, now=NOW.astimezone(timezone.utc))
    assert database.read_bytes() == before
    assert (kept.total, kept.valid) == (summary.total + 3, summary.valid + 3)
    assert create(database, rows=600, seed=7, now=NOW).total == 600
    assert len(view(database)) == 600


def test_foreign_database_is_left_alone(tmp_path: Path) -> None:
    """A file that this module did not create is never overwritten."""
    database = tmp_path / "payroll.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("create table payroll (salary)")
    text = tmp_path / "notes.txt"
    text.write_text("not a database at all, but long enough to look at")

    for path in (database, text):
        before = path.read_bytes()
        with pytest.raises(ValueError, match="left as it is"):
            create(path, rows=500, seed=7, now=NOW)
        assert path.read_bytes() == before


def test_interrupted_making_leaves_nothing(tmp_path: Path, mocker: MockerFixture) -> None:
    """An incomplete database never replaces a complete one."""
    database = tmp_path / "i.db"
    mocker.patch("sandbox.institution._INDEX", "not sql")
    with pytest.raises(sqlite3.OperationalError):
        create(database, rows=500, seed=7, now=NOW)
    assert not database.exists()

    mocker.stopall()
    assert create(database, rows=500, seed=7, now=NOW).total == len(view(database))


def test_added_changes_are_new_and_valid(tmp_path: Path) -> None:
    """Adding changes creates n valid rows at that instant, each of a different known request."""
    database = tmp_path / "i.db"
    create(database, rows=500, seed=7, now=NOW)
    known = {(row[0], row[1], row[2]) for row in view(database)}
    when = NOW + timedelta(hours=9, minutes=30)
    added = add_changes(database, 20, when)

    assert Counter(view(database, "last_modified_date = '2026-11-24 09:30:00'")) == Counter(added)
    assert len(added) == len({row[1] for row in added}) == 20
    assert {(row[0], row[1], row[2]) for row in added} <= known
    assert {judge(row) for row in added} == {"valid"}
    assert all(instant(row[4]) == when for row in added)


def test_added_twice_are_different_requests(tmp_path: Path) -> None:
    """Adding at the same instant again uses other requests until none are left."""
    database = tmp_path / "i.db"
    create(database, rows=500, seed=7, now=NOW)
    when = NOW + timedelta(hours=9)
    first, second = add_changes(database, 10, when), add_changes(database, 10, when)

    assert not {row[1] for row in first} & {row[1] for row in second}
    rows = len(view(database))
    with pytest.raises(ValueError, match="requests can change"):
        add_changes(database, 10_000, when)
    assert len(view(database)) == rows


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"rows": 499}, "at least 500"),
        ({"now": NOW.replace(tzinfo=None)}, "time zone"),
        ({"now": datetime(2020, 2, 1, tzinfo=timezone.utc)}, "2020-03-01 or later"),
    ],
    ids=["rows", "naive", "early"],
)
def test_wrong_parameters(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    """A parameter out of range is refused before a file is created."""
    parameters: dict[str, Any] = {"rows": 500, "seed": 7, "now": NOW, **changes}
    with pytest.raises(ValueError, match=problem):
        create(tmp_path / "i.db", **parameters)
    assert list(tmp_path.iterdir()) == []


def test_early_now(tmp_path: Path) -> None:
    """An institution that has only just begun works as well."""
    now = datetime(2020, 3, 1, tzinfo=ZONE)
    summary = create(tmp_path / "i.db", rows=500, seed=1, now=now)

    assert summary.yesterday > 0
    assert all((instant(row[4]) or now) < now for row in view(tmp_path / "i.db"))


def test_command_line(tmp_path: Path) -> None:
    """The command line creates the database up to the beginning of ``--today`` and prints its contents."""
    command = [sys.executable, "-m", "sandbox.institution", "--database", str(tmp_path / "i.db")]
    command += ["--rows", "500", "--seed", "7", "--today", "2026-11-24"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert "500 changes" in done.stdout
    days = {moment.astimezone(ZONE).date() for row in view(tmp_path / "i.db") if (moment := instant(row[4]))}
    assert max(days) == date(2026, 11, 23)

    wrong = subprocess.run(
        [*command, "--zone", "Mars/North"], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert wrong.returncode == 2
    assert "no such time zone" in wrong.stderr
