"""Creating, splitting and reading batches. Their rows are also counted by civil day."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from operator import itemgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.packing import row_order
from tablero.contract.status_change import StatusChange
from tablero.contract.windows import Window, first_instant, local_day
from tablero.outbox.content import pack_rows, request_hashes, service_of, unpack_rows
from tablero.outbox.engine import Instant
from tablero.outbox.schema import LONGEST_WINDOW, batch, batch_content


class Origin(NamedTuple):
    """What a batch comes from and what has happened to its rows; its parts inherit it.

    :ivar extraction_id: the extraction that staged the rows.
    :ivar parent_id: the batch that this one was split off.
    :ivar resend_run_id: the run that asked for the rows to be posted again.
    :ivar cuts: how many times the search has split the rows off another batch.
    :ivar first_refused_at: when the rows were first refused, or failed.
    :ivar ever_unknown: whether an attempt with these rows ever had an unknown outcome.
    :ivar place: the oldest change of the batch that was staged; by default that of the batch that is made.
    """

    extraction_id: int
    parent_id: int | None = None
    resend_run_id: str | None = None
    cuts: int = 0
    first_refused_at: datetime | None = None
    ever_unknown: bool = False
    place: datetime | None = None


class Lease(NamedTuple):
    """The worker that alone may post a batch, and until when.

    :ivar worker: identifies one try of one task.
    :ivar until: end of the lease, by the outbox's clock.
    """

    worker: str
    until: datetime


class LeasedBatch(NamedTuple):
    """A batch that is leased to this worker, with its rows.

    :ivar changes: in the order in which they are posted.
    """

    batch_id: int
    changes: Sequence[StatusChange]


class Prepared(NamedTuple):
    """The rows of a batch in the form in which they are stored.

    :ivar described: the columns of ``batch`` that describe them.
    :ivar packed: the columns of ``batch_content``.
    """

    described: Mapping[str, Any]
    packed: Mapping[str, bytes]


class Part(NamedTuple):
    """Some rows of a batch that become a batch of their own.

    :ivar changes: at least one, in the order of the batch.
    :ivar values: column values that differ from those of the original batch.
    """

    changes: Sequence[StatusChange]
    values: Mapping[str, Any] = MappingProxyType({})


_changed = itemgetter(StatusChange._fields.index("last_modified_date"))

#: All columns but the counts by day.
COLUMNS = tuple(column for column in batch.columns if column.name != "days")

#: Compiled once because every batch uses it.
_INSERT = sa.insert(batch).returning(batch.c.id, sort_by_parameter_order=True)


def touching(window: Window) -> sa.ColumnElement[bool]:
    """A condition: the batch may contain rows of ``window``. An index range, so its cost does not grow with the outbox."""
    return _touching(**edges_of(window))


def _touching(longest_before: Any, start: Any, end: Any) -> sa.ColumnElement[bool]:
    return sa.and_(batch.c.first_change < end, batch.c.first_change > longest_before, batch.c.last_change >= start)


#: The same for a statement that is built once, and executed with :func:`edges_of` a window.
TOUCHING = _touching(*(sa.bindparam(name, type_=Instant) for name in ("longest_before", "start", "end")))


def edges_of(window: Window) -> dict[str, datetime]:
    """The parameters of :data:`TOUCHING`."""
    return {"longest_before": window.start - LONGEST_WINDOW, "start": window.start, "end": window.end}


def is_inside(row: Any, window: Window) -> bool:
    """Whether all rows of a batch are in ``window``."""
    return bool(row.first_change >= window.start and row.last_change < window.end)


def prepare(changes: Sequence[StatusChange], zone: tzinfo) -> Prepared:
    """Prepare rows to be stored as a batch, which takes longer than to store them.

    :param changes: in the order in which they are posted.
    :param zone: the institution's time zone, in which rows are counted by day.
    """
    return Prepared(_describe(changes, zone), {"requests": request_hashes(changes), "content": pack_rows(changes)})


def make(
    connection: Connection,
    origin: Origin,
    contents: Sequence[Sequence[StatusChange]],
    zone: tzinfo,
    **values: Any,
) -> list[int]:
    """Insert one batch for each of ``contents``: :func:`prepare` and :func:`insert` in one."""
    return insert(connection, origin, [prepare(changes, zone) for changes in contents], **values)


def insert(
    connection: Connection, origin: Origin, contents: Sequence[Prepared], lease: Lease | None = None, **values: Any
) -> list[int]:
    """Insert one batch for each of ``contents``.

    :param lease: for batches that their worker posts at once.
    :param values: values of further columns, the same for all batches.
    :returns: the ids, in the order of ``contents``.
    """
    if not contents:
        return []
    held = {"claimed_by": lease.worker, "claimed_until": lease.until} if lease else {}
    described = [{**origin._asdict(), **held, **values, **each.described} for each in contents]
    for each in described:
        each["place"] = each["place"] or each["first_change"]
    ids = list(connection.scalars(_INSERT, described))
    rows = [{"batch_id": identity, **each.packed} for identity, each in zip(ids, contents, strict=True)]
    connection.execute(sa.insert(batch_content), rows)
    return ids


def refill(connection: Connection, identity: int, changes: Sequence[StatusChange], zone: tzinfo, **values: Any) -> None:
    """Replace the rows of a batch that was never posted; it keeps its place. The caller has locked its row."""
    prepared = prepare(changes, zone)
    connection.execute(sa.update(batch).where(batch.c.id == identity).values(**prepared.described, **values))
    connection.execute(sa.update(batch_content).where(batch_content.c.batch_id == identity).values(**prepared.packed))


def _describe(changes: Sequence[StatusChange], zone: tzinfo) -> dict[str, Any]:
    """The columns that describe these rows."""
    moments = sorted(map(_changed, changes))
    return {
        "rows": len(changes),
        "first_change": moments[0],
        "last_change": moments[-1],
        "service_id": service_of(changes),
        "first_request": changes[0].request_id,
        "last_request": changes[-1].request_id,
        "days": _count_days(moments, zone),
    }


def _count_days(moments: Sequence[datetime], zone: tzinfo) -> dict[str, int]:
    """The number of rows of each civil day that has any.

    :param moments: the ``last_modified_date`` of the rows, ascending.
    """
    counts, start = {}, 0
    while start < len(moments):
        day = local_day(moments[start], zone)
        end = bisect_left(moments, first_instant(day + timedelta(days=1), zone), start)
        counts[day.isoformat()] = end - start
        start = end
    return counts


def add_days(counts: Iterable[Mapping[str, int]]) -> dict[date, int]:
    """The rows of several batches by civil day.

    :param counts: the values of ``batch.days``.
    """
    total: Counter[str] = Counter()
    for days in counts:
        total.update(days)
    return {date.fromisoformat(day): rows for day, rows in total.items()}


def touching_days(first: date, last: date) -> sa.ColumnElement[bool]:
    """A condition: the batch may have rows of a civil day from ``first`` to ``last``, in whichever time zone they were
    counted."""
    start, end = (datetime(day.year, day.month, day.day, tzinfo=timezone.utc) for day in (first, last))
    return touching(Window("day", first.isoformat(), start - timedelta(days=1), end + timedelta(days=2)))


def rows_of(connection: Connection, ids: Collection[int]) -> dict[int, list[StatusChange]]:
    """The status changes of each batch, in the order in which they are posted.

    The rows of a batch that was split are collected from its parts; an unknown id has none.
    """
    found = _contents_of(connection, ids)
    return {
        identity: unpack_rows(found[identity]) if identity in found else _rows_of_parts(connection, identity)
        for identity in ids
    }


def _contents_of(connection: Connection, ids: Collection[int]) -> dict[int, bytes]:
    if connection.dialect.name == "postgresql":
        # psycopg's binary protocol: as text each value would be twice as long.
        cursor: Any = connection.connection.cursor(binary=True)
        rows = cursor.execute("SELECT batch_id, content FROM batch_content WHERE batch_id = ANY(%s)", [list(ids)]).fetchall()
        cursor.close()
        return dict(rows)
    query = sa.select(batch_content.c.batch_id, batch_content.c.content).where(batch_content.c.batch_id.in_(ids))
    return {row.batch_id: row.content for row in connection.execute(query)}


def _rows_of_parts(connection: Connection, identity: int) -> list[StatusChange]:
    parts = deque([identity])
    rows: list[StatusChange] = []
    while parts:
        of_parent = (
            sa.select(batch.c.id, batch_content.c.content)
            .outerjoin(batch_content, batch_content.c.batch_id == batch.c.id)
            .where(batch.c.parent_id == parts.popleft())
        )
        for part, content in connection.execute(of_parent):
            if content is None:
                parts.append(part)
            else:
                rows += unpack_rows(content)
    return sorted(rows, key=row_order)


def replace(connection: Connection, whole: Any, parts: Sequence[Part], zone: tzinfo) -> list[int]:
    """Replace a batch by its parts. The caller has locked its row.

    A part that shares a request with an earlier part waits for it, whatever the state of either: a part that need not be posted
    now may have to be later, and :func:`~tablero.outbox.queue.order.first_in_line` looks past those that are settled.

    :param whole: the row of the batch: :data:`COLUMNS`.
    :param parts: all rows of the batch, each in exactly one part.
    :returns: the ids of the parts, in their order.
    """
    inherited = {name: getattr(whole, name) for name in _INHERITED} | {"parent_id": whole.id}
    # Read now: the batch before this one may have been replaced since the caller read this row.
    before = connection.scalar(sa.select(batch.c.after_id).where(batch.c.id == whole.id))
    last_of: dict[str, int] = {whole.first_request: before} if before is not None else {}
    ids: dict[int, int] = {}
    for position, part in sorted(enumerate(parts), key=lambda each: row_order(each[1].changes[0])):
        requests = {change.request_id for change in part.changes}
        after = max(
            (last_of[request] for request in requests if request in last_of), default=None
        )  # the latest has the highest id
        values = inherited | {"after_id": after} | dict(part.values)
        origin = Origin(*(values.pop(name) for name in Origin._fields))
        (ids[position],) = make(connection, origin, [part.changes], zone, **values)
        last_of |= dict.fromkeys(requests, ids[position])
    waits_for_whole = sa.update(batch).where(batch.c.after_id == whole.id)
    connection.execute(waits_for_whole.values(after_id=last_of[whole.last_request]))
    empty(connection, whole.id)
    return [ids[position] for position in range(len(parts))]


def empty(connection: Connection, identity: int) -> None:
    """Mark a batch as split: its rows are in its parts."""
    connection.execute(sa.delete(batch_content).where(batch_content.c.batch_id == identity))
    # Releasing the claim too keeps a late answer for the old batch from splitting it again.
    emptied = {"state": "split", "rows": 0, "days": None, "claimed_by": None, "claimed_until": None}
    connection.execute(sa.update(batch).where(batch.c.id == identity).values(emptied))


_INHERITED = (*Origin._fields, "state", "words", "settled_at", "settled_how")


def carve(connection: Connection, whole: Any, window: Window, zone: tzinfo) -> tuple[int, int] | None:
    """Make sure that the rows of a batch that are in ``window`` form a batch of their own. The caller has locked its row.

    :returns: the id of that batch and its number of rows; ``None`` if no row is in the window.
    """
    if is_inside(whole, window):
        return whole.id, whole.rows
    changes = rows_of(connection, [whole.id])[whole.id]
    inside = within(window, changes)
    if not inside:
        return None
    if len(inside) == len(changes):
        return whole.id, whole.rows
    others = [change for change in changes if change.last_modified_date not in window]
    return replace(connection, whole, [Part(inside), Part(others)], zone)[0], len(inside)


def within(window: Window, changes: list[StatusChange]) -> list[StatusChange]:
    """The rows that are in ``window``."""
    return [change for change in changes if change.last_modified_date in window]
