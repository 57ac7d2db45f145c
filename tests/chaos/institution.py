"""A small institution whose database changes during a run, and which knows the expected fate of each row.

The fate of a row is known because the row was generated for it, not from the project's own validation.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tablero.contract.reasons import Reason

from sandbox.dashboard import Row

#: Local civil time of the institution is four hours behind UTC all year round.
OFFSET = timedelta(hours=4)

#: The first and the last local day with changes; the runs take place in the night after the last one.
FIRST_DAY = datetime(2026, 9, 20)  # noqa: DTZ001 as the institution writes it
AFTER_LAST_DAY = datetime(2026, 11, 24)  # noqa: DTZ001

_SCHEMA = """
CREATE TABLE tablero_status_changes (
    id INTEGER PRIMARY KEY,
    service_id TEXT, request_id TEXT, opening_date TEXT, status_id, last_modified_date TEXT
)
"""
_INSERT = "INSERT INTO tablero_status_changes VALUES (?, ?, ?, ?, ?, ?)"

EXCLUDED = "excluded"
UNSEEN = "unseen"


@dataclass(frozen=True)
class SourceRow:
    """A row of the view.

    :ivar values: the five values as the database holds them.
    :ivar fate: ``valid``, ``excluded``, ``unseen`` (no window ever reads it), or the code of a rejection.
    :ivar changed: local time of the change, which decides the window it belongs to.
    """

    values: tuple[Any, ...]
    fate: str
    changed: datetime

    @property
    def wire(self) -> Row:
        """A valid row as the dashboard must receive it."""
        service_id, request_id, opened, status_id, _ = self.values
        return service_id, request_id, _utc(datetime.fromisoformat(opened)), status_id, _utc(self.changed)


class Institution:
    """The database and its changes.

    :param rng: determines everything.
    :param busiest: most changes that one request has, more than fit into a batch.
    """

    def __init__(self, path: Path, rng: random.Random, *, rows: int, busiest: int) -> None:
        self.path = path
        self.rows: dict[int, SourceRow] = {}
        self.ever_valid: set[Row] = set()
        #: When the rows last changed (``time.monotonic``).
        self.changed_at = 0.0
        self._rng = rng
        self._busiest = busiest
        self._ids = 0
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA journal_mode = WAL")  # rows may change while they are being read
            connection.execute(_SCHEMA)
        self._add(self._requests(rows))

    def change(self) -> str:
        """Make a change: late, corrected or deleted rows; returns its kind."""
        kind = self._rng.choice(("late", "late", "late", "corrected", "deleted"))
        chosen = self._rng.sample(sorted(self.rows), min(len(self.rows), self._rng.randint(1, 12)))
        if kind == "late":
            known = [self.rows[key] for key in chosen if self.rows[key].fate == "valid"]
            self._add([*self._requests(self._rng.randint(5, 60)), *map(self._follow_up, known)])
        elif kind == "corrected":
            self._replace({key: _corrected(self.rows[key]) for key in chosen if self.rows[key].fate == "valid"})
        else:
            self._replace(dict.fromkeys(chosen))
        return kind

    def go_away(self) -> None:
        """From now on the database answers nobody; current readers are cut off."""
        outage_of(self.path).touch()

    def come_back(self) -> None:
        """The database answers again, with all changes made meanwhile."""
        outage_of(self.path).unlink(missing_ok=True)

    def inside(self, start: datetime, end: datetime) -> list[SourceRow]:
        """The current rows whose change lies in ``[start, end)``, aware instants."""
        first, after = (_local(edge) for edge in (start, end))
        return [row for row in self.rows.values() if row.fate != UNSEEN and first <= row.changed < after]

    def undated(self) -> list[SourceRow]:
        """The current rows without a date of change."""
        return [row for row in self.rows.values() if row.fate == UNSEEN]

    def _requests(self, rows: int) -> list[SourceRow]:
        made: list[SourceRow] = []
        while len(made) < rows:
            made += self._request(min(rows - len(made), self._how_many()))
        return made

    def _how_many(self) -> int:
        return self._rng.randint(self._busiest // 2, self._busiest) if self._rng.random() < 0.06 else self._rng.randint(1, 5)

    def _request(self, changes: int) -> list[SourceRow]:
        service, name = str(self._rng.randint(1, 3)), f"S-{self._ids:04d}-{self._rng.randint(0, 999):03d}"
        self._ids += 1
        opened = FIRST_DAY + timedelta(days=self._rng.randint(-400, 3), minutes=self._rng.randint(0, 1000))
        made = []
        for _ in range(changes):
            row = SourceRow((service, name, _text(opened), self._rng.randint(1, 21), _text(at := self._moment())), "valid", at)
            if self._rng.random() < 0.12:
                row = self._rng.choice(_SPOILS)(row)
            made.append(row)
            if self._rng.random() < 0.04:
                made.append(row)  # the same row twice
        return made

    def _moment(self) -> datetime:
        """Half of all changes lie in the last days, which daily runs read; some at midnight exactly, some at one instant."""
        days = (AFTER_LAST_DAY - FIRST_DAY).days
        back = self._rng.randint(1, 7) if self._rng.random() < 0.5 else self._rng.randint(1, days - 4)
        midnight = AFTER_LAST_DAY - timedelta(days=back)
        if self._rng.random() < 0.05:
            return midnight
        return midnight + timedelta(seconds=self._rng.randint(0, 1439) * 60, microseconds=self._rng.choice((0, 0, 250_000)))

    def _follow_up(self, row: SourceRow) -> SourceRow:
        at = self._moment()
        service, name, opened, _, _ = row.values
        return SourceRow((service, name, opened, self._rng.randint(1, 21), _text(at)), "valid", at)

    def _add(self, rows: list[SourceRow]) -> None:
        first = max(self.rows, default=0) + 1
        self._replace(dict(enumerate(rows, first)))

    def _replace(self, rows: dict[int, Any]) -> None:
        """Replace the rows of the same number; ``None`` deletes one."""
        with closing(self._connect()) as connection, connection:
            connection.executemany("DELETE FROM tablero_status_changes WHERE id = ?", [(key,) for key in rows])
            connection.executemany(_INSERT, [(key, *row.values) for key, row in rows.items() if row is not None])
        self.changed_at = time.monotonic()
        for key, row in rows.items():
            if row is None:
                self.rows.pop(key, None)
                continue
            self.rows[key] = row
            if row.fate == "valid":
                self.ever_valid.add(row.wire)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=30)


def outage_of(path: Path) -> Path:
    """The file that exists as long as the database at ``path`` does not answer, visible to all processes."""
    return path.with_suffix(".away")


def _corrected(row: SourceRow) -> SourceRow:
    service, name, opened, status, changed = row.values
    return SourceRow((service, name, opened, status % 21 + 1, changed), "valid", row.changed)


def _spoil(position: int, value: Any, fate: str) -> Callable[[SourceRow], SourceRow]:
    return lambda row: SourceRow((*row.values[:position], value, *row.values[position + 1 :]), fate, row.changed)


def _opened_too_late(row: SourceRow) -> SourceRow:
    later = _text(row.changed + timedelta(seconds=1))
    return SourceRow((*row.values[:2], later, *row.values[3:]), Reason.OPENING_AFTER_CHANGE.value, row.changed)


_SPOILS: tuple[Callable[[SourceRow], SourceRow], ...] = (
    _spoil(0, None, Reason.MISSING_SERVICE_ID.value),
    _spoil(1, "  ", Reason.MISSING_REQUEST_ID.value),
    _spoil(1, "S-\x07", Reason.CONTROL_CHARACTERS.value),
    _spoil(2, "31/12/2025", Reason.OPENING_NOT_A_DATE.value),
    _spoil(2, "2019-12-31 23:59:59", EXCLUDED),
    _spoil(3, 99, Reason.UNKNOWN_STATUS.value),
    _spoil(3, "dos", Reason.UNKNOWN_STATUS.value),
    _spoil(4, None, UNSEEN),
    _opened_too_late,
)


def _text(local: datetime) -> str:
    return local.isoformat(sep=" ")


def _local(instant: datetime) -> datetime:
    return instant.replace(tzinfo=None) - OFFSET


def _utc(local: datetime) -> str:
    return (local + OFFSET).isoformat() + "Z"
