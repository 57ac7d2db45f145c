"""Storage of a batch's rows: lossless, compact, and searchable by request."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.status_change import StatusChange
from tablero.outbox.content import pack_rows, request_hash, request_hashes, service_of, unpack_rows

_FIRST, _LAST = (datetime(year, 1, 1, tzinfo=timezone.utc).replace(tzinfo=None) for year in (1900, 2100))
INSTANTS = st.datetimes(_FIRST, _LAST, timezones=st.just(timezone.utc))
IDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
ROWS = st.lists(st.builds(StatusChange, IDS, IDS, INSTANTS, st.integers(1, 32_000), INSTANTS), min_size=1, max_size=20)


#: Two rows as the package stored them before schema 0009.
_BY_ROW = "78019b347589a18189e1d220d7405dc3ebff65f33518e24cf3c319a14cb303d791141821143041991642e1005d88186f"


@given(ROWS)
def test_rows_come_back_as_they_were(rows: list[StatusChange]) -> None:
    """All five values come back to the microsecond, in UTC and in order."""
    found = unpack_rows(pack_rows(rows))
    assert found == rows
    assert all(type(one) is StatusChange for one in found)
    assert all(instant.tzinfo is timezone.utc for one in found for instant in (one.opening_date, one.last_modified_date))


@given(ROWS)
def test_a_request_is_found_by_its_hash(rows: list[StatusChange]) -> None:
    """Each request of a batch is indexed once, by a hash of four bytes, in ascending order."""
    hashes = request_hashes(rows)
    pieces = [hashes[start : start + 4] for start in range(0, len(hashes), 4)]
    assert pieces == sorted({request_hash(row.request_id) for row in rows})


def test_a_hash_is_the_same_everywhere() -> None:
    """A hash is the same on every machine and in every version, since it is stored for years."""
    assert request_hash("REQ-001").hex() == "8b6bfefe"


def test_rows_of_older_batches_come_back() -> None:
    """The rows of a batch of schema 0008 were stored one after another."""
    stored = bytes.fromhex(_BY_ROW)
    at = datetime(2020, 2, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)
    rows = [StatusChange("1041", f"REQ-{number}", at, number, at + timedelta(days=number)) for number in (1, 2)]
    assert unpack_rows(stored) == rows


def test_a_batch_of_one_service() -> None:
    """A batch of one service is distinguished from one of several."""
    at = datetime(2020, 2, 1, tzinfo=timezone.utc)
    one, other = (StatusChange(service, "R", at, 2, at) for service in ("1041", "1042"))
    assert service_of([one, one]) == "1041"
    assert service_of([one, other]) is None


def test_a_row_takes_little_room() -> None:
    """With numbered requests of three changes each, a row takes less than eight bytes."""
    at = datetime(2023, 2, 1, tzinfo=timezone.utc)
    rows = [
        StatusChange(
            str(1041 + number % 40), f"SOL-2023-{number // 3:08}", at, number % 21 + 1, at + number * timedelta(minutes=7)
        )
        for number in range(1000)
    ]
    assert len(pack_rows(rows)) + len(request_hashes(rows)) < 8_000
