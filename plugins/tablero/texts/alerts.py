"""What alerts and the digest say."""

from __future__ import annotations

from tablero.texts.text import Text

# -- subjects --------------------------------------------------------------------------------------------------------------

FAILED = Text("FALLÓ", "FAILED")
ROWS_PENDING = Text("{rows:fila pendiente|filas pendientes}", "{rows:row|rows} pending")
NOT_SETTLED = Text("{windows:ventana|ventanas} sin completar", "{windows:window|windows} not settled")
TASK = Text("tarea", "task")
NO_CAUSE = Text("causa no registrada", "cause not recorded")
NO_OUTBOX = Text("el outbox no responde", "the outbox does not answer")
RECOVERED = Text("se recuperó", "has recovered")
LATE = Text("ATRASADO", "LATE")
NOT_AS_USUAL = Text("DEGRADADO: {what}", "DEGRADED: {what}")
AS_USUAL_AGAIN = Text("vuelve a lo normal", "is back to normal")
DIGEST_SUBJECT = Text(
    "[Tablero] Resumen {period}: {delivered} {delivered:fila entregada|filas entregadas}",
    "digest {period}: {delivered} {delivered:row|rows} delivered",
)

# -- headings of lines -----------------------------------------------------------------------------------------------------

WHAT = Text("Qué pasó: {what}", "What happened: {what}")
WINDOWS = Text(
    "{count:Ventana|Ventanas} sin completar, con sus filas pendientes: {windows}",
    "{count:Window|Windows} not settled, with rows pending: {windows}",
)
MORE = Text("y {count} más", "and {count} more")
SINCE = Text("Desde: {since}", "Since: {since}")
TO_DO = Text("Qué hacer: {remedy}", "What to do: {remedy}")
FIRST_CAUSE = Text("Primera causa ({task})", "First cause ({task})")
RUN_LINK = Text("Ejecución", "Run")
LOG_LINK = Text("Registro (log) de la tarea", "Log of the task")
PAGE_LINK = Text("Página", "Page")

# -- what happened, and what to do -----------------------------------------------------------------------------------------

RUN_FAILED = Text("la ejecución terminó con error.", "the run ended in failure.")
OUTBOX_UNAVAILABLE = Text(
    "la ejecución terminó con error, pues el outbox no se puede leer o escribir, y sin él no se envía nada. Lo ya confirmado no"
    " se pierde.",
    "the run ended in failure, since the outbox cannot be read or written, and nothing is sent without it. Nothing acknowledged"
    " is lost.",
)
CHECK_OUTBOX = Text(
    "revise el outbox (conexión tablero_outbox; sin ella, el archivo tablero/outbox.db de AIRFLOW_HOME): ¿hay espacio en su"
    " disco, responde su servidor? La noche siguiente envía por sí sola lo que falte; para enviarlo antes, limpie en Airflow la"
    " tarea fallida con las posteriores (Limpiar Instancia de Tarea, Downstream).",
    "look at the outbox (connection tablero_outbox; without it, the file tablero/outbox.db in AIRFLOW_HOME): is there room on"
    " its disk, does its server answer? The next night sends by itself what is missing; to send it sooner, clear the failed"
    " task in Airflow with its downstream tasks (Clear Task Instance, Downstream).",
)
CLEAR = Text(
    "corrija la causa (abajo, o en el registro de la tarea). La noche siguiente envía por sí sola lo que falte; para enviarlo"
    " antes, limpie en Airflow la tarea fallida con las posteriores (Limpiar Instancia de Tarea, Downstream): solo se envía lo"
    " que falta.",
    "fix the cause (below, or in the task's log). The next night sends by itself what is missing; to send it sooner, clear the"
    " failed task in Airflow with its downstream tasks (Clear Task Instance, Downstream): only what is missing is sent.",
)
CLEAR_BY_HAND = Text(
    "corrija la causa (abajo, o en el registro de la tarea), y limpie en Airflow la tarea fallida con las posteriores (Limpiar"
    " Instancia de Tarea, Downstream), o lance el DAG de nuevo: solo se envía lo que falta.",
    "fix the cause (below, or in the task's log), and clear the failed task in Airflow with its downstream tasks (Clear Task"
    " Instance, Downstream), or trigger the DAG again: only what is missing is sent.",
)
ALL_IS_DELIVERED = Text(
    "todo lo leído está entregado, rechazado con motivo o excluido; no queda nada pendiente.",
    "everything that was read is delivered, rejected for a reason, or excluded; nothing is pending.",
)
DAY_IS_LATE = Text(
    "El día no quedó completo a las {deadline}. La tarea sigue intentándolo o espera que alguien intervenga.",
    "The day was not settled by {deadline}. The task is still trying, or waits for someone to act.",
)
CHECK_LOG = Text(
    "revise el registro (log) de la tarea que sigue en ejecución o en rojo: su última línea dice qué falta.",
    "check the log of the task that is still running, or red: its last line says what is missing.",
)
OVER = Text("ya no ocurre: {causes}.", "this is over: {causes}.")

#: What is over, by cause.
CONDITIONS = {
    "rejected": Text(
        "más filas rechazadas de las que admite alert_rejected_percent", "more rejected rows than alert_rejected_percent allows"
    ),
    "all_rejected": Text("todas las filas rechazadas", "all rows rejected"),
    "no_rows": Text("días sin ninguna fila", "days without any row"),
    "few_rows": Text("días con menos filas de lo usual", "days with fewer rows than usual"),
    "all_excluded": Text("días sin ninguna fila por enviar", "days without any row to send"),
    "undated": Text("filas sin fecha válida", "rows without a valid date"),
    "future": Text("filas con fecha en el futuro", "rows dated in the future"),
    "not_counted": Text("filas que la fuente no pudo contar", "rows that the source could not count"),
}

#: What was not as usual, by cause; ``window``, ``rows`` and ``of`` as in :class:`tablero.outbox.findings.Degradation`.
DEGRADED = {
    "rejected": Text(
        "{window}: {rows} de {of} {of:fila|filas} {rows:fue rechazada|fueron rechazadas} por el contrato o por el tablero",
        "{window}: {rows} of {of} {of:row|rows} {rows:was|were} rejected, by the contract or the dashboard",
    ),
    "all_rejected": Text(
        "{window}: no se envió ninguna fila; {rows} de {of} {of:fila|filas} {rows:fue rechazada|fueron rechazadas}",
        "{window}: no row was sent; {rows} of {of} {of:row|rows} {rows:was|were} rejected",
    ),
    "no_rows": Text(
        "{window}: {rows} {rows:fila|filas}; lo usual ese día es {of}",
        "{window}: {rows} {rows:row|rows}; usual for that day is {of}",
    ),
    "few_rows": Text(
        "{window}: solo {rows} {rows:fila|filas}; lo usual ese día es {of}",
        "{window}: only {rows} {rows:row|rows}; usual for that day is {of}",
    ),
    "all_excluded": Text(
        "{window}: ninguna fila por enviar; {rows} de {of} {rows:es|son} de solicitudes abiertas antes de earliest",
        "{window}: no row to send; {rows} of {of} {rows:is|are} of requests opened before earliest",
    ),
    "gone": Text(
        "{window}: {rows} de {of} {of:fila entregada|filas entregadas} ya no {rows:está|están} en la vista, y antes"
        " {rows:estaba|estaban}",
        "{window}: {rows} of {of} delivered {of:row|rows} {rows:is|are} no longer in the view, and {rows:was|were} there"
        " before",
    ),
    "undated": Text(
        "{rows} {rows:fila|filas} sin fecha válida en last_modified_date (de {of} fuera de todo mes): no se"
        " {rows:envía|envían}",
        "{rows} {rows:row|rows} without a valid last_modified_date (of {of} that {of:lies|lie} in no month):"
        " {rows:it is|they are} not sent",
    ),
    "future": Text(
        "{rows} {rows:fila|filas} con last_modified_date en el futuro: no se {rows:envía|envían} hasta ese día",
        "{rows} {rows:row|rows} with a last_modified_date in the future: {rows:it is|they are} not sent before that day",
    ),
    "audit": Text(
        "{window}: la auditoría encontró {rows} {rows:fila nueva o corregida|filas nuevas o corregidas} después de leerse el"
        " mes ({of} en total); ya se {rows:envió|enviaron}",
        "{window}: the audit found {rows} {rows:row|rows} entered or corrected after the month was read ({of} in all);"
        " {rows:it has|they have} been sent",
    ),
    "unknown": Text(
        "{rows} de {of} {of:fila entregada|filas entregadas} tras un envío sin respuesta: el tablero puede"
        " {rows:tenerla|tenerlas} dos veces",
        "{rows} of {of} delivered {of:row|rows} {rows:was|were} posted before without an answer: the dashboard may have"
        " {rows:it|them} twice",
    ),
    "recognised": Text(
        "{rows} de {of} {of:fila|filas} que el tablero reconoció como ya {rows:recibida|recibidas}, tras un envío sin"
        " respuesta",
        "{rows} of {of} {of:row|rows} that the dashboard recognised as received already, after a post without an answer",
    ),
    "few_refusals": Text(
        "{rows} {rows:fila apartada|filas apartadas} porque el tablero {rows:la|las} rechazó, sin que después aceptara otra"
        " que lo confirme",
        "{rows} {rows:row|rows} set aside because the dashboard refused {rows:it|them}, and accepted no other one afterwards"
        " to confirm it",
    ),
    "not_counted": Text(
        "{rows} de {of} {of:fila leída|filas leídas} no se {rows:comparó|compararon} con la suma de la vista: la fuente no"
        " pudo contarla",
        "{rows} of {of} {of:row|rows} read {rows:was|were} not compared with the sum over the view: the source could not"
        " count it",
    ),
}

#: The same for ``no_rows`` where there is no usual number.
NO_ROWS_YET = Text(
    "{window}: la vista no devolvió ninguna fila, ni hay antes un día con que comparar",
    "{window}: the view returned no row, and there is no earlier day to compare with",
)

#: What to do about each of them.
REMEDIES = {
    "rejected": Text(
        "abra Rechazos en la página: dice qué filas, y por qué. Corríjalas en la fuente o en la vista; las de los últimos días"
        " se leen de nuevo cada noche, las anteriores con Reintentar.",
        "open Rejections on the page: it says which rows, and why. Correct them at the source or in the view; those of the last"
        " days are read again each night, older ones by Retry.",
    ),
    "all_rejected": Text(
        "corrija la vista tablero_status_changes (Rechazos en la página dice qué falta); la noche siguiente la lee de nuevo.",
        "correct the view tablero_status_changes (Rejections on the page says what is wrong); the next night reads it again.",
    ),
    "no_rows": Text(
        "pregunte a su DBA si la vista tablero_status_changes recibe datos: una carga detenida o un filtro de más producen este"
        " efecto. Si el día no tuvo actividad, no hay nada que hacer.",
        "ask your DBA whether the view tablero_status_changes gets its data: a stopped load or a filter look like this. If the"
        " day had no activity, there is nothing to do.",
    ),
    "few_rows": Text(
        "pregunte a su DBA si a la vista le faltan datos de ese día (una carga incompleta). Lo que llegue tarde se enviará sin"
        " intervención.",
        "ask your DBA whether the view lacks data of that day (an incomplete load). What arrives late is sent automatically.",
    ),
    "all_excluded": Text(
        "revise opening_date en la vista, y [tablero] earliest: lo abierto antes de 2020-01-01 no se envía. Si el día solo tuvo"
        " solicitudes antiguas, no hay nada que hacer.",
        "check opening_date in the view, and [tablero] earliest: what was opened before 2020-01-01 is not sent. If the day had"
        " only old requests, there is nothing to do.",
    ),
    "gone": Text(
        "pregunte a su DBA si la vista dejó de mostrarlas (un filtro nuevo) o si se borraron. El tablero las conserva.",
        "ask your DBA whether the view stopped showing them (a new filter), or whether they were deleted. The dashboard keeps"
        " them.",
    ),
    "undated": Text(
        "corrija last_modified_date de esas filas en la fuente (Rechazos en la página las muestra): se envían la noche"
        " siguiente.",
        "correct last_modified_date of these rows at the source (Rejections on the page shows them): they are sent the next"
        " night.",
    ),
    "future": Text(
        "corrija last_modified_date de esas filas en la fuente (busque las posteriores a mañana): se envían la noche"
        " siguiente.",
        "correct last_modified_date of these rows at the source (look for those after tomorrow): they are sent the next night.",
    ),
    "audit": Text(
        "nada, si se conoce la causa. Si ocurre a menudo, aumente [tablero] lookback_days o revise cómo llegan los datos.",
        "nothing, if the cause is known. If it happens often, raise [tablero] lookback_days, or look into how the data"
        " arrives.",
    ),
    "unknown": Text(
        "nada por ahora; la página (Actividad, Lotes) dice qué lotes. Si el tablero cuenta de más, indíqueselos a Burocracia"
        " Cero.",
        "nothing for now; the page (Activity, Batches) says which batches. If the dashboard counts too many, name them to"
        " Burocracia Cero.",
    ),
    "recognised": Text(
        "nada: son la confirmación que faltaba; quedan registradas como tales.",
        "nothing: they are the acknowledgement that was missing, and are on record as that.",
    ),
    "few_refusals": Text(
        "abra Rechazos en la página: si las filas son correctas, pulse Reintentar y pregunte a Burocracia Cero.",
        "open Rejections on the page: if the rows are right, press Retry and ask Burocracia Cero.",
    ),
    "not_counted": Text(
        "el registro (log) de reconcile dice por qué; pida a su DBA más tiempo para las consultas del usuario de lectura"
        " (statement_timeout), o un índice por last_modified_date. Cada ventana se leyó dos veces.",
        "the log of reconcile says why; ask your DBA for more time for the reader's queries (statement_timeout), or for an"
        " index on last_modified_date. Each window was read twice.",
    ),
}

# -- digest ----------------------------------------------------------------------------------------------------------------

DIGEST_NOT_SENT = Text("el resumen {period} no pudo enviarse por correo", "the digest {period} could not be sent by mail")
CHECK_MAIL = Text(
    "revise la conexión smtp_default y el servidor de correo; el registro (log) del dag-processor tiene su respuesta. La"
    " próxima ejecución programada lo intenta de nuevo. La carga misma no se ve afectada.",
    "check connection smtp_default and the mail server; the dag-processor's log has its answer. The next scheduled run tries"
    " again. The load itself is not affected.",
)
DIGEST_INTRO = Text(
    "Resumen de Tablero, {period}. Estado: {state}.",
    "Tablero digest, {period}. State: {state}.",
)
EVIDENCE_TOO_LARGE = Text(
    "La constancia de {period} es demasiado grande para adjuntarla a este correo; descárguela de {url}",
    "The evidence of {period} is too large to be attached to this mail; download it from {url}",
)
DIGEST_WELL = Text("todo al día", "all is well")
DIGEST_NOT_WELL = Text("hay algo pendiente; vea la página", "something is pending; see the page")
DIGEST_ROWS = {
    "read": Text("Leídas", "Read"),
    "delivered": Text("Entregadas", "Delivered"),
    "rejected": Text("Rechazadas", "Rejected"),
    "left_out": Text("Repetidas o anteriores a earliest, que no se envían", "Repeated or before earliest, which are not sent"),
    "pending": Text("Pendientes", "Pending"),
    "sent": Text("Entregadas en esas noches, de cualquier fecha", "Delivered in those nights, whatever their date"),
    "open": Text("Ventanas abiertas", "Open windows"),
    "audits": Text("Meses comprobados de nuevo", "Months proved again"),
    "degraded": Text("Avisos de degradado", "Degraded notices"),
}
DIGEST_REASON = Text("Rechazadas: {reason}", "Rejected: {reason}")
