"""What the page says, by the names under which its templates ask for it.

Names are dotted, a part for each step: ``state.pending.short`` is the short word for the state ``pending``. Names of months and
weekdays, and how numbers are written, come from babel.
"""

from __future__ import annotations

from tablero.texts.text import Counted, Text

TEXTS: dict[str, Text | Counted] = {
    # How dates are written, in the field symbols of Unicode (CLDR), which babel reads.
    "date.long_day": Text("EEEE d 'de' MMMM 'de' y", "EEEE, d MMMM y"),
    "date.month": Text("MMMM 'de' y", "MMMM y"),
    "skip": Text("Ir al contenido", "Skip to content"),
    "none": Text("–", "–"),
    "next": Text("Ver más", "Show more"),
    "run": Text("Ejecución", "Run"),
    "crumbs": Text("Usted está en", "You are in"),
    "over": Text("más de {shown}", "more than {shown}"),
    "rows": Counted(one=Text("{n} fila", "{n} row"), other=Text("{n} filas", "{n} rows")),
    "rows.over": Text("{shown} filas", "{shown} rows"),
    "language.other": Text("English", "Español"),
    "nav.label": Text("Secciones", "Sections"),
    "nav.coverage": Text("Cobertura", "Coverage"),
    "nav.rejections": Text("Rechazos", "Rejections"),
    "nav.evidence": Text("Constancias", "Evidence"),
    "nav.activity": Text("Actividad", "Activity"),
    "nav.actions": Text("Acciones", "Actions"),
    "find.label": Text("¿Se reportó una solicitud?", "Was a request reported?"),
    "find.example": Text("REQ-77", "REQ-77"),
    "find.go": Text("Buscar", "Find"),
    "foot.zone": Text("Todas las horas son de {zone}.", "All times are in {zone}."),
    "foot.target": Text("Destino:", "Sent to:"),
    "target.other": Text(
        "Las filas de este outbox se entregaron a {target}, y el ajuste api_path dice {path}. Las tareas no envían nada hasta"
        " que coincidan.",
        "The rows of this outbox were delivered to {target}, and the setting api_path says {path}. Tasks send nothing until"
        " the two agree.",
    ),
    "foot.now": Text("Datos al", "Data as of"),
    "state.settled": Text("Completo", "Complete"),
    "state.settled.short": Text("completo", "complete"),
    "state.settled.means": Text(
        "Todo lo válido está entregado, y la fuente, leída otra vez, coincide.",
        "All that is valid is delivered, and the source, read again, agrees.",
    ),
    "state.progress": Text("En curso", "In progress"),
    "state.progress.short": Text("en curso", "running"),
    "state.progress.means": Text("Se está leyendo o enviando ahora mismo.", "It is being read or sent right now."),
    "state.pending": Text("Pendiente", "Pending"),
    "state.pending.short": Text("pendiente", "pending"),
    "state.pending.means": Text(
        "Falta algo por leer, por entregar o por comprobar.", "Something is still to be read, delivered or proven."
    ),
    "state.rejections": Text("Demasiados rechazos", "Too many rejections"),
    "state.rejections.means": Text(
        "Todo lo válido está entregado, pero se rechazaron más filas de las que admite alert_rejected_percent.",
        "All that is valid is delivered, but more rows were rejected than alert_rejected_percent allows for.",
    ),
    "state.mismatch": Text("No cuadra", "Does not add up"),
    "state.mismatch.short": Text("no cuadra", "mismatch"),
    "state.mismatch.means": Text(
        "El recuento de la fuente no coincide con lo que se leyó. Vuelva a cargar ese mes o día.",
        "The recount of the source differs from what was read. Load that month or day again.",
    ),
    "state.never": Text("Nunca cargado", "Never loaded"),
    "state.never.short": Text("sin cargar", "not loaded"),
    "state.never.means": Text(
        "Nadie lo ha leído todavía. Lance la carga histórica de ese mes.",
        "Nobody has read it yet. Trigger the historical load of that month.",
    ),
    "state.future": Text("Aún no corresponde", "Not due yet"),
    "state.future.short": Text("aún no", "not due"),
    "state.future.means": Text(
        "No ha terminado, o su envío diario no ha empezado.", "It is not over, or its daily send has not begun."
    ),
    "legend.flag": Text("Con algunos rechazos", "With some rejections"),
    "legend.flag.means": Text(
        "Unas pocas filas tienen errores; lo demás está como dice el color.",
        "A few rows have errors; all else is as the colour says.",
    ),
    "legend.degraded": Text("No fue como siempre", "Not as usual"),
    "legend.degraded.means": Text(
        "Ese día tuvo muchas menos filas que de costumbre, o filas de las que solo el tablero sabe cuántas veces las tiene.",
        "That day had far fewer rows than usual, or rows of which only the dashboard knows how often it has them.",
    ),
    "legend.label": Text("Leyenda", "Legend"),
    "why.nothing": Text("Falta algo.", "Something is missing."),
    "why.rows": Counted(
        one=Text("{n} fila leída espera ser entregada.", "{n} row that was read waits to be delivered."),
        other=Text("{n} filas leídas esperan ser entregadas.", "{n} rows that were read wait to be delivered."),
    ),
    "why.unread": Text(
        "Una parte no se ha leído. Lance la carga histórica de ese mes.",
        "A part was not read. Trigger the historical load of that month.",
    ),
    "why.unproven": Text(
        "Leído y entregado; falta comprobarlo contra la fuente. Lo hace la próxima ejecución que lo lea.",
        "Read and delivered; not yet proven against the source. The next run that reads it does that.",
    ),
    "answer.nothing": Text("Todavía no se ha enviado nada", "Nothing has been sent yet"),
    "answer.first_steps": Text(
        "Lance el DAG Carga histórica para leer y enviar todo desde el principio.",
        "Trigger the DAG Carga histórica to read and send everything from the beginning.",
    ),
    "answer.open_history": Text("Abrir Carga histórica", "Open Carga histórica"),
    "answer.missing": Counted(
        one=Text("Falta 1 mes por completar", "1 month is not complete"),
        other=Text("Faltan {n} meses por completar", "{n} months are not complete"),
    ),
    "answer.more": Counted(
        one=Text("y {n} más, abajo.", "and {n} more, below."), other=Text("y {n} más, abajo.", "and {n} more, below.")
    ),
    "answer.progress": Counted(
        one=Text("Se está enviando 1 mes; los demás están completos", "1 month is being sent; all others are complete"),
        other=Text(
            "Se están enviando {n} meses; los demás están completos", "{n} months are being sent; all others are complete"
        ),
    ),
    "answer.settled": Text("Todo está entregado hasta el {day}", "Everything is delivered up to {day}"),
    "answer.all": Text("Todo está entregado", "Everything is delivered"),
    "answer.rejected": Counted(
        one=Text("{shown} fila tiene errores y espera corrección", "{shown} row has errors and needs correcting"),
        other=Text("{shown} filas tienen errores y esperan corrección", "{shown} rows have errors and need correcting"),
    ),
    "answer.undated": Counted(
        one=Text(
            "{shown} de ellas no está en ningún mes: su fecha de cambio falta, no es una fecha o es anterior al primero",
            "{shown} of them lies in no month: its date of change is missing, is no date or is before the first one",
        ),
        other=Text(
            "{shown} de ellas no están en ningún mes: su fecha de cambio falta, no es una fecha o es anterior al primero",
            "{shown} of them lie in no month: their date of change is missing, is no date or is before the first one",
        ),
    ),
    "answer.outside": Text(
        "Hay filas pendientes de meses anteriores al primero que se muestra",
        "Rows of months before the first one shown are pending",
    ),
    "totals.outside": Text(
        "Incluye filas de meses anteriores a {month}, el de earliest, que no se muestran: {delivered}"
        " {delivered:entregada|entregadas}, {rejected} que el tablero rechazó, {pending} {pending:pendiente|pendientes}.",
        "Includes rows of months before {month}, that of earliest, which are not shown: {delivered} delivered, {rejected}"
        " that the dashboard refused, {pending} pending.",
    ),
    "totals.adopted": Text(
        "De las entregadas, {n} se {n:dio por entregada|dieron por entregadas} a mano (adopt), sin acuse.",
        "Of those delivered, {n} {n:was|were} marked as delivered by hand (adopt), without an acknowledgement.",
    ),
    "totals.title": Text("En total", "In total"),
    "count.read": Text("Leídas", "Read"),
    "count.read.means": Text("de la fuente", "from the source"),
    "count.delivered": Text("Entregadas", "Delivered"),
    "count.delivered.means": Text("con acuse del tablero", "acknowledged by the dashboard"),
    "count.rejected": Text("Rechazadas", "Rejected"),
    "count.rejected.means": Text("con errores", "with errors"),
    "count.excluded": Text("Excluidas", "Excluded"),
    "count.excluded.means": Text("anteriores a lo que el tablero recibe", "older than the dashboard takes"),
    "count.duplicates": Text("Duplicadas", "Duplicates"),
    "count.duplicates.means": Text("repetidas en la fuente", "repeated in the source"),
    "count.pending": Text("Pendientes", "Pending"),
    "count.pending.means": Text("por entregar", "to be delivered"),
    "daily.last.success": Text("El último envío diario terminó bien:", "The last daily send ended well:"),
    "daily.last.failed": Text("El último envío diario falló:", "The last daily send failed:"),
    "daily.none": Text("El envío diario no se ha ejecutado todavía.", "The daily send has not run yet."),
    "daily.unknown": Text("Airflow no conoce el DAG daily_send.", "Airflow does not know the DAG daily_send."),
    "daily.paused": Text(
        "El envío diario está en pausa: no se ejecutará hasta que alguien lo active.",
        "The daily send is paused: it will not run until someone unpauses it.",
    ),
    "daily.no_next": Text("No hay próximo envío programado.", "No next one is scheduled."),
    "daily.due": Text("El próximo corresponde desde", "The next one is due, since"),
    "daily.next": Text("El próximo:", "The next one:"),
    "audits.since": Text(
        "Cada noche se comprueban otra vez los meses que llevan más tiempo sin comprobarse; el más antiguo, el",
        "Each night the months that were not proven for longest are proven again; the oldest proof is of",
    ),
    "view.none": Text(
        "La vista entera no se ha contado todavía; la cuenta una carga histórica que empieza en el primer mes.",
        "The whole view was not counted yet; a historical load that begins at the first month counts it.",
    ),
    "view.complete": Text(
        "La vista entera cuadra: la fuente cuenta {counted} {counted:fila|filas} hasta el {until}, incluso sin fecha, tantas"
        " como se leyeron; {later} más {later:es posterior|son posteriores}.",
        "The whole view adds up: the source counts {counted} {counted:row|rows} up to {until}, undated ones too, as many as"
        " were read; {later} more {later:is|are} later.",
    ),
    "view.differs": Text(
        "La vista entera no cuadra: la fuente cuenta {counted} {counted:fila|filas} hasta el {until}, y se {read:leyó|leyeron}"
        " {read}; diferencia: {difference}.",
        "The whole view does not add up: the source counts {counted} {counted:row|rows} up to {until}, and {read}"
        " {read:was|were} read; difference: {difference}.",
    ),
    "view.changing": Text(
        "La vista entera cambiaba mientras se contaba: {counted} {counted:fila|filas} hasta el {until}, y {read}"
        " {read:leída|leídas}; diferencia: {difference}. La próxima carga histórica la cuenta otra vez.",
        "The whole view was changing while it was counted: {counted} {counted:row|rows} up to {until}, and {read} read;"
        " difference: {difference}. The next historical load counts it again.",
    ),
    "view.not_in_time": Text(
        "La vista entera no se pudo contar en el tiempo que permite su servidor; hasta el {until} se {read:leyó|leyeron} {read}"
        " {read:fila|filas}, cada mes dos veces.",
        "The whole view could not be counted in the time that its server allows; up to {until}, {read} {read:row was|rows were}"
        " read, each month twice.",
    ),
    "view.not_possible": Text(
        "La vista entera no se puede contar; hasta el {until} se {read:leyó|leyeron} {read} {read:fila|filas}, cada mes dos"
        " veces.",
        "The whole view cannot be counted; up to {until}, {read} {read:row was|rows were} read, each month twice.",
    ),
    "view.own_sql": Text(
        "Con source_sql no hay una vista que contar; hasta el {until} se {read:leyó|leyeron} {read} {read:fila|filas}, cada mes"
        " dos veces.",
        "With source_sql there is no view to count; up to {until}, {read} {read:row was|rows were} read, each month twice.",
    ),
    "months.title": Text("Mes por mes", "Month by month"),
    "months.hint": Text(
        "Cada casilla es un mes, con sus filas entregadas. Ábrala para ver el detalle.",
        "Each cell is a month, with the rows delivered. Open it for the details.",
    ),
    "months.caption": Text("Estado de cada mes, por años", "State of each month, by years"),
    "cell.delivered": Counted(
        one=Text("{n} fila entregada", "{n} row delivered"), other=Text("{n} filas entregadas", "{n} rows delivered")
    ),
    "cell.rejected": Counted(
        one=Text("{shown} rechazo", "{shown} rejected"), other=Text("{shown} rechazos", "{shown} rejected")
    ),
    "cell.proved": Text("comprobado el {day}", "proven on {day}"),
    "cell.over": Text("{shown} filas rechazadas", "{shown} rows rejected"),
    "cell.share": Counted(
        one=Text(
            "{n} fila rechazada, el {percent} de las que podían enviarse",
            "{n} row rejected, {percent} of those that could be sent",
        ),
        other=Text(
            "{n} filas rechazadas, el {percent} de las que podían enviarse",
            "{n} rows rejected, {percent} of those that could be sent",
        ),
    ),
    "days.title": Text("Día por día, los últimos doce meses", "Day by day, the last twelve months"),
    "live.title": Text("Ahora mismo", "Right now"),
    "live.nothing": Text("Nada en curso", "Nothing under way"),
    "live.running": Text("en ejecución desde", "running since"),
    "live.queued": Text("en espera", "waiting"),
    "live.delivered": Text("Filas entregadas", "Rows delivered"),
    "live.per_second": Text("Filas por segundo", "Rows a second"),
    "live.left": Text("Filas por entregar, aprox.", "Rows to deliver, about"),
    "live.ends": Text("Terminará hacia", "Ends about"),
    "live.unknown": Text("sin datos aún", "not known yet"),
    "live.stale": Text(
        "No hay conexión con Airflow: se ve lo último que se supo.",
        "There is no connection to Airflow: this is what was known last.",
    ),
    "live.share": Text("Parte entregada", "Share delivered"),
    "dag.historical_load": Text("Carga histórica", "Historical load"),
    "dag.daily_send": Text("Envío diario", "Daily send"),
    "outcome.delivered": Text("entregado", "delivered"),
    "outcome.refused": Text("rechazado", "refused"),
    "outcome.transient": Text("fallo temporal", "temporary failure"),
    "outcome.permanent": Text("fallo permanente", "permanent failure"),
    "outcome.unknown": Text("resultado desconocido", "outcome unknown"),
    "outcome.open": Text("en curso", "in flight"),
    "window.counts": Text("Conteo", "Counts"),
    "window.counts.caption": Text("Qué pasó con cada fila", "What became of every row"),
    "window.now": Text("Ahora", "Now"),
    "window.proven": Text("Comprobado el", "Proven on"),
    "window.tried": Text("Último intento de comprobarlo, el", "Last tried to prove on"),
    "count.gone": Text("De ellas, ya no están en la fuente", "Of these, gone from the source"),
    "count.gone.short": Text("Ya no están", "Gone"),
    "count.source": Text("En la fuente", "In the source"),
    "window.no_proof": Text(
        "Esta ventana no se ha comprobado por sí sola; abajo están las comprobaciones que la tocan.",
        "This window was not proven by itself; the proofs that touch it are below.",
    ),
    "window.evidence": Text("Constancia de este mes", "Evidence of this month"),
    "proofs.title": Text("Comprobaciones contra la fuente", "Proofs against the source"),
    "proofs.hint": Text(
        "Cada una volvió a contar la fuente por su cuenta y comparó. La más reciente va primero.",
        "Each one counted the source again by itself and compared. The latest comes first.",
    ),
    "proofs.window": Text("Ventana", "Window"),
    "proofs.at": Text("Comprobado", "Proven"),
    "proofs.result": Text("Resultado", "Result"),
    "proofs.settled": Text("cuadra", "adds up"),
    "proofs.pending": Text("había pendientes", "rows were pending"),
    "proofs.uncounted": Text("no se pudo contar", "could not be counted"),
    "proofs.mismatch": Text("no cuadra", "does not add up"),
    "proofs.none": Text("Ninguna todavía.", "None yet."),
    "readings.title": Text("Lecturas de la fuente", "Readings of the source"),
    "readings.began": Text("Empezó", "Began"),
    "readings.ended": Text("Terminó", "Ended"),
    "readings.new": Text("Nuevas", "New"),
    "readings.known": Text("Ya conocidas", "Known before"),
    "readings.unfinished": Text("sin terminar", "unfinished"),
    "readings.none": Text("Ninguna todavía.", "None yet."),
    "batches.title": Text("Lotes", "Batches"),
    "batches.hint": Text(
        "Un lote es una llamada al tablero. Abra un lote para ver sus filas y todos sus intentos.",
        "A batch is one call to the dashboard. Open it to see its rows and all its attempts.",
    ),
    "batches.filter": Text("Mostrar", "Show"),
    "batches.none": Text("Ninguno.", "None."),
    "batches.unconfirmed": Text("por decidir", "to be decided"),
    "batches.unconfirmed.means": Text(
        "El tablero quizás ya los tiene, y falla cada vez que se repiten: alguien debe decidir.",
        "The dashboard may have these already, and fails whenever they are repeated: someone has to decide.",
    ),
    "batches.unknown": Text("alguna vez sin respuesta", "once without an answer"),
    "batches.unknown.means": Text(
        "Al menos un envío de cada uno quedó sin respuesta, así que el tablero puede tener sus filas dos veces. Si cuenta de"
        " más, indique a Burocracia Cero los que él no reconoció al repetirlos.",
        "At least one post of each was left without an answer, so the dashboard may have its rows twice. If it counts too"
        " many, name those to Burocracia Cero that it did not recognise when they were repeated.",
    ),
    "batches.posting": Text("enviándose ahora", "being posted now"),
    "batches.posting.means": Text(
        "Una tarea los tiene y espera la respuesta del tablero.", "A task has them and waits for the dashboard's answer."
    ),
    "batches.pending": Text("pendientes", "pending"),
    "batches.pending.means": Text(
        "Esperan ser entregados, en este orden. Lo hace la próxima ejecución programada de Envío diario.",
        "They wait to be delivered, in this order. The next scheduled run of Daily send does that.",
    ),
    "batches.of_run": Text("Los que envió", "Those posted by"),
    "batches.of_all": Text("ver los de todas", "show those of all runs"),
    "batch.number": Text("Lote {number}", "Batch {number}"),
    "batch.all": Text("todos", "all"),
    "batch.pending": Text("pendiente", "pending"),
    "batch.pending.means": Text("Espera ser entregado.", "It waits to be delivered."),
    "batch.delivered": Text("entregado", "delivered"),
    "batch.delivered.means": Text("El tablero acusó recibo.", "The dashboard acknowledged it."),
    "batch.refused": Text("rechazado", "refused"),
    "batch.refused.means": Text("El tablero no acepta esta fila.", "The dashboard does not take this row."),
    "batch.withdrawn": Text("retirado", "withdrawn"),
    "batch.withdrawn.means": Text(
        "Ya no está en la fuente, y el tablero no la tiene. Corregida allí, es otra fila.",
        "It is no longer in the source, and the dashboard does not have it. Corrected there, it is another row.",
    ),
    "batch.split": Text("dividido", "split"),
    "batch.split.means": Text(
        "El tablero lo rechazó, o falló con él, y se dividió para encontrar las filas con error.",
        "The dashboard refused it, or failed on it, and it was split to find the bad rows.",
    ),
    "batch.rows": Text("Filas", "Rows"),
    "batch.span": Text("Cambios desde – hasta", "Changes from – to"),
    "batch.settled": Text("Respondido", "Answered"),
    "batch.read_by": Text("Lo leyó", "Read by"),
    "batch.part_of": Text("Parte de", "Part of"),
    "batch.waits_for": Text("Va después de", "Goes after"),
    "batch.parts": Text("Partes", "Parts"),
    "batch.contents": Text("Filas", "Rows"),
    "batch.no_rows": Text("No tiene filas: están en sus partes.", "It has no rows: they are in its parts."),
    "attempts.title": Text("Intentos", "Attempts"),
    "attempts.none": Text("No se ha intentado enviar todavía.", "Nothing was posted yet."),
    "attempt.at": Text("Cuándo", "When"),
    "attempt.outcome": Text("Resultado", "Outcome"),
    "attempt.took": Text("Duración", "Duration"),
    "attempt.said": Text("Qué dijo el otro lado", "What the other side said"),
    "attempt.detail": Text("Clave en el registro del servidor de seguridad", "Key in the security server's log"),
    "attempt.last": Text("Último intento", "Last attempt"),
    "attempt.of": Text("Intentos del lote {number}", "Attempts of batch {number}"),
    "settled.acknowledged": Text("con acuse", "acknowledged"),
    "settled.recognised": Text("reconocido al repetirlo", "recognised when repeated"),
    "settled.adopted": Text("dado por entregado a mano", "marked as delivered by hand"),
    "unconfirmed.open": Text(
        "El tablero quizás ya tiene estas filas, y falla cada vez que se repiten; alguien debe decidir:",
        "The dashboard may have these rows already, and fails whenever they are repeated; someone has to decide:",
    ),
    "unconfirmed.badge": Text("quizás ya entregado", "maybe delivered already"),
    "unconfirmed.title": Counted(
        one=Text("El tablero quizás ya tiene esta fila", "The dashboard may have this row already"),
        other=Text("El tablero quizás ya tiene estas {n} filas", "The dashboard may have these {n} rows already"),
    ),
    "unconfirmed.why": Text(
        "Se enviaron una vez sin que llegara la respuesta, y desde entonces el tablero falla con ellas mientras acepta otras."
        " Pregunte a Burocracia Cero si las tiene, con los números de solicitud de abajo.",
        "They were posted once without an answer, and since then the dashboard fails on them while it accepts others."
        " Ask Burocracia Cero whether it has them, with the request numbers below.",
    ),
    "unconfirmed.not_allowed": Text(
        "Para decidirlo aquí necesita permiso de editar y lanzar ambos DAG en Airflow. En la línea de comandos: tablero adopt"
        " --batch {batch}.",
        "To decide it here you need the right to edit and trigger both DAGs in Airflow. On the command line: tablero adopt"
        " --batch {batch}.",
    ),
    "unconfirmed.adopt": Text("¿Darlas por entregadas?", "Mark them as delivered?"),
    "unconfirmed.adopt.button": Text("El tablero las tiene: darlas por entregadas…", "It has them: mark them as delivered…"),
    "unconfirmed.adopt.confirm": Text("Sí, darlas por entregadas", "Yes, mark them as delivered"),
    "unconfirmed.adopt.means": Text(
        "Las filas quedan como entregadas sin enviarse otra vez. No se puede deshacer aquí.",
        "The rows count as delivered and are not posted again. This cannot be undone here.",
    ),
    "unconfirmed.retry": Text("¿Intentar otra vez?", "Try again?"),
    "unconfirmed.retry.button": Text("No las tiene: intentar otra vez…", "It does not have them: try again…"),
    "unconfirmed.retry.confirm": Text("Sí, intentar otra vez", "Yes, try again"),
    "unconfirmed.retry.means": Text(
        "Las filas siguen pendientes y se envían otra vez.", "The rows stay pending and are posted again."
    ),
    "unconfirmed.nothing": Text(
        "No hay nada que decidir: alguien ya lo hizo, o el tablero ya respondió.",
        "There is nothing to decide: someone has done it, or the dashboard has answered.",
    ),
    "unconfirmed.back": Text("Volver al lote", "Back to the batch"),
    "unconfirmed.record": Text(
        "dado por entregado en la página por {user}; no se envió nada",
        "marked as delivered on the page by {user}; nothing was posted",
    ),
    "requeues.title": Text("Reintentos pedidos por personas", "Retries that people asked for"),
    "request.title": Text("¿Se reportó una solicitud?", "Was a request reported?"),
    "request.how": Text(
        "Escriba arriba el número de la solicitud, tal como está en la fuente.",
        "Type the number of the request above, as it is in the source.",
    ),
    "request.unreadable": Text(
        "Este enlace ya no sirve: está incompleto, o se cambió el secreto de Airflow (secret_key). Busque otra vez; si vuelve a"
        " ocurrir, [api] secret_key no es el mismo en todos los servidores API.",
        "This link is no longer valid: it is incomplete, or Airflow's secret (secret_key) was changed. Search again; if it"
        " happens again, [api] secret_key is not the same on all API servers.",
    ),
    "request.of": Text("Solicitud", "Request"),
    "request.all": Counted(
        one=Text(
            "Sí: su único cambio de estado leído está entregado.", "Yes: the only status change that was read is delivered."
        ),
        other=Text(
            "Sí: sus {n} cambios de estado leídos están entregados.",
            "Yes: all {n} status changes that were read are delivered.",
        ),
    ),
    "request.some": Counted(
        one=Text(
            "{n} de {all} {all:cambio de estado mostrado|cambios de estado mostrados} está entregado.",
            "{n} of {all} status {all:change|changes} shown is delivered.",
        ),
        other=Text(
            "{n} de {all} {all:cambio de estado mostrado|cambios de estado mostrados} están entregados.",
            "{n} of {all} status {all:change|changes} shown are delivered.",
        ),
    ),
    "request.and_wrong": Counted(
        one=Text(
            "{n} fila más tiene errores y no se envió; está abajo.",
            "{n} more row has errors and was not sent; it is listed below.",
        ),
        other=Text(
            "{n} filas más tienen errores y no se enviaron; están abajo.",
            "{n} more rows have errors and were not sent; they are listed below.",
        ),
    ),
    "request.delivered": Counted(
        one=Text("En parte: {n} cambio de estado está entregado.", "In part: {n} status change is delivered."),
        other=Text("En parte: {n} cambios de estado están entregados.", "In part: {n} status changes are delivered."),
    ),
    "request.withdrawn": Text(
        "No: lo que se leyó de ella ya no está en la fuente, y el tablero no lo tiene.",
        "No: what was read of it is no longer in the source, and the dashboard does not have it.",
    ),
    "request.rejected": Text("No: sus filas tienen errores y no se enviaron.", "No: its rows have errors and were not sent."),
    "request.unknown": Text(
        "No hay nada de esta solicitud: no se ha leído, o el número es otro.",
        "There is nothing about this request: it was not read, or its number is another one.",
    ),
    "request.changes": Text("Cambios de estado", "Status changes"),
    "request.changed": Text("Cambio", "Change"),
    "request.status": Text("Estado", "Status"),
    "request.state": Text("Entrega", "Delivery"),
    "request.acknowledged": Text("Acuse del tablero", "Acknowledged"),
    "request.batch": Text("Lote", "Batch"),
    "request.service": Text("Servicio", "Service"),
    "request.opened": Text("Apertura", "Opened"),
    "request.wrong": Text("Filas con errores", "Rows with errors"),
    "source.title": Text("Lo que dice la fuente ahora", "What the source says now"),
    "source.silent": Text("No se pudo preguntar a la fuente.", "The source could not be asked."),
    "source.ask_again": Text("Preguntar otra vez y esperar más.", "Ask again, and wait longer."),
    "source.nothing": Text(
        "La fuente no tiene ahora ninguna fila de esta solicitud.", "The source holds no row of this request now."
    ),
    "source.same": Counted(
        one=Text("La fuente dice lo mismo: 1 fila, entregada.", "The source says the same: 1 row, delivered."),
        other=Text(
            "La fuente dice lo mismo: {n} filas, todas entregadas.", "The source says the same: {n} rows, all delivered."
        ),
    ),
    "source.some": Counted(
        one=Text("La fuente tiene 1 fila; entregadas: {delivered}.", "The source holds 1 row; delivered: {delivered}."),
        other=Text("La fuente tiene {n} filas; entregadas: {delivered}.", "The source holds {n} rows; delivered: {delivered}."),
    ),
    "source.unread": Counted(
        one=Text(
            "Una es nueva: la lee el envío de la noche de su día, o la próxima comprobación de su mes.",
            "One is new: the send of the night after its day reads it, or the next proof of its month.",
        ),
        other=Text(
            "{n} son nuevas: las lee el envío de la noche de su día, o la próxima comprobación de su mes.",
            "{n} are new: the send of the night after their day reads them, or the next proof of their month.",
        ),
    ),
    "source.new": Text("aún no leída", "not read yet"),
    "source.wrong": Text("con error", "with an error"),
    "source.excluded": Text(
        "excluida: es anterior a lo que el tablero recibe", "excluded: older than what the dashboard takes"
    ),
    "source.gone": Counted(
        one=Text(
            "Un cambio que se leyó ya no está en la fuente, o está corregido:",
            "A change that was read is no longer in the source, or was corrected:",
        ),
        other=Text(
            "{n} cambios que se leyeron ya no están en la fuente, o están corregidos:",
            "{n} changes that were read are no longer in the source, or were corrected:",
        ),
    ),
    "rejections.title": Text("Filas rechazadas", "Rejected rows"),
    "rejections.lead": Text(
        "Filas que no se entregaron porque algo en ellas está mal. Se corrigen en la fuente, o con Burocracia Cero.",
        "Rows that were not delivered because something in them is wrong. Correct them in the source, or with Burocracia Cero.",
    ),
    "rejections.fix": Text("Qué hacer:", "What to do:"),
    "rejections.csv": Text("Descargar CSV", "Download CSV"),
    "rejections.none": Text("No hay filas rechazadas.", "There are no rejected rows."),
    "rejections.words": Text("Mensaje del tablero", "The dashboard's message"),
    "rejections.empty": Text("vacío", "empty"),
    "filter.reason": Text("Motivo", "Reason"),
    "filter.service": Text("Servicio", "Service"),
    "filter.month": Text("Mes o día", "Month or day"),
    "filter.any": Text("todos", "all"),
    "filter.go": Text("Filtrar", "Filter"),
    "filter.clear": Text("Quitar filtro", "Clear filter"),
    "csv.code": Text("código", "code"),
    "csv.reason": Text("motivo", "reason"),
    "csv.fix": Text("qué hacer", "what to do"),
    "csv.words": Text("mensaje del tablero", "the dashboard's message"),
    "csv.month": Text("mes", "month"),
    "csv.service": Text("servicio", "service"),
    "csv.status": Text("estado", "status"),
    "csv.status_name": Text("nombre del estado", "name of status"),
    "csv.rows": Text("filas", "rows"),
    "csv.state": Text("cobertura", "coverage"),
    "csv.digest": Text("sha256 de las filas", "sha256 of the rows"),
    "file.rejections": Text("rechazos", "rejections"),
    "file.evidence": Text("constancia", "evidence"),
    "requeue.choose": Text("Elegir", "Choose"),
    "requeue.choose_row": Text("Elegir la fila de {request}", "Choose the row of {request}"),
    "requeue.chosen": Text("Reintentar las elegidas…", "Retry the chosen ones…"),
    "requeue.whole": Text("Reintentar todas las de este motivo…", "Retry all with this reason…"),
    "requeue.hint.refused": Text(
        "Antes de que algo cambie se muestra qué va a pasar.", "You will see what is going to happen before anything changes."
    ),
    "requeue.hint.broken": Text(
        "Estas filas se corrigen en la fuente; reintentar vuelve a leer su día o su mes. Antes se muestra qué va a pasar.",
        "These rows are corrected in the source; a retry reads their day or month again. You first see what will happen.",
    ),
    "requeue.not_allowed": Text(
        "Para reintentar necesita permiso de editar y lanzar ambos DAG en Airflow.",
        "To retry you need the right to edit and trigger both DAGs in Airflow.",
    ),
    "review.title": Text("¿Reintentar?", "Retry?"),
    "review.nothing": Text(
        "No hay nada que reintentar: no se eligió ninguna fila, o alguien ya lo hizo.",
        "There is nothing to retry: no row was chosen, or someone did it already.",
    ),
    "review.back": Text("Volver a los rechazos", "Back to the rejections"),
    "review.what": Text("Qué va a pasar", "What is going to happen"),
    "review.refused.pending": Text(
        "Las filas rechazadas por el tablero vuelven a quedar pendientes, tal como se leyeron.",
        "The rows that the dashboard refused become pending again, as they were read.",
    ),
    "review.capped": Text(
        "Como máximo {n} {n:fila|filas} de una vez; repita después para el resto.",
        "At most {n} {n:row|rows} at once; repeat later for the rest.",
    ),
    "review.broken.fix": Text(
        "Nada cambia si la fuente sigue igual. Corrija antes:",
        "Nothing changes as long as the source stays as it is. Correct it first:",
    ),
    "review.run.daily_send": Text(
        "Se lanza Envío diario para el {day}: relee ese día y envía lo que falta.",
        "Daily send is run for {day}: it reads that day again and sends what is missing.",
    ),
    "review.run.historical_load": Text(
        "Se lanza Carga histórica de {start_month} a {end_month}: relee esos meses y envía lo que falta.",
        "Carga histórica is run from {start_month} to {end_month}: it reads those months again and sends what is missing.",
    ),
    "review.recorded": Text(
        "Queda registrado que lo pidió {user}, y cuándo.", "That {user} asked for it, and when, is kept on record."
    ),
    "review.paused": Text(
        "Este DAG está en pausa: la ejecución esperará hasta que lo active.",
        "This DAG is paused: the run waits until you unpause it.",
    ),
    "review.no_run": Text(
        "Ninguna ejecución puede volver a leer estas filas todavía: su fecha está en el futuro.",
        "No run can read these rows again yet: their date lies in the future.",
    ),
    "review.confirm": Text("Sí, reintentar", "Yes, retry"),
    "review.cancel": Text("Cancelar", "Cancel"),
    "actions.title": Text("Acciones de personas", "Actions by people"),
    "actions.lead": Text("Quién pidió reintentar qué, y cuándo.", "Who asked to retry what, and when."),
    "actions.at": Text("Cuándo", "When"),
    "actions.who": Text("Quién", "Who"),
    "actions.rows": Text("Filas", "Rows"),
    "actions.runs": Text("Ejecuciones", "Runs"),
    "actions.none": Text("Ninguna todavía.", "Nothing yet."),
    "action.title": Text("Reintento pedido", "Retry asked for"),
    "action.adopt_batch": Text("Lote dado por entregado", "Batch marked as delivered"),
    "action.retry_batch": Text("Lote que se intenta otra vez", "Batch to be tried again"),
    "action.done.adopt_batch": Counted(
        one=Text("{n} fila se dio por entregada.", "{n} row was marked as delivered."),
        other=Text("{n} filas se dieron por entregadas.", "{n} rows were marked as delivered."),
    ),
    "action.done.retry_batch": Counted(
        one=Text("{n} fila se envía otra vez.", "{n} row is posted again."),
        other=Text("{n} filas se envían otra vez.", "{n} rows are posted again."),
    ),
    "action.done.refused": Counted(
        one=Text("{n} fila vuelve a estar pendiente.", "{n} row is pending again."),
        other=Text("{n} filas vuelven a estar pendientes.", "{n} rows are pending again."),
    ),
    "action.done.broken": Counted(
        one=Text("Se pidió volver a leer {n} fila de la fuente.", "{n} row is to be read from the source again."),
        other=Text("Se pidió volver a leer {n} filas de la fuente.", "{n} rows are to be read from the source again."),
    ),
    "action.runs": Text("Ejecuciones lanzadas", "Runs started"),
    "action.wait": Text(
        "Cuando terminen, la cobertura muestra el resultado.", "When they have ended, the coverage shows the result."
    ),
    "action.problem.pending": Text(
        "No se pudo lanzar una ejecución. Las filas siguen pendientes; lance el DAG a mano para ese mes o día.",
        "A run could not be started. The rows stay pending; trigger the DAG by hand for that month or day.",
    ),
    "action.problem.broken": Text(
        "No se pudo lanzar una ejecución. Lance el DAG a mano para ese mes o día.",
        "A run could not be started. Trigger the DAG by hand for that month or day.",
    ),
    "evidence.index": Text("Constancias", "Evidence"),
    "evidence.lead": Text(
        "Un documento por mes: cuántas filas de cada servicio y estado se entregaron, y una huella para comprobarlo después.",
        "One document a month: how many rows of each service and status were delivered, and a digest to check it later.",
    ),
    "evidence.month": Text("Mes", "Month"),
    "evidence.state": Text("Estado", "State"),
    "evidence.title": Text("Constancia de entrega", "Evidence of delivery"),
    "evidence.institution": Text("Institución (X-Road)", "Institution (X-Road)"),
    "evidence.target": Text("Destino", "Sent to"),
    "evidence.span": Text("Cambios de estado desde – hasta", "Status changes from – to"),
    "evidence.first": Text("Primer acuse", "First acknowledgement"),
    "evidence.last": Text("Último acuse", "Last acknowledgement"),
    "evidence.batches": Text("Lotes entregados", "Batches delivered"),
    "evidence.adopted": Text(
        "De ellos, dados por entregados a mano (adopt), sin acuse",
        "Of these, marked as delivered by hand (adopt), without an acknowledgement",
    ),
    "evidence.recognised": Text(
        "De ellos, reconocidos por el tablero al repetirlos, sin que llegara el primer acuse",
        "Of these, recognised by the dashboard when repeated, the first acknowledgement being lost",
    ),
    "evidence.proof": Text("Última comprobación", "Last proof"),
    "evidence.account": Text("Qué pasó con cada fila, según esa comprobación", "What became of every row, by that proof"),
    "evidence.view": Text("Conteo de la vista entera", "Count of the whole view"),
    "evidence.digest": Text("Huella SHA-256 de las filas entregadas", "SHA-256 of the delivered rows"),
    "evidence.made": Text("Emitida", "Issued"),
    "evidence.counts": Text("Filas entregadas por servicio y estado", "Rows delivered by service and status"),
    "evidence.all_statuses": Text("todos los estados", "all statuses"),
    "evidence.total": Text("Total", "Total"),
    "evidence.check": Text("Cómo comprobarla", "How to check it"),
    "evidence.how": Text(
        "Descargue las filas entregadas y calcule su huella: debe ser la misma. Cambia si después se entrega más de este mes.",
        "Download the delivered rows and compute their digest: it must be the same. It changes if more is delivered later.",
    ),
    "evidence.rows": Text("Descargar las filas", "Download the rows"),
    "evidence.print": Text("Imprimir", "Print"),
    "activity.title": Text("Actividad", "Activity"),
    "activity.deliveries": Text("Filas entregadas por día, los últimos 31 días", "Rows delivered a day, the last 31 days"),
    "activity.deliveries.desc": Text(
        "{n} {n:fila|filas} en total. El día con más entregas fue el {day}, con {best}.",
        "{n} {n:row|rows} in all. Most were delivered on {day}: {best}.",
    ),
    "activity.no_deliveries": Text("No se ha entregado ninguna fila en estos días.", "No row was delivered in these days."),
    "activity.day": Text("Día del envío", "Day of sending"),
    "activity.unit": Text("filas", "rows"),
    "activity.latency": Text("Cuánto tarda el tablero en responder", "How long the dashboard takes to answer"),
    "activity.latency.desc": Counted(
        one=Text("La única llamada tardó {half}.", "The only call took {half}."),
        other=Text(
            "En las últimas {n} llamadas, la mitad tardó {half} o menos, y el 95 % tardó {most} o menos.",
            "Of the last {n} calls, half took {half} or less, and 95 % took {most} or less.",
        ),
    ),
    "activity.calls_in_time": Text("llamadas, en orden de tiempo", "calls, in order of time"),
    "activity.seconds": Text("segundos", "seconds"),
    "activity.from": Text("Desde", "From"),
    "activity.half": Text("la mitad, hasta", "half, up to"),
    "activity.most": Text("el 95 %, hasta", "95 %, up to"),
    "activity.no_calls": Text("Todavía no hay llamadas.", "There are no calls yet."),
    "activity.reasons": Text("Rechazos por motivo", "Rejections by reason"),
    "activity.numbers": Text("Ver los números", "Show the numbers"),
    "unusual.title": Text("Fuera de lo usual, en los últimos 90 días", "Not as usual, the last 90 days"),
    "unusual.what": Text("Qué", "What"),
    "unusual.none": Text("Nada.", "Nothing."),
    "dry.title": Text("Ensayos (dry_run)", "Dry runs"),
    "dry.none": Text("No hay ninguno.", "There are none."),
    "dry.windows": Counted(one=Text("{n} ventana", "{n} window"), other=Text("{n} ventanas", "{n} windows")),
    "dry.of": Text("Ensayo (dry_run)", "Dry run"),
    "dry.lead": Text(
        "Lo que se enviaría, comparado con lo que ya se envió. No se envió ni se guardó ninguna fila.",
        "What would be sent, compared with what was sent already. No row was sent or kept.",
    ),
    "dry.by_window": Text("Por ventana", "By window"),
    "dry.read": Text("En la fuente", "In the source"),
    "dry.new": Text("Se enviarían", "Would be sent"),
    "dry.known": Text("Ya conocidas", "Known already"),
    "dry.gone": Text("Ya no están en la fuente", "Gone from the source"),
    "dry.rejected": Text("Rechazadas", "Rejected"),
    "dry.excluded": Text("Excluidas", "Excluded"),
    "dry.duplicates": Text("Duplicadas", "Duplicates"),
    "dry.withdrawn": Text("Se retirarían", "Would be withdrawn"),
    "dry.resent": Text("Se reenviarían", "Would be sent again"),
    "dry.batches": Text("Llamadas", "Calls"),
    "dry.takes": Text("Tardaría", "Would take"),
    "dry.nights": Counted(one=Text("{n} noche", "{n} night"), other=Text("{n} noches", "{n} nights")),
    "dry.brake": Text("Freno", "Brake"),
    "dry.reasons": Text("Lo que se rechazaría", "What would be rejected"),
    "dry.nothing_rejected": Text("Nada.", "Nothing."),
    "dry.masked": Text("Ejemplos; sus valores están enmascarados.", "Samples; their values are masked."),
    "problem.words": Text("Mensaje técnico", "Technical message"),
    "problem.login": Text("Iniciar sesión", "Log in"),
    "problem.again": Text("Volver a intentarlo", "Try again"),
    "problem.open_dag": Text("Abrir Carga histórica", "Open Carga histórica"),
    "problem.400": Text("No se entiende lo que se pide", "This request is not understood"),
    "problem.400.advice": Text(
        "Vuelva a la cobertura y repita los pasos desde allí.", "Go back to the coverage and repeat the steps from there."
    ),
    "problem.401": Text("Su sesión terminó", "Your session has ended"),
    "problem.401.advice": Text(
        "Inicie sesión otra vez en Airflow. Si esta página está dentro de Airflow, también puede recargar toda la ventana.",
        "Log in to Airflow again. If this page is inside Airflow, you can also reload the whole window.",
    ),
    "problem.403": Text("No tiene permiso", "You do not have permission"),
    "problem.403.advice": Text(
        "Pida a su administrador de Airflow permiso sobre los DAG historical_load y daily_send.",
        "Ask your Airflow administrator for access to the DAGs historical_load and daily_send.",
    ),
    "problem.404": Text("Aquí no hay nada", "There is nothing here"),
    "problem.404.advice": Text(
        "La dirección no corresponde a ninguna página, mes, día ni lote.", "No page, month, day or batch has this address."
    ),
    "problem.form": Text("El formulario venció", "The form has expired"),
    "problem.form.advice": Text(
        "Por seguridad solo se acepta desde esta misma página. Ábrala de nuevo y repita; nada ha cambiado.",
        "For safety it is only accepted from this very page. Open it again and repeat; nothing has changed.",
    ),
    "problem.busy": Text("Una tarea lo está enviando", "A task is posting it"),
    "problem.busy.advice": Text(
        "Espere a que termine y vuelva a intentarlo; nada ha cambiado.",
        "Wait until it has ended and try again; nothing has changed.",
    ),
    "problem.settled": Text("Ya no hay nada que decidir", "There is nothing left to decide"),
    "problem.settled.advice": Text(
        "Alguien fue más rápido, o el tablero ya respondió. Vea el lote.",
        "Someone was faster, or the dashboard has answered. See the batch.",
    ),
    "problem.500": Text("Algo falló en esta página", "Something failed on this page"),
    "problem.500.advice": Text(
        "Los envíos no dependen de ella y siguen. El detalle está en el registro (log) del servidor web de Airflow.",
        "Sending does not depend on it and goes on. The details are in the log of Airflow's web server.",
    ),
    "problem.preparing": Text("La constancia se está preparando", "The evidence is being prepared"),
    "problem.preparing.advice": Text(
        "Se leen todas las filas entregadas de ese mes. Espere un momento y vuelva a intentarlo.",
        "All delivered rows of that month are being read. Wait a moment and try again.",
    ),
    "problem.settings": Text("Un ajuste de [tablero] está mal", "A setting of [tablero] is wrong"),
    "problem.settings.advice": Text(
        "Corríjalo en airflow.cfg o en la variable AIRFLOW__TABLERO__… y reinicie Airflow.",
        "Correct it in airflow.cfg or in the variable AIRFLOW__TABLERO__…, and restart Airflow.",
    ),
    "problem.outbox.empty": Text("Todavía no hay nada que mostrar", "There is nothing to show yet"),
    "problem.outbox.empty.advice": Text(
        "El outbox se crea con la primera ejecución. Lance el DAG Carga histórica, y vuelva.",
        "The outbox is created by the first run. Trigger the DAG Carga histórica, and come back.",
    ),
    "problem.outbox.older": Text("El outbox debe actualizarse", "The outbox must be upgraded"),
    "problem.outbox.older.advice": Text(
        "Es de una versión anterior del paquete. Lo actualiza la próxima ejecución de cualquiera de los dos DAG; lance una.",
        "It is of an earlier version of the package. The next run of either DAG upgrades it; trigger one.",
    ),
    "problem.outbox.away": Text("El outbox no responde", "The outbox does not answer"),
    "problem.outbox.away.advice": Text(
        "Puede ser temporal. Revise la base de datos de la conexión tablero_outbox y su disco. Nada entregado se pierde.",
        "This may be temporary. Check the database of the connection tablero_outbox, and its disk. Nothing delivered is lost.",
    ),
    "problem.outbox.missing": Text("No se puede usar el outbox", "The outbox cannot be used"),
    "problem.outbox.missing.advice": Text(
        "Revise en Airflow la conexión tablero_outbox: su tipo, su base de datos, su usuario y sus permisos.",
        "Check the connection tablero_outbox in Airflow: its type, its database, its user and the rights.",
    ),
}
