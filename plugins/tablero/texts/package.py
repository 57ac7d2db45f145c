"""What the package says of the Airflow that it is installed in."""

from __future__ import annotations

from tablero.texts.text import Text

AIRFLOW_TOO_OLD = Text(
    "Tablero necesita Airflow {oldest} o más nuevo; este es Airflow {found}. Actualice Airflow, o retire de él los archivos de"
    " Tablero. No se leyó ni se envió nada.",
    "Tablero needs Airflow {oldest} or newer; this is Airflow {found}. Upgrade Airflow, or remove Tablero's files from it."
    " Nothing was read or sent.",
)
