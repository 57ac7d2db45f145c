"""What the demo shows, in a terminal and elsewhere."""

from __future__ import annotations

import io
from collections import Counter

import pytest
from rich.console import Console

from sandbox.demo_proof import Account, Finding, Progress
from sandbox.demo_screen import Screen, describe


@pytest.fixture
def output() -> io.StringIO:
    """What a pipe receives."""
    return io.StringIO()


@pytest.fixture
def screen(output: io.StringIO) -> Screen:
    """A screen that is not a terminal."""
    return Screen(Console(file=output, force_terminal=False))


@pytest.mark.parametrize(
    ("progress", "seconds", "expected"),
    [
        # nothing yet: no speed, no forecast
        (Progress(0, 0), 5, "0/83 meses/months  0 filas/rows  0:00:05"),
        # a quarter in a minute: three more minutes
        (Progress(20, 48_000), 60, "20/83 meses/months  48,000 filas/rows  800/s  faltan/left 0:03:09"),
        # a second run: months without new rows
        (Progress(20, 0), 60, "20/83 meses/months  0 filas/rows  faltan/left 0:03:09"),
        # finished: how long it took
        (Progress(83, 198_000), 100, "83/83 meses/months  198,000 filas/rows  1,980/s  0:01:40"),
    ],
)
def test_progress_tells_months_rows_speed_and_time_left(progress: Progress, seconds: float, expected: str) -> None:
    """Progress is one correct line at every stage."""
    assert describe(progress, 83, seconds) == expected


def test_without_a_terminal_progress_is_plain_lines(screen: Screen, output: io.StringIO) -> None:
    """Without a terminal the first line is immediate, others are rare, and one comes at the end."""
    with screen.progress("Load", 83) as show:
        for months in range(84):
            show(Progress(months, months * 10))
    first, last = output.getvalue().splitlines()
    assert first.startswith("  Load: 0/83")
    assert last.startswith("✓ Load: 83/83 meses/months  830 filas/rows")


def test_in_a_terminal_progress_is_a_bar() -> None:
    """In a terminal the progress bar leaves one plain line behind."""
    output = io.StringIO()
    with Screen(Console(file=output, force_terminal=True, width=110)).progress("Load", 83) as show:
        show(Progress(83, 830))
    assert "━" in output.getvalue()
    assert "✓ Load: 83/83 meses/months  830 filas/rows" in output.getvalue().splitlines()[-1]


def test_the_table_has_a_line_for_each_year_a_sum_and_the_day(screen: Screen, output: io.StringIO) -> None:
    """The total is that of the years; the day, which is part of a year, is listed separately below."""
    years = [
        Account("2025", 1_000, 900, Counter(too_long=50), 40, 10, 0, 1_000),
        Account("2026", 2_000, 1_990, Counter(), 0, 10, 0, 2_000),
    ]
    screen.accounts(years, Account("2026-11-23", 7, 7))
    *_, total, day = (line.split() for line in output.getvalue().splitlines())
    assert total == ["total", "3,000", "2,890", "50", "40", "20", "0"]
    assert day == ["2026-11-23", "7", "7", "0", "0", "0", "0"]


def test_findings_say_whether_they_hold(screen: Screen, output: io.StringIO) -> None:
    """Findings show whether they hold, even without colour."""
    screen.findings([Finding(True, "all is well [here]"), Finding(False, "something is not")])
    assert output.getvalue() == "✓ all is well [here]\n✗ something is not\n"
