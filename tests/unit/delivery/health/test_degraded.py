"""Which windows are settled, and still not as usual."""

from __future__ import annotations

from datetime import date
from typing import Any

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.windows import Window, dateless_window, day_window
from tablero.delivery.health.degraded import CONDITIONS, Cause, Counts, judge
from tablero.texts import alerts

DAY = day_window(date(2026, 11, 23), pendulum.timezone("America/Santo_Domingo"))


def causes(window: Window = DAY, *, rejected_percent: float = 5, low_volume_percent: float = 20, **counts: Any) -> list[str]:
    found = judge(Counts(window, **counts), rejected_percent=rejected_percent, low_volume_percent=low_volume_percent)
    return [one.cause for one in found]


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"read": 400}, []),
        ({"read": 400, "rejected": 20}, []),  # five in a hundred, and no more
        ({"read": 400, "rejected": 21}, ["rejected"]),
        ({"read": 400, "rejected": 400}, ["all_rejected"]),
        ({"read": 400, "rejected": 100, "excluded": 300}, ["all_rejected"]),  # none of those that could be sent
        ({"read": 400, "excluded": 400}, []),
        ({"read": 0}, []),
        ({"read": 400, "found": 3}, ["audit"]),
    ],
)
def test_rejections_and_audits(counts: dict[str, int], found: list[str]) -> None:
    """More than the share of the rows that could be sent; an audit that found anything."""
    assert causes(**counts) == found


@pytest.mark.parametrize(
    ("read", "usual", "found"),
    [
        (400, [400] * 8, []),
        (80, [400] * 8, []),
        (79, [400] * 8, ["few_rows"]),
        (0, [400] * 8, ["no_rows"]),
        (0, [0] * 8, []),  # a Sunday
        (0, [400, 0, 0, 0, 0, 0, 0, 0], []),  # one busy Sunday makes no custom
        (0, [], ["no_rows"]),  # an empty view, from the first night on
        (3, [], []),
        (0, None, []),  # not compared
    ],
)
def test_volume(read: int, usual: list[int] | None, found: list[str]) -> None:
    """Compared with the median of the same weekday."""
    assert causes(read=read, usual=usual) == found


def test_switched_off() -> None:
    """Zero: the share is not looked at, nor is the volume; that nothing at all was sent is told still."""
    off: dict[str, Any] = {"rejected_percent": 0, "low_volume_percent": 0}
    assert causes(read=400, rejected=399, usual=[400] * 8, **off) == []
    assert causes(read=0, usual=[400] * 8, **off) == []
    assert causes(read=400, rejected=400, **off) == ["all_rejected"]


def test_undated_rows() -> None:
    """All of them are rejected, of course; they are told as what they are."""
    assert causes(dateless_window(), read=12, rejected=12) == ["undated"]
    assert causes(dateless_window(), read=12, excluded=12) == []


def test_numbers_go_with_it() -> None:
    """How many rows of how many; how many where how many are usual."""
    (found,) = judge(Counts(DAY, 400, rejected=60), rejected_percent=5, low_volume_percent=20)
    assert (found.rows, found.of_rows, found.label) == (60, 400, "2026-11-23")
    (found,) = judge(Counts(DAY, 7, usual=[100, 300, 200]), rejected_percent=5, low_volume_percent=20)
    assert (found.rows, found.of_rows) == (7, 200)


@given(st.integers(0, 1000), st.data())
def test_a_window_is_rejected_once(read: int, data: st.DataObject) -> None:
    """Never told as all and as a share; and always told if nothing could be sent."""
    rejected = data.draw(st.integers(0, read))
    found = causes(read=read, rejected=rejected, excluded=data.draw(st.integers(0, read - rejected)))
    assert len(found) <= 1


@pytest.mark.parametrize("cause", Cause)
def test_each_cause_can_be_told(cause: Cause) -> None:
    """A sentence and a remedy; conditions end, events do not."""
    assert cause.value in alerts.DEGRADED
    assert cause.value in alerts.REMEDIES
    assert (cause in CONDITIONS) == (cause.value not in ("audit", "unknown", "recognised", "few_refusals"))
