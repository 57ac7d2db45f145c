"""The civil-day timetable: fires at a time of day, and its data interval is the whole previous civil day.

None of Airflow's own does both: those with the right interval fire at midnight, those that fire at 02:00 have an interval
from 02:00 to 02:00.
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

    :param at: local time of day; where the clocks skip it, the run starts at the end of the skip.
    :param zone: name of a time zone.
    """

    periodic = True
    can_be_scheduled = True

    def __init__(self, at: time, zone: str) -> None:
        self._at = at
        self._zone = pendulum.timezone(zone)

    @property
    def summary(self) -> str:
        """What the UI shows as the schedule."""
        return f"{self._at:%H:%M} {self._zone.name}"

    @property
    def description(self) -> str:  # type: ignore[override]
        """What the UI shows about it."""
        return str(texts.EVERY_DAY(at=f"{self._at:%H:%M}", zone=self._zone.name))

    def serialize(self) -> dict[str, Any]:
        """For the database."""
        return {"at": f"{self._at:%H:%M}", "zone": self._zone.name}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Timetable:
        """From the database."""
        return cls(time.fromisoformat(data["at"]), data["zone"])

    def infer_manual_data_interval(self, *, run_after: pendulum.DateTime) -> DataInterval:
        """The last civil day that had ended at ``run_after``."""
        return self._run_for(self._local_day(run_after) - _DAY).data_interval  # type: ignore[return-value]

    def next_dagrun_info(
        self, *, last_automated_data_interval: DataInterval | None, restriction: TimeRestriction
    ) -> DagRunInfo | None:
        """The day after the last one; without catch-up, no day before yesterday."""
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
        # Not by pendulum, which moves a time that the clocks skip to before the skip.
        return pendulum.instance(datetime.combine(day, at, self._zone).astimezone(timezone.utc))

    def _local_day(self, instant: datetime) -> date:
        return instant.astimezone(self._zone).date()


def _named_day(instant: datetime) -> date | None:
    """The day that midnight in UTC stands for: Airflow reads so what a backfill is given as a plain date."""
    utc = instant.astimezone(timezone.utc)
    return utc.date() if utc.time() == time() else None
