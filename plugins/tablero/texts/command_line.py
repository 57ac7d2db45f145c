"""What the command line says: its help, and the lines of its commands."""

from __future__ import annotations

from tablero.texts.text import Text

DESCRIPTION = Text(
    "Tablero: comprobación, estado, filas y outbox. Usa el entorno de Airflow; no necesita su servidor web.",
    "Tablero: checks, status, rows and outbox. Uses Airflow's environment; does not need its web server.",
)
CHECK = Text("comprobación previa; no envía nada", "preflight; sends nothing")
STATUS = Text(
    "¿está todo bien? salida 0 bien, 1 degradado, 2 atrasado o con fallos, 3 no se sabe",
    "is all well? exit status 0 well, 1 degraded, 2 late or failing, 3 unknown",
)
SETTINGS = Text("cada clave, su valor y de dónde viene", "every key, its value and where it comes from")
ROWS = Text(
    "cambios de estado y qué fue de ellos, uno por línea (JSON)", "status changes and what became of them, one per line (JSON)"
)
REJECTIONS = Text("filas rechazadas y por qué, una por línea (JSON)", "rejected rows and why, one per line (JSON)")
ADOPT = Text(
    "reconstruir un outbox perdido, dando por entregado lo que la fuente tiene hasta un día",
    "rebuild a lost outbox, counting as delivered what the source has until a day",
)
MOVE = Text(
    "trasladar el outbox a otra base de datos, fila por fila; repetible",
    "copy the outbox to another database, row by row; may be repeated",
)
DAGS = Text("escribir los dos archivos de DAG en una carpeta", "write the two DAG files into a folder")
VERSION = Text("versión de Tablero y de Airflow", "version of Tablero and of Airflow")

JSON = Text("en JSON", "as JSON")
CSV = Text("en CSV", "as CSV")
REQUEST = Text("de una solicitud", "of one request")
MONTH = Text("de un mes", "of a month")
MONTH_OR_UNDATED = Text("de un mes, o undated: las que no tienen fecha", "of a month, or undated: those without a date")
BATCH = Text("de un lote", "of a batch")
CONN_ID = Text("conexión de Airflow a una base de datos vacía", "Airflow connection to an empty database")
REASON = Text("solo las de un motivo", "only those of one reason")
FIRST = Text("primer día; por omisión: earliest", "first day; default: earliest")
UNTIL = Text("último día, incluido", "last day, included")
YES = Text("hacerlo; sin esto, solo mostrar", "do it; without it, only show")
FOLDER = Text("carpeta, por ejemplo $AIRFLOW_HOME/dags", "folder, for example $AIRFLOW_HOME/dags")

WOULD_ADOPT = Text(
    "{rows} {rows:fila se daría por entregada|filas se darían por entregadas}; no se escribió nada. Incluyen las que este"
    " outbox ya tiene por entregadas. Si el tablero las tiene todas, repita con --yes.",
    "{rows} {rows:row|rows} would be counted as delivered; nothing was written. Those that this outbox has as delivered"
    " already are among them. If the dashboard has all of them, repeat with --yes.",
)
ADOPTED = Text(
    "{window}: {rows} {rows:fila dada por entregada|filas dadas por entregadas}",
    "{window}: {rows} {rows:row|rows} counted as delivered",
)
ADOPTED_ALL = Text("{rows} {rows:fila|filas} en total ({run})", "{rows} {rows:row|rows} in all ({run})")
WOULD_ADOPT_BATCH = Text(
    "{rows} {rows:fila|filas} del lote {batch} se {rows:daría por entregada|darían por entregadas}; no se escribió nada. Si"
    " el tablero las tiene (pregunte a Burocracia Cero), repita con --yes.",
    "{rows} {rows:row|rows} of batch {batch} would be counted as delivered; nothing was written. If the dashboard has them (ask"
    " Burocracia Cero), repeat with --yes.",
)
MOVED = Text("{table}: {rows} {rows:fila, igual|filas, iguales} en ambos", "{table}: {rows} {rows:row|rows}, the same in both")
MOVED_ALL = Text(
    "Trasladado y comparado. Ahora apunte la conexión tablero_outbox a la base de datos de {conn_id} y reanude los DAG.",
    "Moved and compared. Now point connection tablero_outbox to the database of {conn_id}, and unpause the DAGs.",
)
WRITTEN = Text("escrito: {path}", "written: {path}")
NOT_WRITABLE = Text(
    "En {folder} no se puede escribir: {words}. Indique la carpeta de los DAG de Airflow, con el usuario de Airflow.",
    "{folder} cannot be written: {words}. Name the folder of Airflow's DAGs, as Airflow's user.",
)
OTHER_DAG_FILE = Text(
    "{path} no es el de esta versión del paquete, o se editó. Póngalo al día con: tablero dags --to {folder}",
    "{path} is not that of this version of the package, or was edited. Bring it up to date by: tablero dags --to {folder}",
)
KEPT = Text(
    "{path}: el anterior era distinto y quedó como {kept}",
    "{path}: the one before was different and stays as {kept}",
)
NO_OUTBOX = Text(
    "Todavía no hay outbox en {outbox}: lo crea la primera ejecución. Si esperaba uno con datos, revise la conexión"
    " tablero_outbox y AIRFLOW_HOME.",
    "There is no outbox at {outbox} yet: the first run creates it. If you expected one with data, check the connection"
    " tablero_outbox and AIRFLOW_HOME.",
)
OLDER_OUTBOX = Text(
    "El outbox en {outbox} es de una versión anterior. Lo actualiza la próxima ejecución de cualquiera de los dos DAG.",
    "The outbox at {outbox} is of an earlier version. The next run of either DAG upgrades it.",
)
UNEXPECTED = Text(
    "error inesperado, {kind} ({place}); si se repite, envíe esta línea a quien da mantenimiento a Tablero",
    "unexpected error, {kind} ({place}); if it happens again, send this line to whoever maintains Tablero",
)
NO_BATCH = Text("No existe el lote {batch}.", "There is no batch {batch}.")
BAD_BATCH = Text(
    "{given} no es el número de un lote; lo dice la página Tablero.", "{given} is no batch; page Tablero names them."
)
BAD_DAY = Text("{given} no es una fecha; escriba AAAA-MM-DD.", "{given} is not a date; write YYYY-MM-DD.")
BAD_MONTH = Text("{given} no es un mes; escriba AAAA-MM.", "{given} is not a month; write YYYY-MM.")
BAD_REASON = Text(
    "{given} no es un motivo; los motivos son: {allowed}.", "{given} is not a reason; the reasons are: {allowed}."
)
DEFAULT = Text("valor por omisión", "default")

# -- status ------------------------------------------------------------------------------------------------------------------

STATES = {
    "ok": Text("TABLERO BIEN - {details}", "TABLERO OK - {details}"),
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
    "{delivered} {delivered:fila entregada|filas entregadas}, {pending} {pending:pendiente|pendientes}, {rejected}"
    " {rejected:rechazada|rechazadas}",
    "{delivered} {delivered:row|rows} delivered, {pending} pending, {rejected} rejected",
)
FAILING = Text(
    "las ejecuciones fallan",
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
NEVER_READ = Text(
    "nunca cargados: {first} … {last} (lance historical_load, también si están vacíos)",
    "never loaded: {first} … {last} (run historical_load, also if they are empty)",
)
VIEW_COUNTS = {
    "complete": Text("vista contada el {day}: no falta ninguna fila", "view counted on {day}: no row is missing"),
    "differs": Text(
        "vista contada el {day}: diferencia de {difference}", "view counted on {day}: a difference of {difference}"
    ),
    "changing": Text("vista contada el {day} mientras cambiaba", "view counted on {day} while it was changing"),
}
VIEW_NOT_COUNTED = Text("la vista no se pudo contar ({day})", "the view could not be counted ({day})")
NOT_AS_USUAL = Text(
    "fuera de lo usual: {causes}",
    "not as usual: {causes}",
)
