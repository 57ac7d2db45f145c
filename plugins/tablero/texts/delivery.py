"""What ``delivery`` says: parameters from which no window can be made, windows that are not settled, and what to do."""

from __future__ import annotations

from tablero.texts.text import Text

# -- planning ----------------------------------------------------------------------------------------------------------------

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

# -- reconciling -------------------------------------------------------------------------------------------------------------

WINDOW_FAILED = Text("{window}: {words}", "{window}: {words}")
NOT_SETTLED = Text(
    "{count} de {all} ventanas no están completas:\n{windows}\nLimpie la tarea fallida de ese mes o día con las posteriores"
    " (Limpiar Instancia de Tarea, Downstream), o lance el DAG de nuevo: solo se envía lo que falta.",
    "{count} of {all} windows are not settled:\n{windows}\nClear the failed task of that month or day with its downstream tasks"
    " (Clear Task Instance, Downstream), or trigger the DAG again: only what is missing is sent.",
)
NEVER_READ = Text(
    "{window}: nunca se leyó hasta el final; {staged} filas preparadas.",
    "{window}: never read to its end; {staged} rows staged.",
)
PENDING = Text("{window}: {pending} filas pendientes.", "{window}: {pending} rows pending.")
NOT_READ_AGAIN = Text(
    "{window}: no se pudo leer otra vez, o la fuente siguió cambiando mientras se leía.",
    "{window}: could not be read again, or the source went on changing while it was read.",
)
DOES_NOT_CLOSE = Text(
    "{window}: la suma no cierra: {read} leídas, {accounted} con un estado, {now} en la fuente ahora, {gone} que ya no están.",
    "{window}: the sum does not close: {read} read, {accounted} accounted for, {now} in the source now, {gone} gone from it.",
)
FAILED_AND_SETTLED = Text(
    "{task} falló, y su ventana está completa: otra tarea leyó o envió lo que faltaba, y {reconcile} lo probó. No hay nada que"
    " hacer; si quiere verla en verde, límpiela (Limpiar Instancia de Tarea).",
    "{task} failed, and its window is settled: another task read or sent what was missing, and {reconcile} proved it. There is"
    " nothing to do; to see it green, clear it (Clear Task Instance).",
)
