"""Sorting a stream of any length gives what ``sorted`` gives."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import chain, islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_mock import MockerFixture
from tablero.contract import sorting
from tablero.contract.packing import row_order
from tablero.contract.sorting import in_order
from tablero.contract.status_change import StatusChange

START = datetime(2020, 2, 1, tzinfo=timezone.utc)


def change(request: int, microsecond: int = 0, service: str = "1") -> StatusChange:
    return StatusChange(service, f"R{request:05}", START, 2, START + timedelta(microseconds=microsecond))


def rows(pieces: Iterator[list[StatusChange]]) -> list[StatusChange]:
    return list(chain.from_iterable(pieces))


CHANGES = st.lists(st.builds(change, st.integers(0, 9), st.integers(0, 3), st.sampled_from(["1", "2"])), max_size=60)


@given(CHANGES, st.integers(1, 20), st.integers(1, 5))
def test_like_sorted(changes: list[StatusChange], run: int, piece: int) -> None:
    """The order is that of ``sorted`` for any run length and block size; each row comes once, and none is lost."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "_PIECE", piece)
        assert rows(in_order(iter(changes), run)) == sorted(set(changes), key=row_order)


INSTANTS = st.datetimes(timezones=st.just(timezone.utc))


@given(st.lists(st.builds(StatusChange, st.text(), st.text(), INSTANTS, st.integers(1, 99), INSTANTS), max_size=9))
def test_every_value_comes_back_as_it_was(changes: list[StatusChange]) -> None:
    """Any text and any instant survive being written to a file."""
    found = rows(in_order(iter(changes), 1))
    assert found == sorted(set(changes), key=row_order)
    assert all(type(one) is StatusChange and one.opening_date.tzinfo is timezone.utc for one in found)


@pytest.mark.parametrize("length", [9, 10, 11, 20, 21, 5001])
def test_around_the_length_of_a_run(length: int) -> None:
    """Sorting works with one row less than a run, exactly a run, and one more, also across blocks of the file."""
    run = 2_000 if length > 5000 else 10
    found = rows(in_order(map(change, range(length, 0, -1)), run))
    assert found == list(map(change, range(1, length + 1)))


def test_merging_holds_a_piece_of_each_file(mocker: MockerFixture) -> None:
    """Merging keeps only one block of each file in memory, however long the files are."""
    mocker.patch.object(sorting, "_PIECE", 5)
    pieces = 0
    read = sorting._read

    def counted(file: object) -> Iterator[list[StatusChange]]:
        nonlocal pieces
        for piece in read(file):  # type: ignore[arg-type]
            pieces += 1
            yield piece

    mocker.patch.object(sorting, "_read", counted)
    stream = in_order(map(change, range(1000, 0, -1)), 100)
    next(stream)
    assert pieces <= 10 + 2


def test_files_are_gone_when_the_reader_stops(tmp_path: Path, mocker: MockerFixture) -> None:
    """No file is left on disk or open when a task is stopped in the middle."""
    mocker.patch.object(tempfile, "tempdir", str(tmp_path))
    opened = []
    make = tempfile.TemporaryFile
    mocker.patch.object(tempfile, "TemporaryFile", lambda **options: opened.append(make(**options)) or opened[-1])
    stream = in_order(map(change, range(100, 0, -1)), 10)
    assert list(islice(chain.from_iterable(stream), 3)) == list(map(change, (1, 2, 3)))
    del stream
    assert len(opened) == 10
    assert all(file.closed for file in opened)
    assert list(tmp_path.iterdir()) == []
