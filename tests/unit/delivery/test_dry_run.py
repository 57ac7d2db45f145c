"""A dry run's estimate of the duration of a load, and what it shows."""

from __future__ import annotations

from datetime import time

import pytest
from tablero.delivery.dry_run import forecast
from tablero.outbox.findings import nights


@pytest.mark.parametrize(
    ("calls", "pace", "concurrency", "seconds"),
    [(0, 2.0, 4, 0), (1, 2.0, 4, 2), (8, 2.0, 4, 4), (9, 2.0, 4, 6), (9, None, 4, None)],
)
def test_how_long(calls: int, pace: float | None, concurrency: int, seconds: float | None) -> None:
    """The estimate uses recent latencies and the configured concurrency; before the first call there is none."""
    assert forecast(calls, pace, concurrency) == seconds


@pytest.mark.parametrize(
    ("seconds", "hours", "count"),
    [
        (None, None, None),
        (50_000, None, 1),
        (0, (time(20), time(6)), 1),
        (36_000, (time(20), time(6)), 1),
        (36_001, (time(20), time(6)), 2),
        (7_300, (time(1), time(2)), 3),
    ],
)
def test_how_many_nights(seconds: float | None, hours: tuple[time, time] | None, count: int | None) -> None:
    """The number of nights follows from the hours in which sending is allowed."""
    assert nights(seconds, hours) == count
