"""Comparing the rows of a reading with those on record, both streamed in the same order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

from tablero.contract.packing import row_order
from tablero.contract.status_change import StatusChange

#: Rows of each side compared at a time.
_CHUNK = 5_000


class Difference(NamedTuple):
    """The difference within a range of rows.

    :ivar new: read, but not on record; in order.
    :ivar gone: on record, but not read; in order.
    """

    new: list[StatusChange]
    gone: list[StatusChange]


def differences(found: Iterable[StatusChange], known: Iterable[StatusChange], chunk: int = _CHUNK) -> Iterator[Difference]:
    """Compare two streams and yield their differences; nothing where they are equal.

    A chunk that is equal costs one comparison of two lists.

    :param found: distinct rows in :data:`~tablero.contract.packing.row_order`.
    :param known: the same.
    """
    mine, theirs = iter(found), iter(known)
    one: list[StatusChange] = []
    other: list[StatusChange] = []
    while True:
        one += islice(mine, chunk - len(one))
        other += islice(theirs, chunk - len(other))
        if not one and not other:
            return
        if one == other:
            one, other = [], []
            continue
        # A side that is not full has ended. Up to the last row of a full side, no further rows can follow.
        edge = min((row_order(side[-1]) for side in (one, other) if len(side) == chunk), default=None)
        (now, one), (then, other) = _cut(one, edge), _cut(other, edge)
        if now and then:
            before, after = set(then), set(now)
            now, then = [row for row in now if row not in before], [row for row in then if row not in after]
        if now or then:
            yield Difference(now, then)


def _cut(rows: list[StatusChange], edge: Any) -> tuple[list[StatusChange], list[StatusChange]]:
    end = len(rows) if edge is None else bisect_right(rows, edge, key=row_order)
    return rows[:end], rows[end:]
