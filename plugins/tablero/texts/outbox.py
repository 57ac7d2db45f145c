"""What the outbox says: its database, its schema, and whom it delivers to."""

from __future__ import annotations

from tablero.texts.text import Text

BUSY_WINDOW = Text(
    "{window}: una corrida lo está enviando. Pause ambos DAG (historical_load, daily_send), espere a que terminen sus corridas"
    " e intente de nuevo.",
    "{window}: a run is sending it. Pause both DAGs (historical_load, daily_send), wait for their runs to end, and try again.",
)
BUSY_BATCH = Text(
    "El lote {batch} se está enviando en este momento. Pause ambos DAG (historical_load, daily_send), espere a que terminen sus"
    " corridas e intente de nuevo.",
    "Batch {batch} is being sent right now. Pause both DAGs (historical_load, daily_send), wait for their runs to end, and try"
    " again.",
)
NOTHING_OPEN = Text(
    "El lote {batch} no existe, o nada de él está pendiente ni rechazado. Revise el número en la página Tablero.",
    "There is no batch {batch}, or nothing of it is pending or refused. Check the number on the page Tablero.",
)
NO_ANSWER_RECORDED = Text(
    "La tarea que lo enviaba terminó sin registrar una respuesta.",
    "The task that posted it ended without recording an answer.",
)
