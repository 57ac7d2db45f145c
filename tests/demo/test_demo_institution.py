"""The sample institution is created once and continues to exist."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest

from sandbox.demo_institution import Institution

ZONE = "America/Santo_Domingo"
BIRTH = date(2026, 11, 24)


@pytest.fixture
def institution(tmp_path: Path) -> Institution:
    """An institution of 2,000 rows, created on its first day."""
    made = Institution(tmp_path / "institution.db", rows=2_000, zone=ZONE)
    made.live_until(BIRTH)
    return made


def _rows_on(institution: Institution, day: str) -> int:
    query = "select count(*) from tablero_status_changes where last_modified_date like ? || ' %'"
    with closing(sqlite3.connect(institution.database)) as connection:
        return int(connection.execute(query, (day,)).fetchone()[0])


def test_on_its_first_day_it_has_the_rows_that_were_asked_for(institution: Institution) -> None:
    """On its first day the view has exactly the requested rows."""
    assert institution.count() == institution.summary().total == 2_000


def test_a_second_demo_on_the_same_day_finds_it_unchanged(institution: Institution) -> None:
    """A second demo on the same day finds the institution unchanged, so nothing is sent."""
    institution.live_until(BIRTH)
    assert institution.count() == 2_000


def test_another_number_of_rows_does_not_replace_it(institution: Institution) -> None:
    """Another number of rows does not replace it, since delivered rows would belong to an institution that is gone."""
    other = Institution(institution.database, rows=3_000, zone=ZONE)
    other.live_until(BIRTH)
    assert other.count() == 2_000


def test_on_a_later_day_each_day_between_has_changes(institution: Institution) -> None:
    """Two days later two days have changes and today has none; repeating it adds nothing."""
    for _ in range(2):
        institution.live_until(date(2026, 11, 26))
        assert institution.count() == institution.summary().total == 2_000 + 2 * 150
    assert _rows_on(institution, "2026-11-24") == 150
    assert _rows_on(institution, "2026-11-25") == 150
    assert _rows_on(institution, "2026-11-26") == 0


def test_late_entries_are_made_once(institution: Institution) -> None:
    """Late entries are valid, dated yesterday, and made only the first time."""
    before = institution.summary().valid
    assert institution.enter_late(date(2026, 11, 23)) == 120
    assert institution.enter_late(date(2026, 11, 23)) == 0
    assert institution.summary().valid == before + 120
