"""What the use cases say: why a window cannot be made, read, sent or proved, and what to do."""

from __future__ import annotations

from tablero.texts.text import Text

# -- sending -----------------------------------------------------------------------------------------------------------------

RECOGNISED = Text(
    "El tablero reconoce las filas (HTTP {status}): ya las tenía, por un intento cuya respuesta se perdió.",
    "The dashboard recognises the rows (HTTP {status}): it has them already, by an attempt whose answer was lost.",
)
OUR_OWN_FAULT = Text(
    "{kind}, un error de este paquete; vea el registro de la tarea.",
    "{kind}, an error of this package; see the task's log.",
)
CALL_BROKE = Text(
    "La llamada con el lote {batch} se interrumpió por un error de este paquete; se repetirá.",
    "The call with batch {batch} was interrupted by an error of this package; it will be repeated.",
)
STOPPED = Text(
    "No se envió: la tarea recibió la orden de terminar.",
    "Not posted: the task was told to stop.",
)
NOT_POSTED = Text(
    "No se envió: otra tarea podía tomar el lote antes de que terminara la llamada, porque esta estuvo detenida o el outbox no"
    " respondía.",
    "Not posted: another task might have taken the batch before the call ended, since this one was suspended or the outbox did"
    " not answer.",
)
WAITED_IN_VAIN = Text(
    "No se envió: un cambio anterior de la misma solicitud sigue pendiente, o no se debe enviar nada más por ahora.",
    "Not posted: an earlier change of the same request is still pending, or nothing more is to be posted for now.",
)
FAILS_ON_ROW = Text(
    "El tablero falla con esta fila, incluso sola (HTTP {status}), y acepta otras: corríjala en la fuente, o pida a"
    " Burocracia Cero que la revise.",
    "The dashboard fails on this row, even alone (HTTP {status}), and accepts others: correct it at the source, or ask"
    " Burocracia Cero to look into it.",
)

ALL_PENDING = Text("Todo lo pendiente", "All that is pending")
PERMANENT = Text(
    "{windows}: nada más se envió. {cause}",
    "{windows}: nothing more was posted. {cause}",
)
REFUSES_EVERYTHING = Text(
    "{windows}: el tablero rechazó todo lo que se le envió en este intento y no aceptó nada (llamadas: {calls}; filas"
    " pendientes: {rows}). No se trata de filas erróneas y no se apartó ninguna. Revise service_id y la versión del contrato"
    " con Burocracia Cero; luego limpie esta tarea (Limpiar Instancia de Tarea). Primera respuesta: {cause}",
    "{windows}: the dashboard refused all that was posted in this try and accepted nothing (calls: {calls}; rows pending:"
    " {rows}). These are not bad rows, and nothing was set aside. Check service_id and the version of the contract with"
    " Burocracia Cero; then clear this task (Clear Task Instance). First answer: {cause}",
)
REFUSES_EVERYTHING_NOW = Text(
    "{windows}: después de aceptar {delivered} {delivered:fila|filas}, el tablero rechazó todo lo que se le envió. No parece"
    " tratarse de filas erróneas: {rows} {rows:fila queda pendiente y se volverá|filas quedan pendientes y se volverán} a"
    " intentar. Primer rechazo: {cause}",
    "{windows}: after it had accepted {delivered} {delivered:row|rows}, the dashboard refused all that was posted. These do not"
    " seem to be bad rows: {rows} {rows:row stays|rows stay} pending and will be tried again. First refusal: {cause}",
)
NOT_THE_DASHBOARD = Text(
    "{windows}: responde otro servidor, no el tablero, y nada se ha entregado nunca por esta dirección. {cause} Revise"
    " api_path y la dirección de tablero_api.",
    "{windows}: another server answers, not the dashboard, and nothing was ever delivered to this address. {cause} Check"
    " api_path and the address of tablero_api.",
)
STILL_PENDING = Text(
    "{windows}: {rows} {rows:fila|filas} en {batches} {batches:lote|lotes} {rows:sigue pendiente|siguen pendientes}; {failed}"
    " {failed:llamada falló|llamadas fallaron}. Se volverá a intentar. Primer fallo: {cause}",
    "{windows}: {rows} {rows:row|rows} in {batches} {batches:batch|batches} {rows:is|are} still pending; {failed}"
    " {failed:call|calls} failed. {rows:It|They} will be tried again. First failure: {cause}",
)
WILL_BE_TRIED_ONCE_MORE = Text(
    "{windows}: el tablero rechazó {rows} {rows:fila, enviada sola,|filas, enviadas una por una,} y nada más quedaba por"
    " enviar que demuestre que acepta otras."
    " {rows:Se intentará una vez más antes de apartarla|Se intentarán una vez más antes de apartarlas}. {cause}",
    "{windows}: the dashboard refused {rows} {rows:row, posted alone,|rows, posted one by one,} and nothing else was left to"
    " post that could show that it accepts others."
    " {rows:It will be tried once more before it is|They will be tried once more before they are} set aside. {cause}",
)
BUSY = Text(
    "{windows}: el tablero pide esperar. {delivered:Se entregó|Se entregaron} {delivered} {delivered:fila|filas}; {rows}"
    " {rows:fila|filas} en {batches} {batches:lote|lotes} {rows:continuará|continuarán} a las {resumes}. No se consume ningún"
    " intento.",
    "{windows}: the dashboard asks to wait. {delivered} {delivered:row was|rows were} delivered; {rows} {rows:row|rows} in"
    " {batches} {batches:batch|batches} {rows:continues|continue} at {resumes}. No try is used up.",
)
CLOSED = Text(
    "{windows}: terminó el horario de send_hours; {rows} {rows:fila|filas} en {batches} {batches:lote|lotes}"
    " {rows:espera|esperan} hasta {opens}.",
    "{windows}: send_hours have closed; {rows} {rows:row|rows} in {batches} {batches:batch|batches} {rows:waits|wait} until"
    " {opens}.",
)
WAITS_FOR_EARLIER = Text(
    "{windows}: {rows} {rows:fila|filas} en {batches} {batches:lote|lotes} {rows:espera|esperan} cambios anteriores de las"
    " mismas solicitudes, pendientes en otro mes o día. Cargue primero ese mes o día.",
    "{windows}: {rows} {rows:row|rows} in {batches} {batches:batch|batches} {rows:waits|wait} for earlier changes of the same"
    " requests, which are pending in another month or day. Load that month or day first.",
)
ANOTHER_WORKER = Text(
    "{windows}: otra tarea está enviando {rows} {rows:fila|filas} en {batches} {batches:lote|lotes}. Esta espera hasta"
    " {resumes}.",
    "{windows}: another task is sending {rows} {rows:row|rows} in {batches} {batches:batch|batches}. This one waits"
    " until {resumes}.",
)
JUST_RELEASED = Text(
    "{windows}: otra tarea acaba de soltar {rows} {rows:fila|filas} en {batches} {batches:lote|lotes}. Se volverá a intentar.",
    "{windows}: another task has just released {rows} {rows:row|rows} in {batches} {batches:batch|batches}."
    " {rows:It|They} will be tried again.",
)
FAILS_ON_EVERY_REPEAT = Text(
    "El lote {batch} se envió una vez sin que llegara la respuesta, y ahora el tablero falla con cada fila de él, enviada"
    " sola, mientras acepta otras: es probable que ya las tenga. No se apartó ninguna; el lote sigue pendiente. Si el tablero"
    " las tiene (pregunte a Burocracia Cero): tablero adopt --batch {batch}. Si no: se vuelve a intentar con cada ejecución.",
    "Batch {batch} was once posted without an answer, and now the dashboard fails on each row of it, posted alone, while it"
    " accepts others: it probably has them. Nothing was set aside; it stays pending. If the dashboard has them (ask"
    " Burocracia Cero): tablero adopt --batch {batch}. If not: each run tries it again.",
)
OUTBOX_STILL_UNAVAILABLE = Text(
    "El outbox no responde; {answers:se guarda|se guardan} {answers} {answers:respuesta|respuestas} del tablero hasta que"
    " vuelva, y no se envía nada más mientras tanto. {cause}",
    "The outbox does not answer; {answers} {answers:answer|answers} of the dashboard {answers:is|are} kept until it is back,"
    " and nothing else is posted meanwhile. {cause}",
)

# -- staging -----------------------------------------------------------------------------------------------------------------

BRAKE = Text(
    "{window}: de {delivered} {delivered:fila entregada|filas entregadas}, {gone} ya no {gone:está|están} en la fuente y hay"
    " {new} {new:nueva|nuevas}. Parece que cambió la forma de leer la fuente (zona horaria, relleno o identificadores), no los"
    " datos. No se envió nada. Revise source_timezone y la vista. Si es correcto y el tablero debe recibir las filas nuevas,"
    " lance a mano {run}. Si el tablero ya las tiene: python -m tablero adopt. Si este outbox no es el habitual, traslade el"
    " anterior: python -m tablero move.",
    "{window}: of {delivered} delivered {delivered:row|rows}, {gone} {gone:is|are} no longer in the source, and {new}"
    " {new:is|are} new. It looks as if the way of reading the source has changed (time zone, padding or ids), and not the data."
    " Nothing was sent. Check source_timezone and the view. If the change is right and the dashboard must get the new rows,"
    " trigger {run} by hand. If the dashboard has them already: python -m tablero adopt. If this is not the usual outbox, move"
    " the previous one here: python -m tablero move.",
)

WITH_DAYS_AROUND = Text("{window}, junto con los días más cercanos", "{window}, together with the days around it")

#: The run that sends such a window all the same, by kind of the window: a month may be read by a nightly audit as well.
RUN_OF = {
    "month": Text(
        'historical_load con start_month "{window}", end_month "{window}" y accept_changes',
        'historical_load with start_month "{window}", end_month "{window}" and accept_changes',
    ),
    "day": Text('daily_send con day "{window}" y accept_changes', 'daily_send with day "{window}" and accept_changes'),
    "undated": Text("historical_load con accept_changes", "historical_load with accept_changes"),
}

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
DAY_IN_FUTURE = Text("El día {given} está en el futuro; hoy es {today}.", "The day {given} is in the future; today is {today}.")
DAY_TOO_EARLY = Text(
    "El día {given} es anterior a {earliest} (earliest en [tablero]), así que no hay nada que enviar. Indique otro día, o"
    " corrija earliest.",
    "The day {given} is before {earliest} (earliest in [tablero]), so there is nothing to send. Name another day, or correct"
    " earliest.",
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
    "{count} de {all} {all:ventana|ventanas} no {count:está completa|están completas}:\n{windows}\nLimpie la tarea fallida de"
    " ese mes o día con las posteriores (Limpiar Instancia de Tarea, Downstream), o lance el DAG de nuevo: solo se envía lo"
    " que falta.",
    "{count} of {all} {all:window|windows} {count:is|are} not settled:\n{windows}\nClear the failed task of that month or day"
    " with its downstream tasks (Clear Task Instance, Downstream), or trigger the DAG again: only what is missing is sent.",
)
NEVER_READ = Text(
    "{window}: nunca se leyó hasta el final; {staged} {staged:fila preparada|filas preparadas}.",
    "{window}: never read to its end; {staged} {staged:row|rows} staged.",
)
PENDING = Text(
    "{window}: {pending} {pending:fila pendiente|filas pendientes}.", "{window}: {pending} {pending:row|rows} pending."
)
NOT_READ_AGAIN = Text(
    "{window}: no se pudo leer otra vez, o la fuente siguió cambiando mientras se leía.",
    "{window}: could not be read again, or the source went on changing while it was read.",
)
DOES_NOT_CLOSE = Text(
    "{window}: la suma no cuadra: {read} {read:leída|leídas}, {accounted} con un estado, {now} en la fuente ahora, {gone} que"
    " ya no {gone:está|están}.",
    "{window}: the sum does not add up: {read} read, {accounted} accounted for, {now} in the source now, {gone} gone from it.",
)
FAILED_AND_SETTLED = Text(
    "{task} falló, y su ventana está completa: otra tarea leyó o envió lo que faltaba, y {reconcile} lo comprobó. No hay nada"
    " que hacer; si quiere verla en verde, límpiela (Limpiar Instancia de Tarea).",
    "{task} failed, and its window is settled: another task read or sent what was missing, and {reconcile} proved it. There is"
    " nothing to do; to see it green, clear it (Clear Task Instance).",
)

# -- counting ----------------------------------------------------------------------------------------------------------------

NOT_COUNTED_IN_TIME = Text(
    "{windows}: la fuente no pudo contar sus filas en el tiempo que su servidor permite; lo leído no se comparó con esa suma,"
    " aunque cada ventana se leyó dos veces. {words}",
    "{windows}: the source could not count its rows in the time that its server allows; what was read was not compared with"
    " that sum, though each window was read twice. {words}",
)
NOT_COUNTABLE = Text(
    "{windows}: la vista no se puede contar; lo leído no se comparó con esa suma, aunque cada ventana se leyó dos veces."
    " {words}",
    "{windows}: the view cannot be counted; what was read was not compared with that sum, though each window was read twice."
    " {words}",
)
COUNT_DIFFERS = Text(
    "La suma de la vista no cuadra:\n{complaints}\nLo que se leyó está entregado o tiene su motivo; lo demás no se leyó."
    " Pregunte a su DBA si la vista devuelve siempre las mismas filas (réplicas atrasadas, permisos por fila, condiciones que"
    " dependen de la hora o del azar); luego limpie reconcile (Limpiar Instancia de Tarea).",
    "The sum over the view does not add up:\n{complaints}\nWhat was read is delivered or has its reason; the rest was not read."
    " Ask your DBA whether the view always returns the same rows (replicas that lag behind, row security, conditions on the"
    " time or on chance); then clear reconcile (Clear Task Instance).",
)
WINDOW_LACKS_ROWS = Text(
    "{window}: la fuente cuenta {counted} {counted:fila|filas}, pero al leerlas devuelve {read}.",
    "{window}: the source counts {counted} {counted:row|rows}, but returns {read} when they are read.",
)

# -- adopting ----------------------------------------------------------------------------------------------------------------

NOT_ENDED = Text(
    "--until es {until}, y hoy es {today}: indique el último día del que se entregó todo; debe haber terminado.",
    "--until is {until}, and today is {today}: give the last day of which everything was delivered; it must have ended.",
)
NO_DAYS = Text("--from es {first}, posterior a --until, {until}.", "--from is {first}, after --until, {until}.")
ADOPTED = Text(
    "tablero adopt: se da por entregado hasta {until}, por {by}; no se envió nada",
    "tablero adopt: counted as delivered until {until}, by {by}; nothing was posted",
)
ADOPTED_BATCH = Text(
    "tablero adopt: el tablero tiene este lote, por {by}; no se envió nada",
    "tablero adopt: the dashboard has this batch, by {by}; nothing was posted",
)

# -- reading a night ---------------------------------------------------------------------------------------------------------

LEFT_OUT = Text("{window} queda para después: {words}", "{window} is left for later: {words}")
