"""What ``delivery.reconciling`` says: windows that are not settled, and what to do."""

from __future__ import annotations

from tablero.texts.text import Text

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
