"""Packing a stream of ordered status changes into batches."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from tablero.contract.status_change import StatusChange

#: The order in which status changes are read, compared, packed and posted: by request, and within a request by date. Text sorts
#: as in Python, by code point.
row_order: Callable[[StatusChange], tuple[Any, ...]] = itemgetter(
    *map(StatusChange._fields.index, ("request_id", "last_modified_date", "status_id", "service_id", "opening_date"))
)

_request = itemgetter(StatusChange._fields.index("request_id"))

#: Rows that may wait for more rows of their service, in batches.
_MOST_WAITING = 50


class Packed(NamedTuple):
    """A batch cut from the stream.

    :ivar changes: in the order in which they are posted.
    :ivar continues: its first request began in an earlier batch, which must be settled first.
    :ivar goes_on: its last request continues in a later batch.
    """

    changes: Sequence[StatusChange]
    continues: bool
    goes_on: bool = False


#: :func:`pack` with the limits of a call.
Packing = Callable[[Iterable[StatusChange]], Iterator[Packed]]


def pack(changes: Iterable[StatusChange], size: int, *, by_service: bool) -> Iterator[Packed]:
    """Cut a stream in :data:`row_order` into batches of at most ``size`` rows, keeping each request in one batch.

    A request with more changes than ``size`` fills batches of its own, each to be settled before the next.

    :param by_service: only rows of one service in a batch; a request that changed in two services counts as two.
    """
    if by_service:
        yield from _pack_by_service(iter(changes), size)
        return
    stream, ahead = iter(changes), _Ahead()
    while ahead.extend(islice(stream, size + 1 - len(ahead.rows))):
        yield ahead.cut(size)


def _pack_by_service(stream: Iterator[StatusChange], size: int) -> Iterator[Packed]:
    services: dict[str, _Ahead] = defaultdict(_Ahead)
    waiting, before = 0, None
    for change in stream:
        if waiting > _MOST_WAITING * size and change.request_id != before:
            # The service with the most rows goes first; all of its requests are complete now.
            fullest = max(services.values(), key=lambda ahead: len(ahead.rows))
            waiting -= len(fullest.rows)
            yield from fullest.cut_all(size)
        ahead = services[change.service_id]
        ahead.rows.append(change)
        waiting += 1
        before = change.request_id
        if len(ahead.rows) > size:
            yield (batch := ahead.cut(size))
            waiting -= len(batch.changes)
    for service in sorted(services):
        yield from services[service].cut_all(size)


class _Ahead:
    """Rows that are in no batch yet, and the request whose earlier rows are in the previous batch."""

    def __init__(self) -> None:
        self.rows: list[StatusChange] = []
        self._split_request: str | None = None

    def extend(self, rows: Iterable[StatusChange]) -> bool:
        """Add rows; returns whether there are any."""
        self.rows.extend(rows)
        return bool(self.rows)

    def cut(self, size: int) -> Packed:
        """A batch of the first rows; requires more rows than ``size``, or the end of the stream."""
        rows = self.rows
        end = min(size, len(rows))
        first = rows[0].request_id
        continues = first == self._split_request
        if continues:
            end = bisect_right(rows, first, hi=end, key=_request)
        elif len(rows) > size:
            # Cut at the start of the request that does not fit; a request longer than a batch fills it.
            end = bisect_left(rows, rows[size].request_id, hi=end, key=_request) or size
        batch, self.rows = rows[:end], rows[end:]
        goes_on = bool(self.rows) and self.rows[0].request_id == batch[-1].request_id
        self._split_request = batch[-1].request_id if goes_on else None
        return Packed(batch, continues, goes_on)

    def cut_all(self, size: int) -> Iterator[Packed]:
        """Batches of all rows."""
        while self.rows:
            yield self.cut(size)
