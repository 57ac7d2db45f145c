"""Where freshly read rows go, if older readings have left rows of the same requests pending.

Batches are posted in the order of their oldest change (:mod:`tablero.outbox.queue.order`). So that this is also the order
within each request, rows that would be posted before older ones of their request get a batch of their own, and a row that was
entered late is staged together with the newer rows of its request, which leave the batch that they were in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone, tzinfo
from itertools import chain
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import Packed, Packing, row_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import rows_of, touching
from tablero.outbox.content import hashes_in, request_hashes
from tablero.outbox.engine import now_of
from tablero.outbox.queue.order import is_searched
from tablero.outbox.record import may_have_been_sent, was_delivered
from tablero.outbox.schema import batch, batch_content

_NEVER = datetime.min.replace(tzinfo=timezone.utc)

#: Batches read at a time.
_PAGE = 20


class _Home(NamedTuple):
    """A batch that holds pending rows of a request.

    :ivar place: of the batch in the order of pending ones.
    """

    place: datetime
    rows: list[StatusChange]


@dataclass
class _Shared:
    """A request of which rows are pending already.

    :ivar rows: those that were read now, in order.
    :ivar staged_at: the place of the batch in which they would be staged.
    :ivar homes: the pending ones, by the id of their batch.
    """

    rows: list[StatusChange]
    staged_at: datetime
    homes: dict[int, _Home] = field(default_factory=dict)

    @property
    def newer(self) -> set[int]:
        """The batches with a row that is newer than one that was read now."""
        oldest = min(_changed(self.rows))
        return {identity for identity, home in self.homes.items() if max(_changed(home.rows)) > oldest}

    @property
    def behind(self) -> datetime:
        """The last of the places of the other batches, which are posted before these rows."""
        newer = self.newer
        return max((home.place for identity, home in self.homes.items() if identity not in newer), default=_NEVER)

    @property
    def is_in_order(self) -> bool:
        """Whether these rows are posted where they belong if they are staged as they are."""
        return not self.newer and self.behind <= self.staged_at

    def take(self, identities: Collection[int]) -> None:
        """Add the rows of these batches to those that were read now."""
        for identity in identities:
            self.rows += self.homes.pop(identity).rows


def join(
    connection: Connection, packs: Sequence[Packed], window: Window, zone: tzinfo, packing: Packing, *, extraction: int
) -> tuple[list[Packed], list[Packed]]:
    """Arrange what is to be staged around what other readings of ``window`` have left pending.

    :param packs: the rows of one step of staging.
    :param zone: the institution's time zone, in which rows are counted by day.
    :param packing: a batch that had to be split before it is posted would lose its place in the order.
    :param extraction: the reading; its own batches only count if a request has rows in an earlier step.
    :returns: the batches that may be posted at once, and those that must be claimed in turn.
    """
    homes = _homes(connection, packs, window, extraction)
    shared = _shared(connection, packs, homes)
    if not shared:
        return list(packs), []
    apart = {request: each for request, each in shared.items() if not each.is_in_order}
    _take_out(connection, apart, zone)
    left = [pack._replace(changes=[row for row in pack.changes if row.request_id not in apart]) for pack in packs]
    whole = [pack for pack in left if pack.changes]
    in_turn = [pack for pack in whole if any(row.request_id in shared for row in pack.changes)]
    at_once = [pack for pack in whole if not any(row.request_id in shared for row in pack.changes)]
    return at_once, [*in_turn, *_packed(list(apart.values()), packing)]


def _homes(connection: Connection, packs: Sequence[Packed], window: Window, extraction: int) -> dict[int, Any]:
    """The pending batches of earlier readings, or steps, that may contain requests of these packs."""
    of_others = batch.c.extraction_id != extraction
    query = (
        sa.select(*batches.COLUMNS, batch_content.c.requests)
        .join(batch_content, batch_content.c.batch_id == batch.c.id)
        .where(
            sa.text("batch.state = 'pending'"),
            ~is_searched(),
            touching(window),
            sa.true() if any(pack.continues for pack in packs) else of_others,
            batch.c.first_request <= max(pack.changes[-1].request_id for pack in packs),
            batch.c.last_request >= min(pack.changes[0].request_id for pack in packs),
        )
        .order_by(batch.c.id)
    )
    wanted = hashes_in(request_hashes(list(chain.from_iterable(pack.changes for pack in packs))))
    return {row.id: row for row in connection.execute(query) if not wanted.isdisjoint(hashes_in(row.requests))}


def _shared(connection: Connection, packs: Sequence[Packed], homes: dict[int, Any]) -> dict[str, _Shared]:
    """The requests of these packs of which rows are pending."""
    if not homes:
        return {}
    read: dict[str, _Shared] = {}
    for pack_ in packs:
        oldest = min(_changed(pack_.changes))
        for row in pack_.changes:
            read.setdefault(row.request_id, _Shared([], oldest)).rows.append(row)
    for identity, rows in _contents(connection, list(homes)):
        for row in rows:
            if (shared := read.get(row.request_id)) is not None:
                shared.homes.setdefault(identity, _Home(homes[identity].place, [])).rows.append(row)
    return {request: each for request, each in read.items() if each.homes}


def _take_out(connection: Connection, shared: Mapping[str, _Shared], zone: tzinfo) -> None:
    """Take newer rows of these requests out of their batches, unless the dashboard may have some of them."""
    newer = {request: each.newer for request, each in shared.items()}
    free = set(_unsent(connection, set().union(*newer.values())))
    taken = {request: homes for request, homes in newer.items() if homes <= free}
    for identity, rows in _contents(connection, sorted(set().union(*taken.values()))):
        left = [row for row in rows if identity not in taken.get(row.request_id, ())]
        if left:
            # A worker whose lease has ended must not renew it, and post what it remembers.
            batches.refill(connection, identity, left, zone, claimed_by=None, claimed_until=None)
        else:
            batches.empty(connection, identity)
    for request, homes in taken.items():
        shared[request].take(homes)


def _unsent(connection: Connection, ids: set[int]) -> Iterator[int]:
    """Those of these batches that have certainly not been delivered, and that no worker holds; they are locked."""
    if not ids:
        return
    query = sa.select(*batches.COLUMNS).where(batch.c.id.in_(ids), batch.c.state == "pending", ~is_searched())
    now = now_of(connection)
    for row in connection.execute(query.with_for_update(skip_locked=True)).all():
        if not was_delivered(row) and not may_have_been_sent(connection, row, now):
            yield row.id


def _packed(apart: Sequence[_Shared], packing: Packing) -> Iterator[Packed]:
    """Batches of whole requests, each of which is posted after the pending rows of its requests."""
    rows: list[StatusChange] = []
    oldest = _NEVER
    for each in sorted(apart, key=lambda each: min(_changed(each.rows))):
        if rows and each.behind > oldest:
            yield from packing(sorted(rows, key=row_order))
            rows = []
        if not rows:
            oldest = min(_changed(each.rows))
        rows += each.rows
    if rows:
        yield from packing(sorted(rows, key=row_order))


def _contents(connection: Connection, ids: Sequence[int]) -> Iterator[tuple[int, list[StatusChange]]]:
    for start in range(0, len(ids), _PAGE):
        yield from rows_of(connection, ids[start : start + _PAGE]).items()


def _changed(rows: Sequence[StatusChange]) -> Iterator[datetime]:
    return (row.last_modified_date for row in rows)
