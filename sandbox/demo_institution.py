"""The sample institution over time: its database, the changes of each further day, and late entries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sandbox.institution import Summary, add_changes, create

_SEED = 7
_CHANGES_A_DAY = 150
_LATE_CHANGES = 120
_AT_WORK = time(10, 15)
_LATE = time(16, 45)
_DAY = timedelta(days=1)


class Institution:
    """The sample database. It is created once and kept: on a later day, a demo finds it some days older.

    :param database: SQLite file.
    :param rows: number of status changes in a new database; an existing one is kept as it is.
    :param zone: the institution's time zone.
    """

    def __init__(self, database: Path, *, rows: int, zone: str) -> None:
        self.database = database
        self._zone = ZoneInfo(zone)
        self._birth = database.with_suffix(".json")
        self._rows = rows

    def live_until(self, today: date) -> None:
        """Create the database if necessary, and let some requests change on each day since, up to yesterday."""
        if not self._birth.exists():
            self._birth.write_text(json.dumps({"day": today.isoformat(), "rows": self._rows}))
        self.summary()
        for day in _days(self._born(), today):
            self._change(day, _AT_WORK, _CHANGES_A_DAY)

    def enter_late(self, day: date) -> int:
        """Enter some late changes of ``day``, only once for each day.

        :returns: their number.
        """
        return self._change(day, _LATE, _LATE_CHANGES)

    def summary(self) -> Summary:
        """What the view contains by now."""
        birth = json.loads(self._birth.read_text())
        midnight = datetime.combine(self._born(), time(), self._zone)
        return create(self.database, rows=birth["rows"], seed=_SEED, now=midnight, zone=self._zone.key)

    def count(self) -> int:
        """The number of rows in the view."""
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            return int(connection.execute("select count(*) from tablero_status_changes").fetchone()[0])

    def _born(self) -> date:
        return date.fromisoformat(json.loads(self._birth.read_text())["day"])

    def _change(self, day: date, at: time, changes: int) -> int:
        moment = datetime.combine(day, at, self._zone)
        local = moment.replace(tzinfo=None).isoformat(" ")
        query = "select count(*) from tablero_status_changes where last_modified_date = ?"
        with closing(sqlite3.connect(self.database, timeout=30)) as connection:
            if connection.execute(query, (local,)).fetchone()[0] >= changes:
                return 0
        return len(add_changes(self.database, changes, moment))


def _days(first: date, after: date) -> Iterator[date]:
    while first < after:
        yield first
        first += _DAY
