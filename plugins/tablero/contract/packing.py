"""Packing status changes into batches, as they stream by in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from tablero.contract.status_change import StatusChange


class Packed(NamedTuple):
    """A batch, cut from the stream.

    :ivar changes: in the order in which they are posted.
    :ivar continues: its first request began in the batch before it, which must be settled first.
    """

    changes: Sequence[StatusChange]
    continues: bool


#: The order of the outbox's primary key.
_ORDER = ("request_id", "last_modified_date", "status_id", "service_id", "opening_date")


def sort_key(by_service: bool) -> Callable[[StatusChange], tuple[Any, ...]]:
    """The one order in which status changes are read, compared, packed and posted.

    All changes of a request follow each other, by date.

    :param by_service: services apart, for batches of one service each.
    """
    return _values(("service_id", *_ORDER) if by_service else _ORDER)


def pack(changes: Iterable[StatusChange], size: int, *, by_service: bool) -> Iterator[Packed]:
    """Cut a stream, in order, into batches of at most ``size`` which keep each request in one piece.

    A request with more changes than ``size`` fills batches of its own, each to be settled before the next.
    """
    service = _values(("service_id",))
    request = _values(("service_id", "request_id") if by_service else ("request_id",))
    stream = iter(changes)
    ahead: list[StatusChange] = []
    torn = None
    while ahead := [*ahead, *islice(stream, size + 1 - len(ahead))]:
        first = request(ahead[0])
        end = min(size, len(ahead))
        if first == torn:
            end = bisect_right(ahead, torn, hi=end, key=request)
        elif by_service and ahead[0].service_id != ahead[-1].service_id:
            end = bisect_right(ahead, ahead[0].service_id, hi=end, key=service)
        elif len(ahead) > size:
            # Where the request begins that does not fit; one that is longer than a batch fills it.
            end = bisect_left(ahead, request(ahead[size]), hi=end, key=request) or size
        batch, ahead = ahead[:end], ahead[end:]
        yield Packed(batch, first == torn)
        torn = request(batch[-1]) if ahead and request(ahead[0]) == request(batch[-1]) else None


def _values(names: tuple[str, ...]) -> Callable[[StatusChange], Any]:
    return itemgetter(*map(StatusChange._fields.index, names))


def without(
    changes: Iterable[StatusChange],
    known: Iterable[StatusChange],
    key: Callable[[StatusChange], tuple[Any, ...]],
    missing: Callable[[StatusChange], None],
) -> Iterator[StatusChange]:
    """The status changes which are not among ``known``. Both in the order of ``key``, both streamed.

    :param missing: told of each of the known that is not among ``changes``.
    """
    others = iter(known)
    other = next(others, None)
    stream = iter(changes)
    for change in stream:
        mine = key(change)
        while other is not None and key(other) < mine:
            missing(other)
            other = next(others, None)
        if other == change:
            other = next(others, None)
        else:
            yield change
        if other is None:
            yield from stream
    while other is not None:
        missing(other)
        other = next(others, None)
