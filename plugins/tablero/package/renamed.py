"""Class names of version 0.1, which Airflow's database still refers to.

Airflow keeps each DAG as it was when a run was made of it, with the names of our classes in it, and reads that again for the
grid of old runs, for runs that are under way, and for their deadlines. A name that is not found is an error there. The names
below go when no institution has runs of version 0.1 any more.
"""

from __future__ import annotations

import sys

from tablero.airflow import callbacks, deadline, timetable


class CivilDayTimetable(timetable.CivilDayTimetable):
    """As ``daily_send`` had it."""

    __module__ = "tablero.timetable"


class ScheduledDayDeadline(deadline.ScheduledDayDeadline):
    """As the deadline of ``daily_send`` had it."""

    __module__ = "tablero.deadline"


#: The deadline's callback is imported by name.
sys.modules["tablero.callbacks"] = callbacks
