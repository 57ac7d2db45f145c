"""What ``python -m tablero move`` says."""

from __future__ import annotations

from tablero.texts.text import Text

IN_USE = Text(
    "El outbox de destino ya está en uso y es distinto (tabla {table}): no se tocó nada. Apunte la conexión a una base de datos"
    " vacía.",
    "The target outbox is in use already, and differs (table {table}): nothing was touched. Point the connection to an empty"
    " database.",
)
CHANGED_MEANWHILE = Text(
    "El outbox de origen cambió durante el traslado (tabla {table}). Pause ambos DAG (historical_load, daily_send), espere a"
    " que terminen sus corridas y repita la orden: solo se traslada la diferencia.",
    "The outbox was written to while it was moved (table {table}). Pause both DAGs (historical_load, daily_send), wait for"
    " their runs to end, and give the command again: only the difference is moved.",
)
