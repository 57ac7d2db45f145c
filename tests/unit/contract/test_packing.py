"""Packing a stream into batches: nothing is lost or moved, and a request stays in one piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from itertools import chain, groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.packing import Packed, pack, sort_key, without
from tablero.contract.status_change import StatusChange

START = datetime(2020, 2, 1, tzinfo=timezone.utc)


def change(request: int, minute: int, service: str = "1") -> StatusChange:
    return StatusChange(service, f"R{request}", START, 1 + minute % 21, START + timedelta(minutes=minute))


#: Few requests and services with many changes, so that all the edges are met.
STREAMS = st.lists(
    st.builds(change, st.integers(0, 6), st.integers(0, 12), st.sampled_from(["1", "2", "10"])), unique=True, max_size=60
)


@given(STREAMS, st.integers(1, 8), st.booleans())
def test_packing(changes: list[StatusChange], size: int, by_service: bool) -> None:
    """All rows in their order, at most ``size`` a batch, and no request in two batches unless it alone exceeds one."""
    changes.sort(key=sort_key(by_service))
    batches = list(pack(changes, size, by_service=by_service))
    assert list(chain.from_iterable(batch.changes for batch in batches)) == changes
    assert all(1 <= len(batch.changes) <= size for batch in batches)

    def request(one: StatusChange) -> tuple[str, ...]:
        return (one.service_id, one.request_id) if by_service else (one.request_id,)

    for before, batch in zip([None, *batches], batches, strict=False):
        torn = before is not None and request(before.changes[-1]) == request(batch.changes[0])
        assert batch.continues == torn
        if torn:
            assert before is not None
            for piece in (before, batch):
                assert len({request(one) for one in piece.changes}) == 1, "it shares no batch with others"
            assert len(before.changes) == size, "and fills all but its last"
    if by_service:
        assert all(len({one.service_id for one in batch.changes}) == 1 for batch in batches)


@given(STREAMS, st.integers(1, 8))
def test_no_batch_is_smaller_than_it_must_be(changes: list[StatusChange], size: int) -> None:
    """Two neighbours would not fit into one, so a load makes no more calls than the requests' sizes ask for."""
    changes.sort(key=sort_key(False))
    batches = list(pack(changes, size, by_service=False))
    for one, other in pairwise(batches):
        # A chain of batches stands alone, its last one too.
        if not one.continues and not other.continues:
            _, first_request = next(groupby(other.changes, lambda row: row.request_id))
            assert len(one.changes) + len(list(first_request)) > size


def test_a_long_request_is_chained() -> None:
    """Seven changes in batches of three: each batch but the first goes on where the one before ended."""
    rows = [change(1, minute) for minute in range(7)]
    assert list(pack([*rows, change(2, 0)], 3, by_service=False)) == [
        Packed(rows[:3], False),
        Packed(rows[3:6], True),
        Packed(rows[6:], True),
        Packed([change(2, 0)], False),
    ]


def test_packing_holds_no_more_than_a_batch() -> None:
    """It reads on only when the batch before was taken: memory is flat however long the month."""
    read = 0

    def stream() -> Iterator[StatusChange]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield change(10_000 + number, 0)

    batches = pack(stream(), 10, by_service=False)
    next(batches)
    assert read <= 12, "two rows ahead: the next request's first, and whether it has another"


@pytest.mark.parametrize("by_service", [False, True])
def test_the_order(by_service: bool) -> None:
    """By request, then by date; and as Python orders text, not as a language does."""
    rows = [change(1, 5, "2"), change(1, 3, "1"), change(2, 0, "1"), change(1, 3, "10")]
    by_key = sorted(rows, key=sort_key(by_service))
    by_request = [rows[1], rows[3], rows[0], rows[2]]
    assert by_key == ([rows[1], rows[2], rows[3], rows[0]] if by_service else by_request)


@given(STREAMS, STREAMS, st.booleans())
def test_without(changes: list[StatusChange], known: list[StatusChange], by_service: bool) -> None:
    """Exactly those that are not known, in order; and whoever asks is told of the known ones that are not among them."""
    key = sort_key(by_service)
    changes.sort(key=key)
    known.sort(key=key)
    missing: list[StatusChange] = []
    assert list(without(changes, known, key, missing.append)) == [one for one in changes if one not in set(known)]
    assert missing == [one for one in known if one not in set(changes)]


def test_without_streams_both() -> None:
    """Neither side is read ahead of the other by more than it must."""
    read: list[int] = []

    def stream(numbers: Iterable[int]) -> Iterator[StatusChange]:
        for number in numbers:
            read.append(number)
            yield change(1, number)

    fresh = without(stream(range(0, 100, 2)), stream(range(1, 100, 2)), sort_key(False), lambda _: None)
    next(fresh)
    assert len(read) <= 3
