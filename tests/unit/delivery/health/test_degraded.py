"""Which settled windows are reported as degraded."""

from __future__ import annotations

from datetime import date
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.windows import Window, dateless_window, day_window
from tablero.delivery.health.degraded import CONDITIONS, Cause, Counts, judge, sentence
from tablero.outbox.findings import Degradation
from tablero.texts import alerts

DAY = day_window(date(2026, 11, 23), pendulum.timezone("America/Santo_Domingo"))


def causes(window: Window = DAY, *, rejected_percent: float = 5, low_volume_percent: float = 20, **counts: Any) -> list[str]:
    found = judge(Counts(window, **counts), rejected_percent=rejected_percent, low_volume_percent=low_volume_percent)
    return [one.cause for one in found]


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"read": 400}, []),
        ({"read": 400, "rejected": 20}, []),  # exactly five percent
        ({"read": 400, "rejected": 21}, ["rejected"]),
        ({"read": 400, "rejected": 400}, ["all_rejected"]),
        ({"read": 400, "rejected": 100, "excluded": 300}, ["all_rejected"]),  # none of the rows that could be sent
        ({"read": 400, "excluded": 400}, []),
        ({"read": 0}, []),
        ({"read": 400, "found": 3}, ["audit"]),
    ],
)
def test_rejections_and_audits(counts: dict[str, int], found: list[str]) -> None:
    """A window is degraded if too large a share of its rows is rejected, or if an audit found anything."""
    assert causes(**counts) == found


@pytest.mark.parametrize(
    ("read", "usual", "found"),
    [
        (400, [400] * 8, []),
        (80, [400] * 8, []),
        (79, [400] * 8, ["few_rows"]),
        (0, [400] * 8, ["no_rows"]),
        (0, [0] * 8, []),  # a Sunday
        (0, [400, 0, 0, 0, 0, 0, 0, 0], []),  # one busy Sunday is not a pattern
        (0, [], ["no_rows"]),  # nothing is known of earlier days: an empty view, already in the first night
        (3, [], []),
        (0, None, []),  # not compared
    ],
)
def test_volume(read: int, usual: list[int] | None, found: list[str]) -> None:
    """The volume is compared with the median of the same weekday."""
    assert causes(read=read, usual=usual) == found


def test_a_day_without_a_row_to_send() -> None:
    """Excluded rows do not count as volume: a day that has no others is reported as that, unless it is usual."""
    assert causes(read=7, excluded=7, usual=[400] * 8) == causes(read=7, excluded=7, usual=[]) == ["all_excluded"]
    assert causes(read=7, excluded=7, usual=[0] * 8) == []
    assert causes(read=7, excluded=6, usual=[400] * 8) == ["few_rows"]


@pytest.mark.parametrize(("gone", "found"), [(0, []), (20, []), (21, ["gone"]), (400, ["gone"])])
def test_rows_that_left_the_view(gone: int, found: list[str]) -> None:
    """A window is degraded if too large a share of its delivered rows has left the view since the last proof."""
    assert causes(read=400, delivered=400, gone=gone) == found


def test_switched_off() -> None:
    """Zero switches off the checks of share and volume, but not the report that nothing was sent."""
    off: dict[str, Any] = {"rejected_percent": 0, "low_volume_percent": 0}
    assert causes(read=400, rejected=399, usual=[400] * 8, **off) == []
    assert causes(read=0, usual=[400] * 8, **off) == []
    assert causes(read=400, rejected=400, **off) == ["all_rejected"]


def test_undated_rows() -> None:
    """Undated rows are all rejected by nature, so they are reported as undated."""
    assert causes(dateless_window(), read=12, rejected=12) == ["undated"]
    assert causes(dateless_window(), read=12, excluded=12) == []


def test_numbers_go_with_it() -> None:
    """A degradation gives its numbers: rows of how many, or rows where how many are usual."""
    (found,) = judge(Counts(DAY, 400, rejected=60), rejected_percent=5, low_volume_percent=20)
    assert (found.rows, found.of_rows, found.label) == (60, 400, "2026-11-23")
    (found,) = judge(Counts(DAY, 7, usual=[100, 300, 200]), rejected_percent=5, low_volume_percent=20)
    assert (found.rows, found.of_rows) == (7, 200)


@given(st.integers(0, 1000), st.data())
def test_a_window_is_rejected_once(read: int, data: st.DataObject) -> None:
    """A window is reported as all rejected or by share, never both, and always if nothing could be sent."""
    rejected = data.draw(st.integers(0, read))
    found = causes(read=read, rejected=rejected, excluded=data.draw(st.integers(0, read - rejected)))
    assert len(found) <= 1


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_has_a_sentence(cause: Cause) -> None:
    """Each cause has a sentence and a remedy; conditions end, events do not."""
    assert cause.value in alerts.DEGRADED
    assert cause.value in alerts.REMEDIES
    assert (cause in CONDITIONS) == (cause.value in alerts.CONDITIONS)
    assert (cause in CONDITIONS) == (cause.value not in ("gone", "audit", "unknown", "recognised", "few_refusals"))


@pytest.mark.parametrize(
    ("cause", "usual", "said"),
    [
        ("no_rows", 415, "2026-11-23: 0 rows; usual for that day is 415"),
        ("no_rows", 0, "2026-11-23: the view returned no row, and there is no earlier day to compare with"),
        ("of_version_9", 7, "2026-11-23: of_version_9"),
    ],
)
def test_a_degradation_in_words(cause: str, usual: int, said: str) -> None:
    """No usual number is made up where there is none, and a cause that a newer version stored is given as its code."""
    assert sentence(Degradation.of(cause, DAY, 0, usual)).en == said
