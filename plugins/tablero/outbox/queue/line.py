"""The line of a request: of all pending batches that share a request, the one with its oldest change is posted first.

Batches of one reading stand in line by ``after_id``. Those of different readings are compared here when they are claimed or
staged: by what is stored beside their rows, and row by row only where their dates overlap. What was refused is in no line:
a bad row would hold up good ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import StatusChange
from tablero.outbox.batches import rows_of
from tablero.outbox.content import HASH_BYTES
from tablero.outbox.schema import batch

#: Attempts with an unknown outcome in a row after which a batch is searched.
SEARCHED_AFTER = 2

#: Batches that are searched, after all others had their turn: parts, what was refused, and what fails time after time. What an
#: earlier pass has learnt about a batch is in its row, so that a pass which ends early is not repeated by the next one.
IS_SEARCHED = sa.or_(
    batch.c.cuts > 0,
    sa.and_(batch.c.first_refused_at.is_not(None), batch.c.unknown_in_a_row == 0),
    batch.c.unknown_in_a_row >= SEARCHED_AFTER,
)

_PLACE = [batch.c[name] for name in ("id", "first_change", "last_change", "first_request", "last_request")]


class Split(NamedTuple):
    """A batch of which only some rows may be posted now.

    :ivar free: rows of which no other batch has an older change.
    """

    whole: Any
    free: list[StatusChange]
    waiting: list[StatusChange]


def blockers(connection: Connection, candidates: Sequence[Any], *among: sa.ColumnElement[bool]) -> dict[int, set[int]]:
    """By batch that must wait, the batches that must be posted before it.

    :param candidates: rows of pending batches, with at least the columns of their place in time and among the requests.
    :param among: conditions for the pending batches that they may have to wait for.
    """
    if not candidates:
        return {}
    query = sa.select(*_PLACE).where(
        sa.text("batch.state = 'pending'"),
        ~IS_SEARCHED,
        sa.or_(
            *(
                sa.and_(
                    batch.c.first_change < one.last_change,
                    batch.c.first_request <= one.last_request,
                    batch.c.last_request >= one.first_request,
                )
                for one in candidates
            )
        ),
        *among,
    )
    others = connection.execute(query).all()
    pairs = [(one, other) for one in candidates for other in others if _may_share(one, other)]
    hashes = _hashes(connection, {each.id for pair in pairs for each in pair})
    pairs = [(one, other) for one, other in pairs if not hashes[one.id].isdisjoint(hashes[other.id])]
    overlapping = {each.id for one, other in pairs if other.last_change > one.first_change for each in (one, other)}
    rows = rows_of(connection, overlapping)
    waits: dict[int, set[int]] = {}
    for one, other in pairs:
        if other.last_change <= one.first_change or _has_older(rows[other.id], rows[one.id]):
            waits.setdefault(one.id, set()).add(other.id)
    return waits


def split(connection: Connection, candidates: Sequence[Any], waits: Mapping[int, Collection[int]]) -> Split | None:
    """Where batches wait for each other: the first of them of which some rows may be posted; ``None`` if there is none.

    :param waits: from :func:`blockers`.
    """
    ids = {one.id for one in candidates}
    circle = [one for one in candidates if waits.get(one.id) and ids.issuperset(waits[one.id])]
    for one in circle:
        rows = rows_of(connection, [one.id, *waits[one.id]])
        older = _first_changes(change for other in waits[one.id] for change in rows[other])
        free = [change for change in rows[one.id] if not _is_before(older, change)]
        if free and len(free) < len(rows[one.id]):
            return Split(one, free, [change for change in rows[one.id] if _is_before(older, change)])
    return None


def _may_share(one: Any, other: Any) -> bool:
    return bool(
        one.id != other.id
        and other.first_change < one.last_change
        and other.first_request <= one.last_request
        and other.last_request >= one.first_request
    )


def _hashes(connection: Connection, ids: Collection[int]) -> dict[int, frozenset[bytes]]:
    if not ids:
        return {}
    query = sa.select(batch.c.id, batch.c.requests).where(batch.c.id.in_(ids))
    return {
        row.id: frozenset(row.requests[at : at + HASH_BYTES] for at in range(0, len(row.requests), HASH_BYTES))
        for row in connection.execute(query)
    }


def _has_older(older: Sequence[StatusChange], rows: Sequence[StatusChange]) -> bool:
    first = _first_changes(older)
    return any(_is_before(first, change) for change in rows)


def _first_changes(changes: Any) -> dict[str, datetime]:
    first: dict[str, datetime] = {}
    for change in changes:
        known = first.get(change.request_id)
        if known is None or change.last_modified_date < known:
            first[change.request_id] = change.last_modified_date
    return first


def _is_before(first: Mapping[str, datetime], change: StatusChange) -> bool:
    """Whether an older change of the same request is among these."""
    known = first.get(change.request_id)
    return known is not None and known < change.last_modified_date
