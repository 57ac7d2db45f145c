"""What ``airflow.timetable`` says of itself on Airflow's pages."""

from __future__ import annotations

from tablero.texts.text import Text

EVERY_DAY = Text(
    "Cada día a las {at} ({zone}), para el día civil anterior",
    "Every day at {at} ({zone}), for the previous civil day",
)
