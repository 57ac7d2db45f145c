"""Labels of Airflow's own pages, word for word as its Spanish and its English UI have them.

Whoever reads a sentence of ours finds the button by them. A test compares them with the Airflow that is installed.
"""

from __future__ import annotations

from tablero.texts.text import Text

CLEAR = Text("Limpiar Instancia de Tarea", "Clear Task Instance")
DOWNSTREAM = Text("Downstream", "Downstream")
CONNECTIONS = Text("Administración > Conexiones", "Admin > Connections")
TRIGGER = Text("Activar Dag", "Trigger Dag")
BACKFILL = Text("Ejecutar Backfill", "Run Backfill")
LOGS = Text("Logs", "Logs")
