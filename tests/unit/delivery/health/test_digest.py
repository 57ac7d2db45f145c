"""The digest: its periods and its content."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from tablero.contract.reasons import Reason
from tablero.delivery.health.digest import Digest, Period, month_window, period_of
from tablero.settings import Settings

SETTINGS = Settings.read({})
NOVEMBER = Period("2026-11", date(2026, 11, 1), date(2026, 11, 30))


@pytest.mark.parametrize(
    ("kind", "day", "label", "first", "last"),
    [
        ("daily", "2026-11-23", "2026-11-23", "2026-11-23", "2026-11-23"),
        ("weekly", "2026-11-22", "2026-W47", "2026-11-16", "2026-11-22"),  # a Sunday: the week is over
        ("weekly", "2026-11-23", "2026-W47", "2026-11-16", "2026-11-22"),
        ("weekly", "2026-11-28", "2026-W47", "2026-11-16", "2026-11-22"),
        ("weekly", "2027-01-03", "2026-W53", "2026-12-28", "2027-01-03"),
        ("monthly", "2026-11-29", "2026-10", "2026-10-01", "2026-10-31"),
        ("monthly", "2026-11-30", "2026-11", "2026-11-01", "2026-11-30"),
    ],
)
def test_periods(kind: str, day: str, label: str, first: str, last: str) -> None:
    """The period of a digest is the last complete one at the day of the run."""
    end = datetime.fromisoformat(f"{day}T04:00:00+00:00") + timedelta(days=1)
    assert period_of(kind, end, SETTINGS) == (label, date.fromisoformat(first), date.fromisoformat(last))


def test_what_it_says() -> None:
    """The digest has a small table in both languages, and says whether all is well."""
    digest = Digest(NOVEMBER, 12_345, {"unknown_status": 3, "too_long": 2}, 4, 0, 84, 1, 6, 12_400)
    text = digest.to_text("https://airflow/tablero/")
    assert "12,345" in str(digest.subject())
    assert "Estado: hay algo pendiente" in text
    english = text.split("Tablero digest")[1]
    assert [line.rsplit(": ", 1)[1] for line in english.splitlines()[1:10]] == [
        *("12,360", "12,345", "5", "3", "2", "6", "4", "12,400", "0")
    ]
    assert f"Rejected: {Reason.UNKNOWN_STATUS.text.en}: 3\nRejected: {Reason.TOO_LONG.text.en}: 2" in english
    assert "https://airflow/tablero/" in text
    assert digest.to_html("https://airflow/tablero/").count("<table") == 2


def test_all_is_well() -> None:
    """With nothing pending the first line says so."""
    assert "Estado: todo al día" in Digest(NOVEMBER, 5, {"too_long": 2}, 0, 0, 84, 1).to_text("")


def test_something_is_pending() -> None:
    """Pending rows are mentioned in the first line."""
    assert "something is pending" in Digest(NOVEMBER, 0, {}, 5, 0, 0, 0).to_text("")
    assert "something is pending" in Digest(NOVEMBER, 0, {}, 0, 1, 0, 0).to_text("")


def test_the_month_of_the_evidence() -> None:
    """The month of the evidence is the one in the institution's zone."""
    window = month_window(NOVEMBER, SETTINGS)
    assert (window.start, window.end) == (
        datetime(2026, 11, 1, 4, tzinfo=timezone.utc),
        datetime(2026, 12, 1, 4, tzinfo=timezone.utc),
    )
