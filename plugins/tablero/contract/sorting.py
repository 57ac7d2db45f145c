"""Sorting a stream of any length in little memory.

Sorted here rather than by the source: databases order text by their own collation, in which requests that differ only in
case or accents would mix, and the institution's own SQL may order as it likes.
"""

from __future__ import annotations

import heapq
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import IO, Any, TypeVar

T = TypeVar("T")

#: Rows that are sorted in memory at a time; a longer stream is merged from files of that many.
RUN = 100_000
_CHUNK = 500


def in_order(items: Iterable[T], key: Callable[[T], Any], run: int = RUN) -> Iterator[T]:
    """The items in ascending order of ``key``; equal ones stay in the order in which they came."""
    stream = iter(items)
    first = sorted(islice(stream, run), key=key)
    if len(first) < run:
        yield from first
        return
    with ExitStack() as files:
        runs = [files.enter_context(_spill(first))]
        del first
        while piece := sorted(islice(stream, run), key=key):
            runs.append(files.enter_context(_spill(piece)))
            del piece
        yield from heapq.merge(*map(_unspill, runs), key=key)


def _spill(items: list[Any]) -> IO[bytes]:
    file = tempfile.TemporaryFile(prefix="tablero-")  # noqa: SIM115 in_order closes it
    for start in range(0, len(items), _CHUNK):
        pickle.dump(items[start : start + _CHUNK], file, pickle.HIGHEST_PROTOCOL)
    file.seek(0)
    return file


def _unspill(file: IO[bytes]) -> Iterator[Any]:
    while True:
        try:
            yield from pickle.load(file)
        except EOFError:
            return
