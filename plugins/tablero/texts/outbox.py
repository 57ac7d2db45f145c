"""What the outbox says: its database, its schema, and whom it delivers to."""

from __future__ import annotations

from tablero.texts.text import Text

BUSY_WINDOW = Text(
    "{window}: una ejecución lo está enviando. Pause ambos DAG (historical_load, daily_send), espere a que terminen sus"
    " ejecuciones e intente de nuevo.",
    "{window}: a run is sending it. Pause both DAGs (historical_load, daily_send), wait for their runs to end, and try again.",
)
BUSY_BATCH = Text(
    "El lote {batch} se está enviando en este momento. Pause ambos DAG (historical_load, daily_send), espere a que terminen sus"
    " ejecuciones e intente de nuevo.",
    "Batch {batch} is being sent right now. Pause both DAGs (historical_load, daily_send), wait for their runs to end, and try"
    " again.",
)
NOTHING_OPEN = Text(
    "El lote {batch} no existe, o nada de él está pendiente ni rechazado. Revise el número en la página Tablero.",
    "There is no batch {batch}, or nothing of it is pending or refused. Check the number on the page Tablero.",
)
NO_ANSWER_RECORDED = Text(
    "La tarea que lo enviaba terminó sin registrar una respuesta.",
    "The task that posted it ended without recording an answer.",
)
OTHER_DATABASE = Text(
    "El outbox debe ser SQLite o PostgreSQL; la conexión tablero_outbox es {kind}. Cambie su tipo, o bórrela para usar un"
    " archivo SQLite en AIRFLOW_HOME.",
    "The outbox must be SQLite or PostgreSQL; connection tablero_outbox is {kind}. Change its type, or delete it to use an"
    " SQLite file under AIRFLOW_HOME.",
)
REFUSED = Text(
    "El outbox (conexión tablero_outbox) devolvió un error: {words}. Revise su base de datos, usuario y permisos.",
    "The outbox (connection tablero_outbox) returned an error: {words}. Check its database, user and rights.",
)
READ_ONLY = Text(
    "El outbox (conexión tablero_outbox) no acepta escrituras, y su servidor no es una réplica: {words}. Pida a su DBA que"
    " quite default_transaction_read_only de su servidor, base de datos o usuario; algunos servicios lo ponen cuando el disco"
    " está lleno.",
    "The outbox (connection tablero_outbox) takes no writes, and its server is no replica: {words}. Ask your DBA to take"
    " default_transaction_read_only from its server, database or user; some services set it when the disk is full.",
)
UNAVAILABLE = Text(
    "El outbox (conexión tablero_outbox) no respondió: {words}. Nada de lo entregado se pierde; se intentará de nuevo. Si se"
    " repite, revise su disco y su servidor.",
    "The outbox (connection tablero_outbox) did not answer: {words}. Nothing acknowledged is lost; it will be tried again. If"
    " it happens again, check its disk and server.",
)
DISK_FULL = Text(
    "El disco del outbox está lleno: {path} ({words}). Nada de lo entregado se pierde, y sin outbox no se envía nada; se"
    " intentará de nuevo. Libere espacio en ese disco.",
    "The outbox's disk is full: {path} ({words}). Nothing acknowledged is lost, and nothing is sent without an outbox; it will"
    " be tried again. Free some space on that disk.",
)
NEWER = Text(
    "El outbox tiene el esquema {found}, más nuevo que el de este paquete, {head}. Instale la versión del paquete que lo creó.",
    "The outbox has schema {found}, newer than this package's {head}. Install the package version that created it.",
)
NOT_UTF8 = Text(
    "La base de datos del outbox (conexión tablero_outbox) guarda el texto en {encoding}; debe ser UTF8. Cree una con"
    " ENCODING 'UTF8' y apunte la conexión a ella.",
    "The outbox's database (connection tablero_outbox) keeps text in {encoding}; it must be UTF8. Create one with ENCODING"
    " 'UTF8', and point the connection to it.",
)
HALF_MOVED = Text(
    "El traslado a este outbox no ha terminado. Apunte tablero_outbox al anterior y repita python -m tablero move --to con la"
    " conexión de este; continúa donde quedó.",
    "The move to this outbox is not finished. Point tablero_outbox to the former one, and repeat python -m tablero move --to"
    " again, with the connection of this one; it continues where it stopped.",
)
NEVER_MADE = Text(
    "No se llegó a enviar: el outbox dejó de responder cuando el intento quedaba registrado.",
    "Never made: the outbox stopped answering while the attempt was put on record.",
)

# -- whom it delivers to -----------------------------------------------------------------------------------------------------

ANOTHER_DASHBOARD = Text(
    "Este outbox entrega a {known}, y la configuración dice {name}: lo que uno tiene, el otro no lo recibiría nunca. Para otro"
    " tablero, por ejemplo producción, use un outbox nuevo: apunte la conexión tablero_outbox a una base de datos vacía. Para"
    " seguir como antes, restablezca [tablero] api_path (sin X-Road, también el host de tablero_api). Si ambos son el mismo"
    " tablero con otro nombre: {forget} en el outbox.",
    "This outbox delivers to {known}, and the settings say {name}: what the one has, the other would never get. For another"
    " dashboard, production for instance, use a new outbox: point connection tablero_outbox to an empty database. To go on as"
    " before, set [tablero] api_path back (without X-Road, also the host of tablero_api). If both are the same dashboard under"
    " a new name: {forget} in the outbox.",
)
IN_USE = Text(
    "El outbox de destino ya está en uso y es distinto (tabla {table}): no se tocó nada. Apunte la conexión a una base de datos"
    " vacía.",
    "The target outbox is in use already, and differs (table {table}): nothing was touched. Point the connection to an empty"
    " database.",
)
CHANGED_MEANWHILE = Text(
    "El outbox de origen cambió durante el traslado (tabla {table}). Pause ambos DAG (historical_load, daily_send), espere a"
    " que terminen sus ejecuciones y repita el comando: solo se traslada la diferencia.",
    "The outbox was written to while it was moved (table {table}). Pause both DAGs (historical_load, daily_send), wait for"
    " their runs to end, and repeat the command: only the difference is moved.",
)
