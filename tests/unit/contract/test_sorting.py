"""Sorting a stream of any length as ``sorted`` would."""

from __future__ import annotations

import tempfile
from itertools import islice
from operator import itemgetter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tablero.contract.sorting import in_order


@given(st.lists(st.tuples(st.integers(0, 5), st.integers())), st.integers(1, 20))
def test_like_sorted(items: list[tuple[int, int]], run: int) -> None:
    """For any length of a run; equal keys stay in the order in which they came."""
    assert list(in_order(iter(items), itemgetter(0), run)) == sorted(items, key=itemgetter(0))


@pytest.mark.parametrize("length", [9, 10, 11, 20, 21, 5001])
def test_around_the_length_of_a_run(length: int) -> None:
    """One less, exactly, and one more; also when a run exceeds the pieces in which it is written."""
    run = 2_000 if length > 5000 else 10
    assert list(in_order(range(length, 0, -1), int, run)) == list(range(1, length + 1))


def test_files_are_gone_when_the_reader_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left on the disk, nor open, when a task is told to stop in the middle."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    opened = []
    make = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: opened.append(make(**options)) or opened[-1])
    stream = in_order(range(100, 0, -1), int, 10)
    assert list(islice(stream, 3)) == [1, 2, 3]
    stream.close()
    assert len(opened) == 10
    assert all(file.closed for file in opened)
    assert list(tmp_path.iterdir()) == []
