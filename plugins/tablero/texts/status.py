"""What ``status`` says: one line that a monitor shows."""

from __future__ import annotations

from tablero.texts.text import Text

STATES = {
    "ok": Text("TABLERO OK - {details}", "TABLERO OK - {details}"),
    "degraded": Text("TABLERO DEGRADADO - {details}", "TABLERO DEGRADED - {details}"),
    "late": Text("TABLERO ATRASADO - {details}", "TABLERO LATE - {details}"),
}
UNKNOWN = Text(
    "TABLERO DESCONOCIDO - nada se ha leído todavía, o el outbox no responde",
    "TABLERO UNKNOWN - nothing was read yet, or the outbox does not answer",
)
SETTLED_UNTIL = Text(
    "completo hasta {day}",
    "settled until {day}",
)
NOTHING_SETTLED = Text(
    "nada completo todavía",
    "nothing settled yet",
)
COUNTS = Text(
    "{delivered} filas entregadas, {pending} pendientes, {rejected} rechazadas",
    "{delivered} rows delivered, {pending} pending, {rejected} rejected",
)
FAILING = Text(
    "las corridas fallan",
    "runs fail",
)
OPEN = Text(
    "abiertas: {windows}",
    "open: {windows}",
)
GAPS = Text(
    "sin leer: {windows}",
    "never read: {windows}",
)
DEGRADED = Text(
    "no es como de costumbre: {causes}",
    "not as usual: {causes}",
)
