"""The only plugin: registers what Airflow looks up by name. No logic here."""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin
from tablero.deadline import ScheduledDayDeadline
from tablero.timetable import CivilDayTimetable


class TableroPlugin(AirflowPlugin):
    """Tablero's timetable."""

    name = "tablero"
    timetables = [CivilDayTimetable]  # noqa: RUF012 Airflow's own form
    deadline_references = [ScheduledDayDeadline]  # noqa: RUF012 as above
