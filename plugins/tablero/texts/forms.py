"""What the trigger form of the DAGs says."""

from __future__ import annotations

from tablero.texts.text import Text

DAILY = Text("Envío diario", "Daily send")
HISTORY = Text("Carga histórica", "Historical load")
DAY = Text("Día", "Day")
DAY_MEANS = Text(
    "AAAA-MM-DD. Vacío: el día civil anterior a la fecha lógica (con la de ahora, ayer); sin fecha lógica es obligatorio. En un"
    " Backfill déjelo vacío: cada ejecución envía su propio día.",
    "YYYY-MM-DD. Empty: the civil day before the logical date (with that of now, yesterday); without a logical date it is"
    " required. In a backfill leave it empty: each run sends its own day.",
)
START_MONTH = Text("Primer mes", "First month")
START_MONTH_MEANS = Text(
    "AAAA-MM, no antes de [tablero] earliest ({earliest}).", "YYYY-MM, not before [tablero] earliest ({earliest})."
)
END_MONTH = Text("Último mes", "Last month")
END_MONTH_MEANS = Text("AAAA-MM, incluido; vacío: el mes de hoy.", "YYYY-MM, included; empty: the month of today.")
DRY_RUN = Text("Solo ensayo", "Dry run")
DRY_RUN_MEANS = Text(
    "Lee, valida y compara con lo ya entregado; no envía nada. No va junto con «Enviar de nuevo».",
    'Reads, validates and compares with what is delivered; sends nothing. Does not go together with "Send again".',
)
RESEND = Text("Enviar de nuevo", "Send again")
RESEND_MEANS = Text(
    "Envía otra vez lo ya entregado de ese día o de esos meses; solo si el tablero lo pide.",
    "Posts what is delivered of that day or these months again; only if the dashboard asks for it.",
)
ACCEPT_CHANGES = Text("Aceptar cambios", "Accept changes")
ACCEPT_CHANGES_MEANS = Text(
    "Solo cuando un error lo pide: envía aunque casi todo lo entregado haya cambiado en la fuente, o el outbox esté vacío.",
    "Only when an error asks for it: sends although most of what was delivered has changed at the source, or the outbox is"
    " empty.",
)
UNDATED = Text("sin fecha", "undated")
PAGE = Text(
    "La [página de Tablero]({url}) muestra qué está entregado, qué falta y qué se rechazó.",
    "The [Tablero page]({url}) shows what is delivered, what is missing and what was rejected.",
)
