"""What ``delivery.staging`` and ``delivery.brake`` say of a reading."""

from __future__ import annotations

from tablero.texts.text import Text

BRAKE = Text(
    "{window}: de {delivered} filas entregadas, {gone} ya no están en la fuente y hay {new} nuevas. Parece que cambió la forma"
    " de leer la fuente (zona horaria, relleno o identificadores), no los datos. No se envió nada. Revise source_timezone y la"
    " vista. Si es correcto y el tablero debe recibir las filas nuevas, lance el DAG con accept_changes. Si el tablero"
    " ya las tiene: python -m tablero adopt. Si este outbox no es el de siempre, traiga el anterior: python -m tablero move.",
    "{window}: of {delivered} delivered rows, {gone} are no longer in the source, and {new} are new. It looks as if the way of"
    " reading the source has changed (time zone, padding or ids), and not the data. Nothing was sent. Check source_timezone and"
    " the view. If the change is right and the dashboard must get the new rows, trigger the DAG with accept_changes. If the"
    " dashboard has them already: python -m tablero adopt. If this is not the usual outbox, bring the former one over:"
    " python -m tablero move.",
)
LEFT_OUT = Text(
    "{window} se deja fuera: {reason}",
    "{window} is left out: {reason}",
)
