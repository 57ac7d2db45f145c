"""The only plugin: registers what Airflow looks up by name. No logic here."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import tablero.package.supported  # noqa: F401 first, because Airflow may be too old for the imports below
from airflow.plugins_manager import AirflowPlugin
from tablero.airflow.deadline import ScheduledDayDeadline
from tablero.airflow.timetable import CivilDayTimetable
from tablero.package import preload, renamed


class TableroPlugin(AirflowPlugin):
    """Tablero's timetable, its deadline, its listener, and its page in Airflow's navigation."""

    name = "tablero"
    timetables = [CivilDayTimetable, renamed.CivilDayTimetable]  # noqa: RUF012 Airflow's own form
    deadline_references = [ScheduledDayDeadline, renamed.ScheduledDayDeadline]  # noqa: RUF012 as above
    listeners = [preload]  # noqa: RUF012 as above
    external_views = [  # noqa: RUF012 as above
        # A relative href works under any path prefix; top level, so that other plugins do not move it.
        {"name": "Tablero", "href": "tablero/", "url_route": "tablero", "destination": "nav", "nav_top_level": True}
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The page. Every Airflow process loads plugins; only the API server reads this property and imports the page."""
        from tablero.airflow.page import build

        return [{"app": build(), "url_prefix": "/tablero", "name": "Tablero"}]
