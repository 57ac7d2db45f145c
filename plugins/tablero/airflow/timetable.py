"""A timetable that runs at a time of day with the whole previous civil day as its data interval.

Airflow has none: its timetables with this interval run at midnight, and those that run at 02:00 have an interval from 02:00 to
02:00.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from typing import Any

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction, Timetable
from tablero.texts import airflow as texts

_DAY = timedelta(days=1)


class CivilDayTimetable(Timetable):
    """Every day at ``at`` in ``zone``, for the previous civil day of ``zone``, ``[00:00, 24:00)``.

    :param at: local time of day; if the clocks skip it, the run starts at the end of the skipped hour.
    :param zone: name of a time zone.
    """

    periodic = True
    can_be_scheduled = True

    def __init__(self, at: time, zone: str) -> None:
        self._at = at
        self._zone = pendulum.timezone(zone)

    @property
    def summary(self) -> str:
        """The schedule as shown in the UI."""
        return f"{self._at:%H:%M} {self._zone.name}"

    @property
    def description(self) -> str:  # type: ignore[override]
        """The description as shown in the UI."""
        return str(texts.EVERY_DAY(at=f"{self._at:%H:%M}", zone=self._zone.name))

    def serialize(self) -> dict[str, Any]:
        """The form stored in the database."""
        return {"at": f"{self._at:%H:%M}", "zone": self._zone.name}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """The reverse of :meth:`serialize`."""
        return cls(time.fromisoformat(data["at"]), data["zone"])

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The last civil day that had ended at ``run_after``."""
        return self._run_for(self._local_day(run_after) - _DAY).data_interval  # type: ignore[return-value]

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The next day; without catch-up, none before yesterday."""
        if last_automated_data_interval is not None:
            day = self._local_day(last_automated_data_interval.start) + _DAY
        elif restriction.earliest is not None:
            day = self._first_day_from(restriction.earliest)
        elif restriction.catchup:
            return None
        else:
            day = date.min
        if not restriction.catchup:
            day = max(day, self._last_due(pendulum.now("UTC")))
            if restriction.earliest is not None:
                day = max(day, self._first_day_from(restriction.earliest))
        if restriction.latest is not None and day > self._last_day_to(restriction.latest):
            return None
        return self._run_for(day)

    def _last_due(self, now: datetime) -> date:
        """The day of the last run that should have started by ``now``."""
        today = self._local_day(now)
        return today - (_DAY if self._run_for(today - _DAY).run_after <= now else 2 * _DAY)

    def _first_day_from(self, instant: datetime) -> date:
        """The first civil day that begins at ``instant`` or later."""
        if (named := _named_day(instant)) is not None:
            return named
        day = self._local_day(instant)
        return day if self._at_local(day, time()) >= instant else day + _DAY

    def _last_day_to(self, instant: datetime) -> date:
        """The last civil day that begins at ``instant`` or earlier."""
        return _named_day(instant) or self._local_day(instant)

    def _run_for(self, day: date) -> DagRunInfo:
        after = day + _DAY
        return DagRunInfo(
            run_after=self._at_local(after, self._at),
            data_interval=DataInterval(self._at_local(day, time()), self._at_local(after, time())),
        )

    def _at_local(self, day: date, at: time) -> pendulum.DateTime:
        # pendulum moves a time that the clocks skip to before the skip.
        return pendulum.instance(datetime.combine(day, at, self._zone).astimezone(timezone.utc))

    def _local_day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()


def _named_day(instant: datetime) -> date | None:
    """The day that is meant by midnight in UTC: Airflow parses a plain date given to a backfill as such."""
    utc = instant.astimezone(timezone.utc)
    return utc.date() if utc.time() == time() else None
