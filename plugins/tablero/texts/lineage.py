"""What ``airflow.lineage`` says."""

from __future__ import annotations

from tablero.texts.text import Text

NOT_REPORTED = Text(
    "OpenLineage no recibe los {end} de esta tarea ({error}); la tarea sigue. Revise la configuración de OpenLineage.",
    "OpenLineage does not receive this task's {end} ({error}); the task goes on. Check OpenLineage's configuration.",
)
