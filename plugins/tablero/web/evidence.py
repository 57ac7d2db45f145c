"""The evidence of a month: what was delivered, counted, and a digest with which anyone can check it later.

The digest is the SHA-256 of the delivered rows, one line of JSON each, in the order of request, instant, status, service and
opening. The very same lines can be downloaded, so ``sha256sum`` of that file is the check.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
from tablero.contract.status_change import StatusChange
from tablero.contract.statuses import status_name
from tablero.contract.windows import Window
from tablero.outbox.reports import evidence as evidence_report
from tablero.outbox.reports.evidence import Acknowledged, Connect

_LINES = 1_000


@dataclass(frozen=True)
class Evidence:
    """What was delivered of a month.

    :ivar counts: rows by service and status.
    :ivar digest: SHA-256 of the rows, in hexadecimal.
    :ivar acknowledged: when.
    """

    window: Window
    counts: dict[tuple[str, int], int]
    digest: str
    acknowledged: Acknowledged

    @property
    def rows(self) -> int:
        """All delivered rows."""
        return sum(self.counts.values())

    @property
    def services(self) -> dict[str, int]:
        """Rows by service."""
        counts: Counter[str] = Counter()
        for (service, _), rows in self.counts.items():
            counts[service] += rows
        return dict(sorted(counts.items()))

    def table(self) -> list[tuple[str, int, str, int]]:
        """Service, status, its name, and rows."""
        return [(service, status, status_name(status), rows) for (service, status), rows in sorted(self.counts.items())]


def collect(connect: Connect, window: Window, acknowledged: Acknowledged) -> Evidence:
    """Count and digest the delivered rows of ``window``, each looked at once.

    :param connect: opens a connection for reading.
    """
    counts: Counter[tuple[str, int]] = Counter()
    digest = hashlib.sha256()
    for change in evidence_report.delivered_rows(connect, window):
        counts[change.service_id, change.status_id] += 1
        digest.update(line(change))
    return Evidence(window, dict(counts), digest.hexdigest(), acknowledged)


def line(change: StatusChange) -> bytes:
    """A row as it stands in the file, in the wire form of the contract."""
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


class Shelf:
    """The last documents made, so that a page, its JSON and its CSV look at the rows once.

    :param size: how many are kept.
    """

    def __init__(self, size: int = 24) -> None:
        self._size = size
        self._kept: dict[tuple[Window, Acknowledged], Evidence] = {}

    def fetch(self, connect: Connect, window: Window, acknowledged: Acknowledged) -> Evidence:
        """The evidence of ``window`` as it is now.

        :param acknowledged: tells whether a document kept is still that of now.
        """
        key = (window, acknowledged)
        found = self._kept.pop(key, None) or collect(connect, window, acknowledged)
        self._kept[key] = found
        while len(self._kept) > self._size:
            self._kept.pop(next(iter(self._kept)), None)
        return found
