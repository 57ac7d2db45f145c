"""Comparing what the source says of a request with what is recorded."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.reasons import Reason
from tablero.contract.rules import Rejected
from tablero.contract.status_change import StatusChange
from tablero.outbox.reports.requests import Change, compare

START = datetime(2026, 11, 2, 12, tzinfo=timezone.utc)


def change(number: int) -> StatusChange:
    """A status change of a request."""
    return StatusChange("1041", "REQ-77", START, 1 + number, START + timedelta(hours=number))


def on_record(number: int, state: str = "delivered") -> Change:
    """The recorded form of a change."""
    return Change(change(number), 7, state, None, None)


NUMBERS = st.lists(st.integers(0, 9), max_size=12)


@given(NUMBERS, NUMBERS)
def test_every_row_of_the_source_is_shown_once_and_every_record_is_in_one_place(now: list[int], before: list[int]) -> None:
    """The result is complete for any additions, corrections, deletions and duplicates in the source."""
    rows = [tuple(change(number)) for number in now]
    found = compare(rows, map(change, now), [on_record(number) for number in set(before)])
    assert [row.row for row in found.rows] == [tuple(change(number)) for number in sorted(set(now))]
    assert found.delivered == len(set(now) & set(before))
    assert found.unread == len(set(now) - set(before))
    assert {gone.change for gone in found.gone} == {change(number) for number in set(before) - set(now)}


def test_rows_that_are_not_to_be_sent_come_last_and_are_not_missed() -> None:
    """Neither duplicates of an invalid row nor values without an order break the comparison."""
    broken = ("1041", "REQ-77", None, 99, bytearray(b"x"))
    wrong = Rejected(Reason.UNKNOWN_STATUS, broken)
    found = compare([broken, tuple(change(1)), broken], [wrong, change(1), wrong], [])
    assert [(row.row, row.reason, row.is_valid) for row in found.rows] == [
        (tuple(change(1)), None, True),
        (broken, Reason.UNKNOWN_STATUS, False),
    ]
    assert (found.delivered, found.unread) == (0, 1)


def test_a_row_that_was_taken_back_is_not_missed_in_the_source() -> None:
    """A row taken back because the source lost it is not reported as missing again."""
    assert compare([], [], [on_record(1, "withdrawn"), on_record(2, "pending")]).gone == [on_record(2, "pending")]
