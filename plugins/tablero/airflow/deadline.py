"""The deadline of a scheduled day: ``deadline``, local time, on the following day."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

import pendulum
from airflow.sdk.definitions.deadline import BaseDeadlineReference, deadline_reference


@deadline_reference()
class ScheduledDayDeadline(BaseDeadlineReference):
    """A time of day in the institution's zone after the end of a scheduled run's day; none for manual and backfill runs.

    Airflow's own reference by logical date would alert at once for every backfill of an old day.

    :param zone: name of the institution's time zone.
    :param at: local time of day, ``HH:MM``.
    """

    required_kwargs = {"dag_id", "run_id"}  # noqa: RUF012 Airflow's own form

    def __init__(self, zone: str = "America/Santo_Domingo", at: str = "06:00") -> None:
        self.zone = zone
        self.at = at

    def serialize_reference(self) -> dict[str, Any]:
        """The form stored in the database."""
        return {"reference_type": self.reference_name, "zone": self.zone, "at": self.at}

    @classmethod
    def deserialize_reference(cls, reference_data: dict[str, Any]) -> ScheduledDayDeadline:
        """The reverse of :meth:`serialize_reference`; version 0.1 stored no time of day."""
        return cls(reference_data["zone"], reference_data.get("at", "06:00"))

    def _evaluate_with(self, *, session: Any, dag_id: str, run_id: str, **_: Any) -> datetime | None:
        from airflow.models import DagRun
        from sqlalchemy import select

        run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
        if run is None or run.run_type != "scheduled" or run.data_interval_end is None:
            return None
        return due(run.data_interval_end, self.zone, time.fromisoformat(self.at))


def due(end_of_day: datetime, zone: str, at: time) -> datetime:
    """The deadline, in UTC, of the day that ends at ``end_of_day``."""
    local = pendulum.timezone(zone)
    return pendulum.instance(datetime.combine(end_of_day.astimezone(local).date(), at, local)).in_timezone("UTC")
