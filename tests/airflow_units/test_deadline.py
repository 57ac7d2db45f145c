"""The deadline for settling a scheduled day."""

from __future__ import annotations

from datetime import datetime, time, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from tablero.airflow.deadline import ScheduledDayDeadline, due

UTC = timezone.utc


@pytest.mark.parametrize(
    ("zone", "end_of_day", "deadline"),
    [
        ("America/Santo_Domingo", datetime(2026, 11, 24, 4, tzinfo=UTC), datetime(2026, 11, 24, 10, tzinfo=UTC)),
        ("America/New_York", datetime(2021, 3, 14, 5, tzinfo=UTC), datetime(2021, 3, 14, 10, tzinfo=UTC)),  # clocks went on
        ("America/New_York", datetime(2021, 11, 7, 4, tzinfo=UTC), datetime(2021, 11, 7, 11, tzinfo=UTC)),  # and back
        ("UTC", datetime(2026, 11, 24, tzinfo=UTC), datetime(2026, 11, 24, 6, tzinfo=UTC)),
    ],
)
def test_six_in_the_morning(zone: str, end_of_day: datetime, deadline: datetime) -> None:
    """The deadline is local time on the following day, converted to UTC."""
    found = due(end_of_day, zone, time(6))
    assert found == deadline
    assert found.utcoffset().total_seconds() == 0


def evaluate(run: Any) -> datetime | None:
    reference = ScheduledDayDeadline("America/Santo_Domingo")
    return reference._evaluate_with(session=SimpleNamespace(scalar=lambda _: run), dag_id="daily_send", run_id="r")


def test_only_scheduled_runs_have_one() -> None:
    """Only scheduled runs have a deadline: a backfill of an old day, or a manual run, would be late at once."""
    end = datetime(2026, 11, 24, 4, tzinfo=UTC)
    found = {
        kind: evaluate(SimpleNamespace(run_type=kind, data_interval_end=end)) for kind in ("scheduled", "manual", "backfill")
    }
    assert found == {"scheduled": datetime(2026, 11, 24, 10, tzinfo=UTC), "manual": None, "backfill": None}


@pytest.mark.parametrize("run", [None, SimpleNamespace(run_type="scheduled", data_interval_end=None)])
def test_a_run_without_a_day(run: Any) -> None:
    """Without a run or an interval there is no deadline."""
    assert evaluate(run) is None


def test_there_and_back() -> None:
    """A reference restored from the database equals the original."""
    kept = ScheduledDayDeadline("America/New_York", "07:30").serialize_reference()
    made = ScheduledDayDeadline.deserialize_reference(kept)
    assert (made.zone, made.at) == ("America/New_York", "07:30")
    assert kept["reference_type"] == "ScheduledDayDeadline"


def test_what_version_0_1_left() -> None:
    """A reference stored by version 0.1, which had no setting for it, can be restored."""
    assert ScheduledDayDeadline.deserialize_reference({"zone": "UTC"}).at == "06:00"


def test_another_deadline() -> None:
    """The setting changes the deadline."""
    end = datetime(2026, 11, 24, 4, tzinfo=UTC)
    reference = ScheduledDayDeadline("America/Santo_Domingo", "09:15")
    run = SimpleNamespace(run_type="scheduled", data_interval_end=end)
    found = reference._evaluate_with(session=SimpleNamespace(scalar=lambda _: run), dag_id="daily_send", run_id="r")
    assert found == datetime(2026, 11, 24, 13, 15, tzinfo=UTC)
