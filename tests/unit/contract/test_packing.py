"""Packing a stream into batches: nothing is lost or reordered, and the changes of a request stay together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import chain, groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture
from tablero.contract import packing
from tablero.contract.packing import Packed, pack, row_order
from tablero.contract.status_change import StatusChange

START = datetime(2020, 2, 1, tzinfo=timezone.utc)


def change(request: int, minute: int, service: str = "1") -> StatusChange:
    return StatusChange(service, f"R{request}", START, 1 + minute % 21, START + timedelta(minutes=minute))


#: Few requests and services with many changes, so that all edge cases occur.
STREAMS = st.lists(
    st.builds(change, st.integers(0, 6), st.integers(0, 12), st.sampled_from(["1", "2", "10"])), unique=True, max_size=60
)


@given(STREAMS, st.integers(1, 8), st.booleans())
def test_packing(changes: list[StatusChange], size: int, by_service: bool) -> None:
    """All rows keep their order, no batch exceeds ``size``, and only a request larger than a batch is split."""
    changes.sort(key=row_order)
    batches = list(pack(changes, size, by_service=by_service))
    packed = list(chain.from_iterable(batch.changes for batch in batches))
    assert sorted(packed, key=row_order) == changes
    assert all(1 <= len(batch.changes) <= size for batch in batches)
    services = {one.service_id for one in changes} if by_service else {""}
    for service in services:
        own = [batch for batch in batches if not by_service or batch.changes[0].service_id == service]
        in_order = [one for one in changes if not by_service or one.service_id == service]
        assert list(chain.from_iterable(batch.changes for batch in own)) == in_order
        for before, batch in zip([None, *own], own, strict=False):
            torn = before is not None and before.changes[-1].request_id == batch.changes[0].request_id
            assert batch.continues == torn
            assert before is None or before.goes_on == torn
            if torn:
                assert before is not None
                for piece in (before, batch):
                    assert len({one.request_id for one in piece.changes}) == 1, "it shares no batch with others"
                assert len(before.changes) == size, "and fills all but its last"
        assert not own or not own[-1].goes_on


@given(STREAMS, st.integers(1, 8))
def test_no_batch_is_smaller_than_it_must_be(changes: list[StatusChange], size: int) -> None:
    """Two neighbouring batches never fit into one, so a load makes no unnecessary calls."""
    changes.sort(key=row_order)
    batches = list(pack(changes, size, by_service=False))
    for one, other in pairwise(batches):
        # Chained batches contain nothing else, not even the last one.
        if not one.continues and not other.continues:
            _, first_request = next(groupby(other.changes, lambda row: row.request_id))
            assert len(one.changes) + len(list(first_request)) > size


def test_a_long_request_is_chained() -> None:
    """Seven changes in batches of three become a chain: each batch but the first continues the previous one."""
    rows = [change(1, minute) for minute in range(7)]
    assert list(pack([*rows, change(2, 0)], 3, by_service=False)) == [
        Packed(rows[:3], False, goes_on=True),
        Packed(rows[3:6], True, goes_on=True),
        Packed(rows[6:], True),
        Packed([change(2, 0)], False),
    ]


def test_packing_holds_no_more_than_a_batch() -> None:
    """Packing reads on only after the previous batch was taken, so memory is constant however long the month is."""
    read = 0

    def stream() -> Iterator[StatusChange]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield change(10_000 + number, 0)

    batches = pack(stream(), 10, by_service=False)
    next(batches)
    assert read <= 12, "two rows ahead: the next request's first, and whether it has another"


def test_of_many_services_only_so_much_waits(mocker: MockerFixture) -> None:
    """With many services the fullest batch goes first and no request is split, so memory is constant; none goes earlier."""
    mocker.patch.object(packing, "_MOST_WAITING", 2)
    rows = [change(number // 2, number, service=str(number // 2 % 7)) for number in range(140)]
    rows.sort(key=row_order)
    read = 0

    def stream() -> Iterator[StatusChange]:
        nonlocal read
        for row in rows:
            read += 1
            yield row

    given_out = 0
    for batch in pack(stream(), 5, by_service=True):
        waiting = read - given_out - 1  # the row just read does not wait yet
        assert waiting <= 2 * 5 + 2, "one too many, and the other change of its request"
        assert waiting > 2 * 5 or len(batch.changes) == 4 or read == len(rows), "it is full, unless too many wait"
        given_out += len(batch.changes)
        assert len(batch.changes) % 2 == 0, "the two changes of a request go together"
    assert given_out == len(rows)


def test_the_order() -> None:
    """Rows are sorted by request and then by date, in the order of Python's text comparison, not of a collation."""
    rows = [change(1, 5, "2"), change(1, 3, "1"), change(2, 0, "1"), change(1, 3, "10")]
    assert sorted(rows, key=row_order) == [rows[1], rows[3], rows[0], rows[2]]
