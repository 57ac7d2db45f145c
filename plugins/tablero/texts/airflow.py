"""What ``airflow`` and ``package`` say: tasks, callbacks, configuration, and what they show on Airflow's own pages."""

from __future__ import annotations

from tablero.texts.text import Text

# -- callbacks -------------------------------------------------------------------------------------------------------------

NOT_SENT = Text("No se pudo enviar una alerta por {by} ({error}).", "An alert could not be sent by {by} ({error}).")
NOT_SENT_IN_TIME = Text(
    "No se pudo enviar una alerta por {by}: no respondió en {seconds} s.",
    "An alert could not be sent by {by}: it did not answer within {seconds} s.",
)
ALERTS_WAIT = Text(
    "Lo que falta por avisar se enviará al terminar otra ejecución: {words}",
    "What has not been alerted yet will be sent when another run ends: {words}",
)
NOT_RECORDED = Text(
    "No se pudo registrar el fallo para la alerta: {words}", "The failure could not be recorded for the alert: {words}"
)
END_NOT_RECORDED = Text(
    "No se pudo registrar el fin de un incidente, si lo había: {words}",
    "The end of an incident, if there is one, could not be recorded: {words}",
)
WILL_RETRY = Text("{words}\nSe volverá a intentar automáticamente.", "{words}\nIt will be retried automatically.")
STOPPED = Text(
    "La tarea recibió la orden de terminar (SIGTERM), como cuando se apaga su máquina o se desaloja su pod. Lo enviado está"
    " registrado. Si no continúa por sí sola, límpiela con las posteriores (Limpiar Instancia de Tarea, Downstream): solo se"
    " envía lo que falta.",
    "The task was told to end (SIGTERM), as when its machine is shut down or its pod evicted. What was sent is on record. If it"
    " does not go on by itself, clear it with its downstream tasks (Clear Task Instance, Downstream): only what is missing is"
    " sent.",
)
TIME_IS_OVER = Text(
    "La tarea llegó a su tiempo máximo (execution_timeout). Lo enviado está registrado. Si no continúa por sí sola, límpiela"
    " con las posteriores (Limpiar Instancia de Tarea, Downstream): solo se envía lo que falta. Si vuelve a ocurrir, revise por"
    " qué la fuente o el tablero tardan tanto.",
    "The task has reached its time limit (execution_timeout). What was sent is on record. If it does not go on by itself, clear"
    " it with its downstream tasks (Clear Task Instance, Downstream): only what is missing is sent. If it happens again, check"
    " why the source or the dashboard takes so long.",
)
KILLED = Text(
    "Airflow dio la tarea por terminada ({words}), como cuando su máquina deja de responder. Lo enviado está registrado. Si no"
    " continúa por sí sola, límpiela con las posteriores (Limpiar Instancia de Tarea, Downstream): solo se envía lo que falta.",
    "Airflow has ended the task ({words}), as when its machine does not answer any more. What was sent is on record. If it does"
    " not go on by itself, clear it with its downstream tasks (Clear Task Instance, Downstream): only what is missing is sent.",
)
UNEXPECTED = Text(
    "Error inesperado, {kind}. El registro (log) dice dónde. Si se repite, envíelo entero a quien da mantenimiento a Tablero.",
    "Unexpected error, {kind}. The log says where. If it happens again, send all of it to whoever maintains Tablero.",
)

# -- configuration ---------------------------------------------------------------------------------------------------------

NOT_SQL = Text(
    "La conexión {conn_id} es de tipo {type}, que no es una base de datos SQL. Cambie su tipo (Administración > Conexiones).",
    "Connection {conn_id} is of type {type}, which is not an SQL database. Change its type (Admin > Connections).",
)
NO_DRIVER = Text(
    "La conexión {conn_id} es de tipo {type}, cuyo proveedor o controlador no está instalado ({words}). Instálelo en cada"
    " máquina de Airflow; docs/dba.md dice cuál.",
    "Connection {conn_id} is of type {type}, whose provider or driver is not installed ({words}). Install it on every machine"
    " of Airflow; docs/dba.md says which.",
)
NO_FILE = Text(
    "Conexión {conn_id}: no existe el archivo SQLite {path}. Corrija la ruta.",
    "Connection {conn_id}: there is no SQLite file {path}. Correct the path.",
)
SQLITE_ELSEWHERE = Text(
    "El outbox es un archivo SQLite, y {executors} puede correr tareas en varias máquinas: cree una conexión {conn_id} a una"
    " base de datos PostgreSQL.",
    "The outbox is an SQLite file, and {executors} may run tasks on several machines: create a connection {conn_id} to a"
    " PostgreSQL database.",
)
NO_CONNECTION = Text(
    "No existe la conexión {conn_id}. Créela en la interfaz (Administración > Conexiones), o defina {variable}.",
    "There is no connection {conn_id}. Create it in the UI (Admin > Connections), or set {variable}.",
)
VARIABLE_UNREADABLE = Text(
    "La variable {variable} no se puede leer como la conexión {conn_id}. Escríbala como URI o como un objeto JSON."
    " «airflow connections get {conn_id}» muestra cómo la entiende Airflow.",
    "Variable {variable} cannot be read as connection {conn_id}. Write it as a URI or as a JSON object."
    ' "airflow connections get {conn_id}" shows how Airflow understands it.',
)
EXTRA_IS_NO_JSON = Text(
    "El Extra de la conexión {conn_id} no es un objeto JSON, y Airflow lo descartaría entero, incluido el TLS que pida."
    ' Escríbalo así: {{"sslmode": "verify-full"}} (Administración > Conexiones).',
    "The Extra of connection {conn_id} is no JSON object, and Airflow would drop all of it, including the TLS that it asks for."
    ' Write it like this: {{"sslmode": "verify-full"}} (Admin > Connections).',
)
CONNECTION_UNUSABLE = Text(
    "La conexión {conn_id} no se puede usar como está escrita ({error}). Revise su tipo, host, puerto y Extra (Administración"
    " > Conexiones).",
    "Connection {conn_id} cannot be used as it is written ({error}). Check its type, host, port and Extra (Admin >"
    " Connections).",
)
METADATA_UNAVAILABLE = Text(
    "No se pudo consultar la conexión {conn_id}: la base de datos de Airflow no responde ({words}). Se intentará de nuevo; no"
    " se leyó ni envió nada.",
    "Connection {conn_id} could not be looked up: Airflow's own database does not answer ({words}). It will be tried again;"
    " nothing was read or sent.",
)
UNKNOWN_PARAMETER = Text(
    "Parámetro desconocido: {unknown}. Este DAG tiene: {known}.", "Unknown parameter {unknown}. This DAG has: {known}."
)

# -- tasks -----------------------------------------------------------------------------------------------------------------

CHECKS_FAILED = Text(
    "{count} {count:comprobación falló|comprobaciones fallaron}:\n{findings}",
    "{count} {count:check|checks} failed:\n{findings}",
)
NOTHING_PLANNED = Text(
    "No se leyó nada en esta ejecución, pues falló una tarea anterior; lo que ya estaba pendiente pudo enviarse. Revise el"
    " registro (log) de esa tarea, corrija la causa y límpiela con las posteriores (Limpiar Instancia de Tarea, Downstream).",
    "Nothing was read in this run, since a task before this one failed; what was pending already may have been sent. Check that"
    " task's log, fix the cause, and clear it with its downstream tasks (Clear Task Instance, Downstream).",
)
DRY_RUN_INCOMPLETE = Text(
    "El ensayo leyó {read} de {planned} {planned:ventana|ventanas}; revise las tareas que fallaron.",
    "The dry run read {read} of {planned} {planned:window|windows}; check the tasks that failed.",
)
OUTBOX_IS_EMPTY = Text(
    "El outbox ({outbox}) está vacío, y Airflow recuerda ejecuciones que entregaron filas (la última, {run}): con él se"
    " enviaría todo otra vez. No se envió nada. Si el outbox cambió de lugar, restablezca la conexión tablero_outbox, o"
    " traslade el anterior con «tablero move --to tablero_outbox_nuevo». Si se perdió, reconstrúyalo con «tablero adopt"
    " --until AAAA-MM-DD». Si de verdad debe enviarse todo de nuevo, lance el DAG a mano con accept_changes.",
    "The outbox ({outbox}) is empty, and Airflow remembers runs that delivered rows (the last one, {run}): with it everything"
    " would be sent again. Nothing was sent. If the outbox has moved, set connection tablero_outbox back, or carry the old one"
    ' over with "tablero move --to tablero_outbox_new". If it is lost, rebuild it with "tablero adopt --until YYYY-MM-DD". If'
    " everything really is to be sent again, trigger the DAG by hand with accept_changes.",
)

OUTBOX_IS_BEHIND = Text(
    "El outbox ({outbox}) no conoce la última entrega que Airflow recuerda ({run}, del {at}); su última entrega es del {last}."
    " Parece una copia anterior: se enviaría otra vez lo entregado desde entonces. No se envió nada. Si hay una copia más"
    " reciente, restáurela, o restablezca la conexión tablero_outbox. Si no, dígale de qué días se entregó todo: «tablero adopt"
    " --from {first} --until {until}», con los días reales; luego limpie esta tarea con las posteriores (Limpiar Instancia de"
    " Tarea, Downstream). Si de verdad debe enviarse otra vez, lance el DAG a mano con accept_changes.",
    "The outbox ({outbox}) does not know the last delivery that Airflow remembers ({run}, of {at}); its own last delivery is of"
    " {last}. It seems to be an older copy: what was delivered since would be sent again. Nothing was sent. If there is a newer"
    ' copy, restore it, or set connection tablero_outbox back. If not, tell it of which days everything was delivered: "tablero'
    ' adopt --from {first} --until {until}", with the actual days; then clear this task with its downstream tasks (Clear Task'
    " Instance, Downstream). If it really is to be sent again, trigger the DAG by hand with accept_changes.",
)

# -- lineage ---------------------------------------------------------------------------------------------------------------

NOT_REPORTED = Text(
    "OpenLineage no recibe los {end} de esta tarea ({error}); la tarea continúa. Revise la configuración de OpenLineage.",
    "OpenLineage does not receive this task's {end} ({error}); the task continues. Check OpenLineage's configuration.",
)

# -- timetable -------------------------------------------------------------------------------------------------------------

EVERY_DAY = Text(
    "Cada día a las {at} ({zone}), para el día civil anterior",
    "Every day at {at} ({zone}), for the previous civil day",
)

# -- package ---------------------------------------------------------------------------------------------------------------

AIRFLOW_TOO_OLD = Text(
    "Tablero necesita Airflow {oldest} o posterior; este es Airflow {found}. Actualice Airflow, o retire de él los archivos de"
    " Tablero. No se leyó ni se envió nada.",
    "Tablero needs Airflow {oldest} or newer; this is Airflow {found}. Upgrade Airflow, or remove Tablero's files from it."
    " Nothing was read or sent.",
)
DAG_FILE_OF_0_1 = Text(
    "Este archivo de DAG es de Tablero 0.1, y el paquete instalado es más nuevo. Reemplácelo, en la carpeta donde está, con:"
    " tablero dags --to CARPETA (lo anterior queda al lado). No se leyó ni se envió nada.",
    "This DAG file is of Tablero 0.1, and the installed package is newer. Replace it, in the folder where it is, by:"
    " tablero dags --to FOLDER (the one before stays beside it). Nothing was read or sent.",
)
NO_AIRFLOW = Text(
    "Airflow no está en este Python: use aquel en que Airflow está instalado (por ejemplo, active su entorno virtual).",
    "There is no Airflow in this Python: use the one in which Airflow is installed (for example, activate its virtual"
    " environment).",
)
PACKAGES_MISSING = Text(
    "Faltan paquetes que Tablero necesita, o son demasiado viejos. Instálelos en el Python de Airflow, y reinicie todo Airflow:"
    " pip install {packages}",
    "Packages that Tablero needs are missing, or too old. Install them in Airflow's Python, and restart all of Airflow:"
    " pip install {packages}",
)
TWO_VERSIONS = Text(
    "Tablero está dos veces, en versiones distintas: {this} en {here}, y {found} en {other}. Airflow las mezcla. Retire la que"
    " sobra y reinicie todo Airflow: de los archivos copiados, la carpeta tablero y tablero_plugin.py en la carpeta de plugins;"
    " del paquete instalado, con pip uninstall tablero. No se leyó ni se envió nada.",
    "Tablero is there twice, in different versions: {this} in {here}, and {found} in {other}. Airflow mixes them. Remove the"
    " one that is not wanted, and restart all of Airflow: of copied files, the folder tablero and tablero_plugin.py in the"
    " plugins folder; of the installed package, by pip uninstall tablero. Nothing was read or sent.",
)
