"""Packing status changes into batches, as they stream by in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

from tablero.contract import StatusChange


class Packed(NamedTuple):
    """A batch, cut from the stream.

    :ivar changes: in the order in which they are posted.
    :ivar continues: its first request began in the batch before it, which must be settled first.
    """

    changes: Sequence[StatusChange]
    continues: bool


def sort_key(by_service: bool) -> Callable[[StatusChange], tuple[Any, ...]]:
    """The one order in which status changes are read, compared, packed and posted.

    All changes of a request follow each other, by date. It is the order of the outbox's primary key.

    :param by_service: services apart, for batches of one service each.
    """
    if by_service:
        return lambda c: (c.service_id, c.request_id, c.last_modified_date, c.status_id, c.opening_date)
    return lambda c: (c.request_id, c.last_modified_date, c.status_id, c.service_id, c.opening_date)


def pack(changes: Iterable[StatusChange], size: int, *, by_service: bool) -> Iterator[Packed]:
    """Cut a stream, in order, into batches of at most ``size`` which keep each request in one piece.

    A request with more changes than ``size`` fills batches of its own, each to be settled before the next.
    """
    batch: list[StatusChange] = []
    for _, group in groupby(changes, key=lambda c: (c.service_id if by_service else None, c.request_id)):
        piece: list[StatusChange] = []
        continues = False
        for change in group:
            if len(piece) == size:
                if batch:
                    yield Packed(batch, False)
                    batch = []
                yield Packed(piece, continues)
                piece, continues = [], True
            piece.append(change)
        if continues:
            yield Packed(piece, True)
        elif len(batch) + len(piece) > size or (by_service and batch and batch[0].service_id != piece[0].service_id):
            yield Packed(batch, False)
            batch = piece
        else:
            batch += piece
    if batch:
        yield Packed(batch, False)


def without(
    changes: Iterable[StatusChange], known: Iterable[StatusChange], key: Callable[[StatusChange], tuple[Any, ...]]
) -> Iterator[StatusChange]:
    """The status changes which are not among ``known``. Both in the order of ``key``, both streamed."""
    others = iter(known)
    other = next(others, None)
    other_key = None if other is None else key(other)
    for change in changes:
        mine = key(change)
        while other_key is not None and other_key < mine:
            other = next(others, None)
            other_key = None if other is None else key(other)
        if other_key != mine:
            yield change
