"""The evidence of a month: what was delivered, counted, with a checksum by which anyone can verify it later.

The checksum is the SHA-256 of the delivered rows, one line of JSON each, ordered by request, instant, status, service and
opening date. The same lines can be downloaded, so ``sha256sum`` of that file verifies it.

The page shows the evidence, and the monthly digest carries it as an attachment: both are :func:`to_json` of the same facts.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock
from typing import Any

import orjson
from sqlalchemy.engine import Connection
from tablero import __version__
from tablero.contract.status_change import StatusChange
from tablero.contract.statuses import status_name
from tablero.contract.windows import Window
from tablero.outbox import target
from tablero.outbox.reports import coverage as coverage_report
from tablero.outbox.reports import evidence as evidence_report
from tablero.outbox.reports import windows as windows_report
from tablero.outbox.reports.coverage import Whole
from tablero.outbox.reports.evidence import Acknowledged, Connect
from tablero.outbox.reports.rejections import count_by_reason
from tablero.outbox.reports.snapshot import Proof
from tablero.outbox.requeue import Filter
from tablero.settings import Settings
from tablero.texts.page import TEXTS
from tablero.texts.text import Text
from tablero.web.coverage.facts import gather
from tablero.web.coverage.survey import Cell, survey

_LINES = 1_000


@dataclass(frozen=True)
class Delivered:
    """The delivered rows of a month, counted.

    :ivar counts: rows by service and status.
    :ivar digest: SHA-256 of the rows, in hexadecimal.
    """

    counts: dict[tuple[str, int], int]
    digest: str

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(self.counts.values())

    @property
    def services(self) -> dict[str, int]:
        """Rows by service."""
        counts: Counter[str] = Counter()
        for (service, _), rows in self.counts.items():
            counts[service] += rows
        return dict(sorted(counts.items()))

    def table(self) -> list[tuple[str, int, str, int]]:
        """Service, status, name of the status, and rows."""
        return [(service, status, status_name(status), rows) for (service, status), rows in sorted(self.counts.items())]


@dataclass(frozen=True)
class Month:
    """The state of a month from stored counts.

    :ivar cell: its state, as on the first page.
    :ivar rejected: rejected rows, all of them.
    :ivar target: the dashboard that they were sent to; ``None`` before the first task that sends.
    :ivar proof: its last proof, of the whole month or of as much as there was.
    :ivar acknowledged: when its rows were acknowledged.
    :ivar whole: the last count of the whole view.
    """

    window: Window
    cell: Cell
    rejected: int
    target: str | None
    proof: Proof | None
    acknowledged: Acknowledged
    whole: Whole | None


def month_of(connection: Connection, settings: Settings, window: Window, *, now: datetime, running: Collection[str]) -> Month:
    """The state of the month of ``window``.

    :param window: a whole month, from that of ``earliest`` to that of ``now``.
    :param running: ids of the active runs.
    """
    months = survey(gather(connection, settings, now, running), settings, now).months
    cell = next(cell for cell in months if cell.label == window.label)
    rejected = count_by_reason(connection, Filter(start=window.start, end=window.end))
    return Month(
        window,
        cell,
        sum(rejected.values()),
        target.known(connection),
        windows_report.last_proof(connection, window),
        evidence_report.acknowledged(connection, window),
        coverage_report.last_view_count(connection),
    )


def collect(connect: Connect, window: Window) -> Delivered:
    """Count the delivered rows of ``window`` and compute their checksum.

    :param connect: opens a connection for reading.
    """
    counts: Counter[tuple[str, int]] = Counter()
    digest = hashlib.sha256()
    for change in evidence_report.delivered_rows(connect, window):
        counts[change.service_id, change.status_id] += 1
        digest.update(line(change))
    return Delivered(dict(counts), digest.hexdigest())


def to_json(
    month: Month, delivered: Delivered, settings: Settings, *, now: datetime, made_by: str | None, language: str
) -> bytes:
    """The evidence as JSON.

    :param made_by: the user who requested it; ``None`` if it was sent automatically.
    :param language: of the file names in it.
    """

    def local(moment: datetime | None) -> str | None:
        return None if moment is None else moment.astimezone(settings.timezone).isoformat()

    acknowledged, proof = month.acknowledged, month.proof
    document: dict[str, Any] = {
        "month": month.window.label,
        "from": local(month.window.start),
        "to": local(month.window.end),
        "time_zone": settings.timezone.name,
        "institution": settings.xroad_client,
        "target": month.target,
        "made_at": local(now),
        "made_by": made_by,
        "version": __version__,
        "state": month.cell.state.value,
        "delivered": delivered.rows,
        "pending": month.cell.rows.pending,
        "rejected": month.rejected,
        "batches": acknowledged.batches,
        "adopted_batches": acknowledged.adopted,
        "recognised_batches": acknowledged.recognised,
        "first_acknowledgement": local(acknowledged.first),
        "last_acknowledgement": local(acknowledged.last),
        "last_proof": None
        if proof is None
        else {
            "window": proof.label,
            "counted_at": local(proof.counted_at),
            **{name: count for name, count in proof.account().items() if name != "source"},
            "rows_in_source": proof.recount,
            "settled": proof.settled,
            "result": proof.result,
        },
        "view_count": month.whole.to_json(settings.timezone) if month.whole else None,
        "digest": {
            "algorithm": "sha256",
            "of": f"{file_name(month.window.label, language)}.jsonl",
            "value": delivered.digest,
        },
        "counts": [
            {"service_id": service, "status_id": status, "status": name, "rows": rows}
            for service, status, name, rows in delivered.table()
        ],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def file_name(label: str, language: str) -> str:
    """The name of the files of a month, without extension."""
    name = TEXTS["file.evidence"]
    assert isinstance(name, Text)
    return f"tablero-{name.within(language)}-{label}"


def line(change: StatusChange) -> bytes:
    """A row in the file: the wire form of the contract."""
    return orjson.dumps(change._asdict(), option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


def lines(changes: Iterable[StatusChange]) -> Iterator[bytes]:
    """The file in pieces."""
    piece: list[bytes] = []
    for change in changes:
        piece.append(line(change))
        if len(piece) == _LINES:
            yield b"".join(piece)
            piece.clear()
    yield b"".join(piece)


class BeingPrepared(Exception):
    """The rows of this month, or of other ones, are being read for another request."""


class Cache:
    """Caches the delivered rows of recently requested months, so that a page, its JSON and its CSV read each row once.

    A month of millions takes minutes. It is read once, however many ask for it meanwhile, and only a few months are read at a
    time: the threads are those of Airflow's API server.

    :param size: maximum number of months.
    :param readers: maximum number of months read at the same time.
    :param patience: seconds to wait for a month that another request is reading.
    """

    def __init__(self, size: int = 24, readers: int = 2, patience: float = 5.0) -> None:
        self._size, self._readers, self._patience = size, readers, patience
        self._lock = Lock()
        self._kept: dict[tuple[Window, Acknowledged], Delivered] = {}
        self._under_way: dict[tuple[Window, Acknowledged], Event] = {}

    def collect(self, connect: Connect, month: Month) -> Delivered:
        """The delivered rows of a month now. A cached result is valid as long as no acknowledgement is added.

        :raises BeingPrepared: if it takes longer than this request should wait.
        """
        key = (month.window, month.acknowledged)
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found
                return found
            other = self._under_way.get(key)
            if other is None:
                if len(self._under_way) >= self._readers:
                    raise BeingPrepared
                own = self._under_way[key] = Event()
        if other is not None:
            if not other.wait(self._patience):
                raise BeingPrepared
            return self.collect(connect, month)
        try:
            found = collect(connect, month.window)
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > self._size:
                    del self._kept[next(iter(self._kept))]
            return found
        finally:
            with self._lock:
                del self._under_way[key]
            own.set()
