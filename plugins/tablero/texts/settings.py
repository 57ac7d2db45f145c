"""What ``settings`` says: what each key means, what it allows, and what is wrong with a value."""

from __future__ import annotations

from tablero.texts.text import Text

# -- what each key means ---------------------------------------------------------------------------------------------------

API_PATH = Text(
    "ruta del tablero en el servidor de seguridad; en producción termina en INTEGRACION/api/load",
    "the dashboard's path on the security server; in production it ends in INTEGRACION/api/load",
)
XROAD_CLIENT = Text(
    "subsistema propio, DO/GOB/<miembro>/<subsistema>; obligatorio si api_path comienza con /r1/",
    "own subsystem, DO/GOB/<member>/<subsystem>; required if api_path begins with /r1/",
)
SOURCE_TABLE = Text("vista con las cinco columnas", "view with the five columns")
SOURCE_SQL = Text(
    "ruta de un archivo .sql que reemplaza la vista; usa :start y :end",
    "path of a .sql file that replaces the view; it binds :start and :end",
)
TIMEZONE = Text(
    "zona horaria de la institución: la de sus días y meses", "the institution's time zone: that of its days and months"
)
SOURCE_TIMEZONE = Text(
    "zona de las fechas de la fuente que no traen la suya; si se omite, la de timezone",
    "zone of the source's timestamps that carry none; if left out, that of timezone",
)
EARLIEST = Text(
    "las solicitudes abiertas antes de este día se excluyen",
    "requests opened before this day are excluded",
)
BATCH_SIZE = Text("máximo de cambios de estado en una llamada", "most status changes in one call")
GROUP_BY_SERVICE = Text("un solo servicio en cada llamada", "only one service in each call")
CONCURRENCY = Text("lotes en camino a la vez, en una tarea", "batches in flight in one task")
PARALLEL_MONTHS = Text("meses a la vez en historical_load", "months at the same time in historical_load")
DAILY_AT = Text("hora local en que comienza daily_send", "local time at which daily_send starts")
LOOKBACK_DAYS = Text("días que un daily_send programado vuelve a leer", "days that a scheduled daily_send reads again")
AUDIT_MONTHS = Text(
    "meses cuya prueba es la más antigua y que cada noche se leen y comprueban de nuevo; 0: ninguno",
    "months with the oldest proof that are read and proved again each night; 0: none",
)
SEND_HOURS = Text(
    "enviar solo entre estas horas locales, por ejemplo 20:00-06:00",
    "only send between these local times, for example 20:00-06:00",
)
RETRIES = Text("intentos después del primero, de cada tarea", "tries after the first one, of each task")
RETRY_DELAY = Text(
    "segundos antes del primer reintento; se duplican cada vez", "seconds before the first retry; doubled each time"
)
MAX_RETRY_DELAY = Text("máximo de segundos entre dos intentos", "most seconds between two tries")
CONNECT_TIMEOUT = Text("segundos para conectar con el servidor de seguridad", "seconds to reach the security server")
READ_TIMEOUT = Text(
    "segundos que se espera una respuesta; X-Road necesita más de 60",
    "seconds to wait for an answer; X-Road needs more than 60",
)
ALERT_EMAILS = Text(
    "direcciones que reciben las alertas, separadas por comas",
    "addresses that receive the alerts, separated by commas",
)
ALERT_WEBHOOK_CONN_ID = Text("conexión HTTP que recibe las alertas", "HTTP connection that receives the alerts")
ALERT_AFTER_FAILURES = Text(
    "ejecuciones diarias fallidas seguidas antes de una alerta",
    "failed daily runs in a row before an alert",
)
ALERT_REJECTED_PERCENT = Text(
    "alertar si se rechaza más de este porcentaje de las filas leídas; 0: solo si se rechazan todas",
    "alert if more than this percentage of the rows read is rejected; 0: only if all of them are",
)
ALERT_LOW_VOLUME_PERCENT = Text(
    "alertar si un día trae menos de este porcentaje de las filas usuales de ese día de la semana; 0: nunca",
    "alert if a day brings less than this percentage of the rows usual for that weekday; 0: never",
)
DIGEST = Text(
    "resumen por correo a alert_emails: daily, weekly o monthly",
    "summary by mail to alert_emails: daily, weekly or monthly",
)
HEARTBEAT_CONN_ID = Text(
    "conexión HTTP a la que se llama después de cada noche completa",
    "HTTP connection that is called after each settled night",
)
DEADLINE = Text(
    "hora local a la que el envío del día debe estar completo; después se envía una alerta",
    "local time by which the day's send must be settled; after it an alert is sent",
)
EXTRA_STATUSES = Text(
    "estados que el tablero agregó después de esta versión, separados por comas, por ejemplo 22,23",
    "statuses that the dashboard has added since this version, separated by commas, for example 22,23",
)

# -- what a value must be --------------------------------------------------------------------------------------------------

NOT_A_ZONE = Text(
    "debe ser el nombre de una zona horaria, como America/Santo_Domingo",
    "must be the name of a time zone, such as America/Santo_Domingo",
)
NOT_A_TIME = Text("debe ser una hora del día, como 02:00", "must be a time of day such as 02:00")
NOT_HOURS = Text("deben ser dos horas del día, como 20:00-06:00", "must be two times of day such as 20:00-06:00")
NEVER_OPEN = Text(
    "abre y cierra a la misma hora, así que nunca abriría; omítala para enviar a cualquier hora",
    "opens and closes at the same time, so it would never open; leave it out to send at any time",
)
NOT_A_PATH = Text(
    "debe ser una ruta absoluta sin espacios, '//', '?' ni '#'",
    "must be an absolute path without blanks, '//', '?' or '#'",
)
OLD_PATH = Text(
    "es la ruta en desuso; la del tablero es /api/load",
    "is the deprecated path; the dashboard's own is /api/load",
)
NOT_A_SUBSYSTEM = Text(
    "debe ser un subsistema de X-Road, DO/GOB/<miembro>/<subsistema>",
    "must be an X-Road subsystem, DO/GOB/<member>/<subsystem>",
)
NOT_STATUSES = Text(
    "deben ser números de estado mayores que 0, separados por comas, como 22,23",
    "must be status numbers above 0, separated by commas, such as 22,23",
)
NOT_ADDRESSES = Text(
    "deben ser direcciones de correo separadas por comas, como ana@example.org,luis@example.org",
    "must be mail addresses separated by commas, such as ana@example.org,luis@example.org",
)
NOT_A_CONNECTION = Text(
    "debe ser el id de una conexión de Airflow, como avisos; la dirección va en la conexión",
    "must be the id of an Airflow connection, such as alerts; the address belongs in the connection",
)
NOT_A_DIGEST = Text(
    "debe ser daily, weekly o monthly; omítala para no recibir resúmenes",
    "must be daily, weekly or monthly; leave it out to receive no summaries",
)
AT_LEAST = Text("debe ser {limit} o más", "must be {limit} or more")
AT_MOST = Text("debe ser {limit} o menos", "must be {limit} or less")
MORE_THAN = Text("debe ser más que {limit}", "must be more than {limit}")
NOT_WHOLE = Text("debe ser un número entero", "must be a whole number")
NOT_A_NUMBER = Text("debe ser un número", "must be a number")
NOT_A_BOOLEAN = Text("debe ser true o false", "must be true or false")
NOT_A_DATE = Text("debe ser una fecha como 2020-01-31", "must be a date such as 2020-01-31")
NOT_ACCEPTED = Text("no se acepta ({words})", "is not accepted ({words})")

# -- what is said of a wrong section ---------------------------------------------------------------------------------------

WRONG = Text(
    "[tablero] {key} = {value} ({variable}): {allowed}. Significa: {meaning}.",
    "[tablero] {key} = {value} ({variable}): {allowed}. It means: {meaning}.",
)
UNKNOWN = Text(
    "[tablero] {key} no es una clave ({variable}). Las claves son: {known}.",
    "[tablero] {key} is not a setting ({variable}). The settings are: {known}.",
)
INDIRECT = Text(
    "[tablero] {key} no tiene efecto ({variable}): Airflow ejecuta _CMD y consulta _SECRET solo para sus propios secretos."
    " Escriba el valor en {plain}. Ninguna clave es un secreto; las contraseñas van en las conexiones.",
    "[tablero] {key} has no effect ({variable}): Airflow runs _CMD and looks up _SECRET only for its own secrets. Put the"
    " value into {plain}. No setting is a secret; passwords belong in the connections.",
)
GONE = Text(
    "[tablero] {key} ya no existe ({variable}): {instead}.",
    "[tablero] {key} no longer exists ({variable}): {instead}.",
)
HEAL_DAYS = Text(
    "daily_send cierra ahora todo día que quedó sin leer, por antiguo que sea; quite la clave",
    "daily_send now closes every day that was left unread, however old; remove the key",
)
DELAYS = Text(
    "[tablero] max_retry_delay = {longest} debe ser al menos retry_delay = {first}.",
    "[tablero] max_retry_delay = {longest} must be at least retry_delay = {first}.",
)
DEADLINE_TOO_EARLY = Text(
    "[tablero] deadline = {deadline} debe ser posterior a las {begins}, cuando el envío puede comenzar (daily_at = {daily_at},"
    " send_hours = {send_hours}); de lo contrario toda noche parecería atrasada.",
    "[tablero] deadline = {deadline} must be later than {begins}, when sending can begin (daily_at = {daily_at},"
    " send_hours = {send_hours}); otherwise every night would seem late.",
)
OPENS_TOO_LATE = Text(
    "[tablero] send_hours = {send_hours} no abre el mismo día después de daily_at = {daily_at}, así que ningún deadline se"
    " cumpliría: adelante daily_at o cambie send_hours.",
    "[tablero] send_hours = {send_hours} does not open on the same day after daily_at = {daily_at}, so no deadline could be"
    " met: set daily_at earlier, or change send_hours.",
)
NO_CLIENT = Text(
    "[tablero] xroad_client no está definida, y api_path pasa por X-Road (/r1/...). Defina"
    " AIRFLOW__TABLERO__XROAD_CLIENT con su propio subsistema, DO/GOB/<miembro>/<subsistema>.",
    "[tablero] xroad_client is not set, and api_path goes through X-Road (/r1/...). Set"
    " AIRFLOW__TABLERO__XROAD_CLIENT to your own subsystem, DO/GOB/<member>/<subsystem>.",
)
