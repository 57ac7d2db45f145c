"""Class names of version 0.1 that Airflow's database still refers to.

Airflow stores a serialised DAG with every run, including the names of our classes, and loads it again for the grid of old runs,
for runs in progress and for their deadlines; a missing name is an error. These names can be removed once no institution has
runs of version 0.1. The callback of its deadlines is in ``tablero.callbacks``.
"""

from __future__ import annotations

from tablero.airflow import deadline, timetable


class CivilDayTimetable(timetable.CivilDayTimetable):
    """The timetable of ``daily_send`` in version 0.1."""

    __module__ = "tablero.timetable"


class ScheduledDayDeadline(deadline.ScheduledDayDeadline):
    """The deadline of ``daily_send`` in version 0.1."""

    __module__ = "tablero.deadline"
