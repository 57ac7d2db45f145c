"""The rules of the contract applied to many rows at a time.

Nearly all rows of a source are clearly valid, and checking whole columns is faster than checking rows: about half a microsecond
a row. A chunk that is not clearly valid is cut into pieces; pieces that are not clearly valid go row by row through
:mod:`tablero.contract.rules`, which alone decides and gives reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, tzinfo
from operator import attrgetter, itemgetter, le
from typing import Any, NamedTuple
from uuid import UUID

from tablero.contract.instants import UTC, InstantReader
from tablero.contract.reasons import Reason
from tablero.contract.rules import (
    Broken,
    Excluded,
    Rejected,
    Row,
    identifier,
    status_of,
    validator,
)
from tablero.contract.status_change import MAX_ID_LENGTH, StatusChange, of_values
from tablero.contract.statuses import known_statuses
from tablero.contract.windows import Window

#: Rows of a piece of a chunk that is not clearly valid.
_PIECE = 100

#: Integers below this are valid ids without further checks.
_PLAIN_NUMBER = 10**18

_zone_of = attrgetter("tzinfo")
_changed_of = itemgetter(StatusChange._fields.index("last_modified_date"))

Column = Sequence[Any]


class Judged(NamedTuple):
    """The rows of a chunk by verdict.

    :ivar changes: the valid ones, in input order.
    :ivar others: the rejected and excluded ones, in input order.
    """

    changes: list[StatusChange]
    others: list[Rejected | Excluded]


def chunk_validator(
    *, zone: tzinfo, earliest: datetime, now: datetime, extra_statuses: Collection[int] = ()
) -> Callable[[Sequence[Row]], Judged]:
    """Build the function that does for a chunk of rows what :func:`tablero.contract.rules.validator` does for one row.

    Parameters are those of :func:`tablero.contract.rules.validator`.

    :returns: a function of a chunk, which should have some thousand rows.
    """
    validate = validator(zone=zone, earliest=earliest, now=now, extra_statuses=extra_statuses)
    read = InstantReader(zone)
    statuses = known_statuses(extra_statuses)

    def plain(rows: Sequence[Row]) -> list[StatusChange] | None:
        """The status changes if every row is clearly valid; otherwise ``None``."""
        services, requests, openings, codes, changes = zip(*rows, strict=True)
        opened, changed = _instants(openings, read), _instants(changes, read)
        if opened is None or changed is None:
            return None
        if min(opened) < earliest or max(changed) > now or not all(map(le, opened, changed)):
            return None
        service = _one_by_one(services, lambda value: identifier(value, Reason.MISSING_SERVICE_ID))
        status = _one_by_one(codes, lambda value: status_of(value, statuses))
        request = _identifiers(requests)
        if service is None or status is None or request is None:
            return None
        return list(map(of_values, zip(service, request, opened, status, changed, strict=True)))

    def judge(rows: Sequence[Row]) -> Judged:
        if not rows:
            return Judged([], [])
        accepted = plain(rows)
        if accepted is not None:
            return Judged(accepted, [])
        judged = Judged([], [])
        for start in range(0, len(rows), _PIECE):
            piece = rows[start : start + _PIECE]
            accepted = plain(piece)
            if accepted is not None:
                judged.changes.extend(accepted)
                continue
            for verdict in map(validate, piece):
                if isinstance(verdict, StatusChange):
                    judged.changes.append(verdict)
                else:
                    judged.others.append(verdict)
        return judged

    return judge


def inside(changes: list[StatusChange], window: Window) -> list[StatusChange]:
    """The changes that are in ``window``; the same list if all are."""
    moments = list(map(_changed_of, changes))
    if not moments or (window.start <= min(moments) and max(moments) < window.end):
        return changes
    return [change for change, moment in zip(changes, moments, strict=True) if moment in window]


def _instants(column: Column, read: InstantReader) -> Sequence[datetime] | None:
    if set(map(type, column)) == {datetime} and set(map(id, map(_zone_of, column))) == {id(UTC)}:
        return column
    found = list(map(read, column))
    # A skipped local time is read as a subclass of datetime, so it is not clearly valid either.
    return found if set(map(type, found)) == {datetime} else None  # type: ignore[return-value]


def _one_by_one(column: Column, convert: Callable[[Any], Any]) -> Column | None:
    """Convert a column with few distinct values, each once; the results are shared, which also saves memory."""
    if set(map(type, column)) not in ({str}, {int}):
        return None
    try:
        converted = {value: convert(value) for value in set(column)}
    except Broken:
        return None
    return list(map(converted.__getitem__, column))


def _identifiers(column: Column) -> Column | None:
    kinds = set(map(type, column))
    if kinds == {str}:
        texts: Column = list(map(str.strip, column))
        plain = all(texts) and max(map(len, texts)) <= MAX_ID_LENGTH and "".join(texts).isprintable()
        return texts if plain else None
    if kinds == {UUID} or (kinds == {int} and max(map(abs, column)) < _PLAIN_NUMBER):
        return list(map(str, column))
    return None
