"""Staging: committing what a reading of a window returned, each status change exactly once.

An extraction commits in steps, so that memory stays flat and a crash loses little. Reading the window again finds what is
already staged and adds only the rest; rows that the source no longer has are withdrawn.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, tzinfo
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from tablero.contract.packing import Packed, Packing
from tablero.contract.rules import Rejected
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window
from tablero.outbox import batches
from tablero.outbox.batches import Lease, LeasedBatch
from tablero.outbox.engine import Instant, lock, now_of, reading, writing
from tablero.outbox.queue.joining import join
from tablero.outbox.record import ON_RECORD, Record, holders, put_back, withdraw
from tablero.outbox.schema import batch, extraction, rejection

#: Longest text kept of a rejected value, in characters.
_MAX_VALUE = 300

_UNSTORABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")

#: Key of the lock that serialises staging: "staging" in bytes.
_STAGING = int.from_bytes(b"staging", "big")

# Built once, because every window, or every step, needs them.
_BEGIN = sa.insert(extraction).returning(extraction.c.id)
_FINISH = sa.update(extraction).where(extraction.c.id == sa.bindparam("extraction"))
_COUNT_NEW = _FINISH.values(rows_new=extraction.c.rows_new + sa.bindparam("new"))
_RESOLVE = (
    sa.update(rejection)
    .where(
        rejection.c.changed_at >= sa.bindparam("start", type_=Instant),
        rejection.c.changed_at < sa.bindparam("end", type_=Instant),
        rejection.c.extraction_id < sa.bindparam("extraction"),
        ~rejection.c.resolved,
    )
    .values(resolved=sa.true())
)


class RejectedRow(NamedTuple):
    """A rejected row in a form that can be stored: values as texts, truncated, without control characters.

    :ivar digest: identifies the row together with its reason.
    :ivar reason: value of :class:`~tablero.contract.reasons.Reason`.
    :ivar values: the five columns; ``None`` for NULL.
    :ivar changed_at: the instant under which the row is filed.
    """

    digest: str
    reason: str
    values: tuple[str | None, ...]
    changed_at: datetime

    @classmethod
    def of(cls, rejected: Rejected, changed_at: datetime) -> RejectedRow:
        """Build it from a row and the instant under which it is filed."""
        texts = [None if value is None else _legible(value) for value in rejected.row]
        digest = hashlib.blake2b(
            repr((rejected.reason.value, texts)).encode("utf-8", "backslashreplace"), digest_size=16
        ).hexdigest()
        cut = tuple(None if text is None else _storable(text) for text in texts)
        return cls(digest, rejected.reason.value, cut, changed_at)


class Step(NamedTuple):
    """The result of one transaction.

    :ivar new: status changes that are pending now; fewer than given if another worker staged some of them at the same time.
    :ivar leased: the batches that may be posted at once, if a lease was given.
    """

    new: int
    leased: list[LeasedBatch]


class Extraction:
    """A reading of a window in progress. Created by :func:`begin`.

    :ivar record: what the outbox held of the window before it was read.
    """

    def __init__(self, engine: Engine, identity: int, window: Window, zone: tzinfo, packing: Packing, record: Record) -> None:
        self.record = record
        self._engine = engine
        self._id = identity
        self._window = window
        self._zone = zone
        self._packing = packing
        self._undisturbed = True
        self._split_request: dict[str, int] = {}
        self._gone = 0

    def stage(self, packs: Sequence[Packed], lease: Lease | None = None) -> Step:
        """Commit batches in one transaction, without rows that are staged already.

        :param lease: taken for batches that may be posted at once.
        """
        prepared = self._prepare(packs)  # before others have to wait for this transaction
        with writing(self._engine) as connection:
            # Staging is serialised: each step sees what all others have committed.
            lock(connection, _STAGING)
            left, returned = self._without_returned(connection, self._without_others(connection, packs))
            new = sum(len(pack.changes) for pack in left) + returned
            self._count_new(connection, new)
            if not left:
                return Step(new, [])
            at_once, in_turn = self._around_pending(connection, left, returned)
            if at_once != packs:
                prepared = self._prepare(at_once)
            origin = batches.Origin(self._id)
            ids = batches.insert(connection, origin, prepared, lease)
            ids += batches.insert(connection, origin, self._prepare(in_turn))
            waiting = self._put_in_line(connection, ids, [*at_once, *in_turn])
        made = zip(ids, at_once, strict=False)  # those that may be posted at once come first
        first = [LeasedBatch(identity, pack.changes) for identity, pack in made if identity not in waiting]
        return Step(new, first if lease else [])

    def _prepare(self, packs: Sequence[Packed]) -> list[batches.Prepared]:
        return [batches.prepare(pack.changes, self._zone) for pack in packs]

    def _around_pending(
        self, connection: Connection, packs: Sequence[Packed], returned: int
    ) -> tuple[Sequence[Packed], Sequence[Packed]]:
        """Which batches may be posted at once, and which in turn, since older changes of their requests are pending.

        :param returned: rows that are pending again by this step.
        """
        if self._undisturbed and not self.record.may_hold_pending and not returned:
            return packs, []
        return join(connection, packs, self._window, self._zone, self._packing, extraction=self._id)

    def _count_new(self, connection: Connection, rows: int) -> None:
        """Count new rows where they are committed: the next reading will not find them new, whatever becomes of this one."""
        if rows:
            connection.execute(_COUNT_NEW, {"extraction": self._id, "new": rows})

    def _without_others(self, connection: Connection, packs: Sequence[Packed]) -> Sequence[Packed]:
        """Remove rows that came on record since this extraction listed it: staged or put back by another reading of the window,
        or in a batch to which a search has moved them.
        """
        if self._undisturbed:
            self._undisturbed = not self.record.list_again(connection, except_by=self._id)
        if self._undisturbed:
            return packs
        staged = {
            change for _, held, _ in holders(connection, self._window, list(_changes(packs)), ON_RECORD) for change in held
        }
        return _without(packs, staged)

    def _without_returned(self, connection: Connection, packs: Sequence[Packed]) -> tuple[Sequence[Packed], int]:
        """Remove rows that were withdrawn, and restore them instead; also returns how many of those are pending now."""
        if not packs or not self.record.may_return:
            return packs, 0
        found = list(_changes(packs))
        pending, refused = put_back(connection, self._window, found, self._zone)
        return _without(packs, pending | refused), len(pending)

    def _put_in_line(self, connection: Connection, ids: Sequence[int], packs: Sequence[Packed]) -> set[int]:
        """Let a batch that continues a request wait for the earlier batch; returns the ids of batches that wait."""
        waiting = set()
        for identity, pack in zip(ids, packs, strict=True):
            before = self._split_request.pop(pack.changes[0].request_id, None)
            if pack.continues and before is not None:
                waits = {"after_id": before, "claimed_by": None, "claimed_until": None}
                connection.execute(sa.update(batch).where(batch.c.id == identity).values(waits))
                waiting.add(identity)
            if pack.goes_on:
                self._split_request[pack.changes[-1].request_id] = identity
        return waiting

    def withdraw(self, gone: Collection[StatusChange]) -> int:
        """Withdraw rows on record that this reading did not find in the source, as far as that is possible.

        :returns: the number of pending rows that were withdrawn.
        """
        with writing(self._engine) as connection:
            pending, refused = withdraw(connection, self._window, gone, self._zone, now_of(connection))
        self._gone += len(gone) - pending - refused
        return pending

    def reject(self, rejections: Collection[RejectedRow]) -> None:
        """Store rejected rows; a row that is stored already is only marked as seen by this extraction."""
        # Unique by digest, since one statement cannot update a row twice; sorted, so that workers lock rows in the same order.
        values = {
            row.digest: {
                "digest": row.digest,
                "reason": row.reason,
                **dict(zip(StatusChange._fields, row.values, strict=True)),
                "changed_at": row.changed_at,
                "extraction_id": self._id,
            }
            for row in sorted(rejections, key=itemgetter(0))
        }
        insert = postgresql.insert if self._engine.dialect.name == "postgresql" else sqlite.insert
        statement = insert(rejection)
        statement = statement.on_conflict_do_update(
            index_elements=[rejection.c.digest],
            # Readings may overlap; the newer one decides which rejections are resolved.
            set_={
                "extraction_id": _greater(statement.excluded.extraction_id, rejection.c.extraction_id),
                "resolved": sa.false(),
            },
        )
        with writing(self._engine) as connection:
            connection.execute(statement, list(values.values()))

    def finish(
        self, *, read: int, new: int, known: int, duplicates: int, excluded: int, rejected: Counter[str], now: datetime
    ) -> None:
        """Record that the whole window was read, with its counts. Rejections that it no longer contains are resolved."""
        with writing(self._engine) as connection:
            connection.execute(_RESOLVE, {"extraction": self._id, "start": self._window.start, "end": self._window.end})
            found = {
                "finished_at": now,
                "rows_read": read,
                "rows_new": new,
                "rows_known": known,
                "rows_gone": self._gone,
                "duplicates": duplicates,
                "excluded": excluded,
                "rejected": dict(rejected),
            }
            connection.execute(_FINISH, {"extraction": self._id, **found})


def _changes(packs: Sequence[Packed]) -> Iterator[StatusChange]:
    return chain.from_iterable(pack.changes for pack in packs)


def _without(packs: Sequence[Packed], known: Collection[StatusChange]) -> list[Packed]:
    left = [pack._replace(changes=[change for change in pack.changes if change not in known]) for pack in packs]
    return [pack for pack in left if pack.changes]


def begin(engine: Engine, window: Window, *, run_id: str, zone: tzinfo, packing: Packing, now: datetime) -> Extraction:
    """Start an extraction: one reading of ``window``.

    :param run_id: the DAG run that reads.
    :param zone: the institution's time zone, in which rows are counted by day.
    :param packing: makes the batches that are staged.
    :param now: when the reading starts.
    """
    with writing(engine) as connection:
        values = {
            "kind": window.kind,
            "label": window.label,
            "window_start": window.start,
            "window_end": window.end,
            "run_id": run_id,
            "started_at": now,
            "rejected": {},
        }
        identity = connection.scalar(_BEGIN, values)
    assert identity is not None  # RETURNING of one inserted row
    # Before the source is queried: a row on record that the query does not return was gone by then.
    return Extraction(engine, identity, window, zone, packing, Record(partial(reading, engine), window))


def _greater(one: sa.ColumnElement[int], other: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    return sa.case((one > other, one), else_=other)


def _legible(value: object) -> str:
    try:
        text = str(value)
    except Exception:  # an int with more digits than Python prints, too deep a nesting, an object with a broken __str__
        return f"<{type(value).__name__}>"
    return text


def _storable(text: str) -> str:
    return _UNSTORABLE.sub(lambda match: match.group().encode("unicode_escape").decode(), text[:_MAX_VALUE])[:_MAX_VALUE]
