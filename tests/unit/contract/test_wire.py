"""The wire form, byte for byte, and back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.contract.wire import encode

UTC = timezone.utc
DATES = ("opening_date", "last_modified_date")


def test_the_wire_form_byte_for_byte() -> None:
    """Keys in the contract's order, UTC with Z, unescaped UTF-8, and a six-digit fraction only if there is one."""
    local = timezone(timedelta(hours=-4))
    number = 'Nº 4/ñ "é" \\ 申請'
    opened = datetime(2020, 1, 1, 0, tzinfo=local)
    changes = [
        StatusChange("123", "REQ-001", datetime(2025, 6, 13, 8, tzinfo=UTC), 2, datetime(2025, 6, 13, 10, 15, tzinfo=UTC)),
        StatusChange("1057", number, opened, 21, datetime(2020, 1, 31, 23, 59, 59, 999_999, tzinfo=local)),
        StatusChange("1057", number, opened, 7, datetime(2020, 2, 1, 0, 0, 0, 500, tzinfo=local)),
    ]
    in_utc = [
        one._replace(opening_date=one.opening_date.astimezone(UTC), last_modified_date=one.last_modified_date.astimezone(UTC))
        for one in changes
    ]
    assert encode(in_utc) == (Path(__file__).parent / "golden" / "batch.json").read_bytes()


def test_the_wire_form_takes_a_stream() -> None:
    """Any iterable can be written, even an empty one."""
    assert encode(iter(())) == b'{"requests":[]}'


INSTANTS = st.datetimes(timezones=st.just(UTC))
CHANGES = st.builds(StatusChange, st.text(), st.text(), INSTANTS, st.integers(1, 99), INSTANTS)


@given(st.lists(CHANGES, max_size=20))
def test_any_reader_of_json_reads_what_was_written(changes: list[StatusChange]) -> None:
    """A JSON reader gets back every value, to the microsecond, in the same order and with the contract's keys."""
    entries = json.loads(encode(changes))["requests"]
    assert [tuple(entry) for entry in entries] == [FIELDS] * len(changes)
    read = [
        StatusChange(*(datetime.fromisoformat(value) if name.endswith("_date") else value for name, value in entry.items()))
        for entry in ({**entry, **{name: entry[name].replace("Z", "+00:00") for name in DATES}} for entry in entries)
    ]
    assert read == changes
