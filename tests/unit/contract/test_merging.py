"""Comparing two ordered streams: the exact difference, in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.merging import differences
from tablero.contract.packing import row_order
from tablero.contract.status_change import StatusChange

START = datetime(2020, 2, 1, tzinfo=timezone.utc)


def change(request: int, minute: int = 0, service: str = "1") -> StatusChange:
    return StatusChange(service, f"R{request:04}", START, 1 + minute % 21, START + timedelta(minutes=minute))


STREAMS = st.lists(
    st.builds(change, st.integers(0, 6), st.integers(0, 12), st.sampled_from(["1", "2", "10"])), unique=True, max_size=60
)


@given(STREAMS, STREAMS, st.integers(1, 9))
def test_exactly_what_differs(found: list[StatusChange], known: list[StatusChange], chunk: int) -> None:
    """Rows in only one stream are reported as new or gone, in order, whatever the chunk sizes."""
    pieces = list(differences(sorted(found, key=row_order), sorted(known, key=row_order), chunk))
    new = [row for piece in pieces for row in piece.new]
    gone = [row for piece in pieces for row in piece.gone]
    assert new == sorted(set(found) - set(known), key=row_order)
    assert gone == sorted(set(known) - set(found), key=row_order)
    assert all(piece.new or piece.gone for piece in pieces)


def test_both_are_streamed() -> None:
    """Neither stream is read further ahead than one chunk."""
    read = {"found": 0, "known": 0}

    def stream(name: str, numbers: Iterable[int]) -> Iterator[StatusChange]:
        for number in numbers:
            read[name] += 1
            yield change(number)

    pieces = differences(stream("found", range(0, 2000, 2)), stream("known", range(1, 2000, 2)), chunk=10)
    next(pieces)
    assert read == {"found": 10, "known": 10}
    for count, _ in enumerate(pieces, 2):
        assert max(read.values()) <= 10 * (count + 1)


def test_one_row_more_does_not_upset_the_rest() -> None:
    """After a difference the streams are aligned again."""
    rows = [change(number) for number in range(100)]
    pieces = list(differences([*rows[:3], change(3, 1), *rows[3:]], rows, chunk=10))
    assert [(piece.new, piece.gone) for piece in pieces] == [([change(3, 1)], [])]
