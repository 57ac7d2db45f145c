"""What ``delivery.planning`` says: parameters of a run from which no window can be made."""

from __future__ import annotations

from tablero.texts.text import Text

START_TOO_EARLY = Text(
    "start_month es {given}, anterior a {first}, el mes de [tablero] earliest: las solicitudes abiertas antes del {earliest} se"
    " excluyen.",
    "start_month is {given}, before {first}, the month of [tablero] earliest: requests opened before {earliest} are excluded.",
)
END_IN_FUTURE = Text(
    "end_month es {given}, que está en el futuro; hoy es {today}.", "end_month is {given}, in the future; today is {today}."
)
NO_DAY = Text(
    "day es {given}; indique un día como AAAA-MM-DD, por ejemplo 2026-11-23.",
    "day is {given}; give a day as YYYY-MM-DD, for example 2026-11-23.",
)
DAY_IN_FUTURE = Text(
    "day es {given}, que está en el futuro; hoy es {today}.", "day is {given}, in the future; today is {today}."
)
NO_CIVIL_DAY = Text(
    "El intervalo de datos, de {start} a {end}, no es un día civil de {zone}. Déjelo al DAG, o indique el día con el parámetro"
    " day.",
    "The data interval {start} to {end} is not one civil day in {zone}. Leave it to the DAG, or name the day by the parameter"
    " day.",
)
ANOTHER_DAY = Text(
    "Esta ejecución tiene su propio día, {own}, y el parámetro day dice {given}: no puede enviar ambos. Quite day (en un"
    " Backfill cada ejecución envía su día); para enviar solo {given}, lance el DAG a mano con day, sin fecha lógica.",
    "This run has a day of its own, {own}, and the parameter day says {given}: it cannot send both. Leave day out (in a"
    " backfill each run sends its own day); to send only {given}, trigger the DAG by hand with day, without a logical date.",
)
NO_INTERVAL = Text(
    "Esta ejecución no tiene intervalo de datos. Láncela con el parámetro day, como AAAA-MM-DD.",
    "This run has no data interval. Trigger it with the parameter day, as YYYY-MM-DD.",
)
DRY_AND_RESEND = Text(
    "dry_run y resend no van juntos: un ensayo no envía nada. Elija uno.",
    "dry_run and resend do not go together: a dry run sends nothing. Choose one.",
)
