"""What ``source`` says: what is wrong with the institution's database or its view, and who can fix it."""

from __future__ import annotations

from tablero.texts.text import Text

# -- what the database said ------------------------------------------------------------------------------------------------

SAYS = Text(
    "La fuente (conexión tablero_source, {view}) responde: {words}.",
    "The source (connection tablero_source, {view}) says: {words}.",
)
NO_VIEW = Text(
    "{said} Pida a su DBA la vista {view} con las columnas {columns}, o indique otra en [tablero] source_table o source_sql.",
    "{said} Ask your DBA for the view {view} with the columns {columns}, or set [tablero] source_table or source_sql.",
)
REFUSED = Text(
    "{said} Revise la conexión y los permisos de su usuario; reintentar no servirá.",
    "{said} Check the connection and the permissions of its user; a retry does not help.",
)
VIEW_FAILS = Text(
    "{said} Pida a su DBA que corrija la vista: un SELECT de sus cinco columnas debe terminar sin error.",
    "{said} Ask your DBA to correct the view: a SELECT of its five columns must end without an error.",
)
OWN_SQL_FAILS = Text(
    "{said} Corrija la consulta de [tablero] source_sql.",
    "{said} Correct the query of [tablero] source_sql.",
)
TIME_LIMIT = Text(
    "{said} El servidor interrumpió la lectura por un límite de tiempo, o alguien la canceló. Pida a su DBA un índice por"
    " last_modified_date, o un límite (statement_timeout, max_statement_time) más amplio para este usuario.",
    "{said} The server ended the query because of a time limit, or someone cancelled it. Ask your DBA for an index on"
    " last_modified_date, or for a wider limit (statement_timeout, max_statement_time) for this user.",
)
UNAVAILABLE = Text("{said} Se intentará de nuevo.", "{said} It will be tried again.")
CANCELLED = Text(
    "La lectura de {view} se interrumpió porque la tarea termina; se intentará de nuevo.",
    "The reading of {view} was cancelled because the task is ending; it will be tried again.",
)
DRIVER_FAILED = Text(
    "El controlador {driver} no pudo leer {view} ({kind}). Revise los parámetros de la conexión tablero_source; si son"
    " correctos, un valor de la vista no es de su tipo.",
    "The driver {driver} could not read {view} ({kind}). Check the parameters of the connection tablero_source; if they are"
    " right, a value of the view is not of its type.",
)

# -- what it is read by ----------------------------------------------------------------------------------------------------

WRONG_DRIVER = Text(
    "La conexión tablero_source usa el controlador {driver}; hace falta {wanted}. Quite sqlalchemy_scheme de su Extra.",
    "Connection tablero_source uses the driver {driver}; {wanted} is needed. Take sqlalchemy_scheme out of its Extra.",
)
NOT_ENCRYPTED = Text(
    "La conexión tablero_source pide TLS, y el servidor de la base de datos no lo usa. Pida a su DBA que lo active, o quite los"
    " parámetros ssl de su Extra.",
    "Connection tablero_source asks for TLS, and the database server does not use it. Ask your DBA to switch it on, or take the"
    " ssl parameters out of its Extra.",
)
TLS_FILE_NOT_READ = Text(
    "Un archivo de los parámetros ssl de la conexión tablero_source no se puede leer ({words}). Debe estar en cada máquina de"
    " Airflow.",
    "A file of the ssl parameters of connection tablero_source cannot be read ({words}). It must be on every machine of"
    " Airflow.",
)
DRIVER_HOLDS_EVERYTHING = Text(
    "La conexión tablero_source usa mysql-connector-python, que guardaría un mes entero en memoria. Ponga"
    ' {{"client": "mysqlclient"}} o {{"client": "pymysql"}} en su Extra.',
    "Connection tablero_source uses mysql-connector-python, which would hold a whole month in memory. Put"
    ' {{"client": "mysqlclient"}} or {{"client": "pymysql"}} into its Extra.',
)
PARAMETER_NOT_KNOWN = Text(
    "La conexión {connection} tiene en su Extra parámetros que no se pueden aplicar: {names}. Quítelos, o revise cómo se"
    " escriben.",
    "Connection {connection} has parameters in its Extra that cannot be applied: {names}. Remove them, or check their"
    " spelling.",
)
PARAMETER_NOT_TEXT = Text(
    "La conexión {connection} tiene en su Extra {name} con un valor que no es texto, número, true ni false.",
    "Connection {connection} has {name} in its Extra with a value that is not text, a number, true or false.",
)
ENCODING_IS_OURS = Text(
    "La conexión {connection} pide {parameter} = {value}; Tablero siempre lee en UTF-8, sea cual sea la codificación de la base"
    " de datos. Quite {parameter} de su Extra.",
    "Connection {connection} asks for {parameter} = {value}; Tablero always reads in UTF-8, whatever the encoding of the"
    " database. Take {parameter} out of its Extra.",
)
ZONE_IS_OURS = Text(
    "La conexión {connection} pone la zona horaria de su sesión en {value}; Tablero la pone siempre en {zone}, según [tablero]"
    " source_timezone. Quítela de {parameter} en su Extra, o ponga source_timezone en esa zona.",
    "Connection {connection} sets its session's time zone to {value}; Tablero always sets it to {zone}, by [tablero]"
    " source_timezone. Take it out of {parameter} in its Extra, or set source_timezone to that zone.",
)
OPTION_FILE_NOT_READ = Text(
    "El archivo {path} de {parameter}, en el Extra de la conexión {connection}, no se puede leer. Debe estar en cada máquina de"
    " Airflow.",
    "The file {path} of {parameter}, in the Extra of connection {connection}, cannot be read. It must be on every machine of"
    " Airflow.",
)

# -- the view --------------------------------------------------------------------------------------------------------------

COLUMNS_MISSING = Text(
    "A {view} le faltan las columnas {missing}; tiene: {found}. Nombre las cinco columnas {columns}.",
    "{view} lacks the columns {missing}; it has: {found}. Name the five columns {columns}.",
)
COLUMNS_ALIKE = Text(
    "{view} tiene columnas de un mismo nombre, o que solo se distinguen por mayúsculas: {found}. Deje una de cada nombre.",
    "{view} has columns of the same name, or that differ only in capitals: {found}. Leave one of each name.",
)
NO_NAME = Text(
    "[tablero] source_table = {view}: no es el nombre de una vista. Escriba vista o esquema.vista.",
    "[tablero] source_table = {view}: this is not the name of a view. Write view or schema.view.",
)
NO_INSTANTS = Text(
    "{view}.last_modified_date es de un tipo que no contiene fecha y hora ({type}). Conviértala en la vista a timestamp, o a"
    " texto ISO 8601.",
    "{view}.last_modified_date is of a type that holds no date and time ({type}). Convert it in the view to a timestamp, or to"
    " text in ISO 8601.",
)
ZONE_NOT_KNOWN = Text(
    "El servidor de la fuente no conoce la zona horaria {zone}. Pida a su DBA que instale los datos de zonas horarias (tzdata),"
    " o indique otra en [tablero] source_timezone.",
    "The server of the source does not know the time zone {zone}. Ask your DBA to install the time zone data (tzdata), or set"
    " another one in [tablero] source_timezone.",
)
ZONE_NAMES_NOT_LOADED = Text(
    "La fuente no conoce la zona horaria {zone}, cuyos relojes cambian. Pida a su DBA que cargue los nombres de las zonas"
    " (mariadb-tzinfo-to-sql, mysql_tzinfo_to_sql), o que la vista dé UTC y ponga [tablero] source_timezone en UTC.",
    "The source does not know the time zone {zone}, whose clocks change. Ask your DBA to load the names of zones"
    " (mariadb-tzinfo-to-sql, mysql_tzinfo_to_sql), or let the view give UTC and set [tablero] source_timezone to UTC.",
)
ZONE_DROPPED = Text(
    "El controlador pierde la zona horaria de {columns}. Haga que la vista dé la hora local:"
    " CAST({column} AT TIME ZONE 'America/Santo_Domingo' AS TIMESTAMP), en la zona de [tablero] source_timezone.",
    "The driver drops the time zone of {columns}. Let the view give local time:"
    " CAST({column} AT TIME ZONE 'America/Santo_Domingo' AS TIMESTAMP), in the zone of [tablero] source_timezone.",
)

# -- the institution's own SQL ---------------------------------------------------------------------------------------------

BINDS_MISSING = Text(
    "source_sql no usa {names}: sin ellos leería todo en cada ventana.",
    "source_sql does not bind {names}: without them it would read everything for each window.",
)
BINDS_UNKNOWN = Text(
    "source_sql usa {names}, parámetros que no existen; solo hay :start y :end. Si son parte de un literal, enciérrelos entre"
    " comillas simples.",
    "source_sql binds {names}, which do not exist; there are only :start and :end. If they are part of a literal, put it into"
    " single quotes.",
)
FILE_NOT_READ = Text(
    "[tablero] source_sql = {path}: el archivo no se puede leer ({words}).",
    "[tablero] source_sql = {path}: the file cannot be read ({words}).",
)

# -- what the page is told -------------------------------------------------------------------------------------------------

NOT_IN_TIME = Text(
    "La fuente no respondió en {seconds} {seconds:segundo|segundos}.",
    "The source did not answer within {seconds} {seconds:second|seconds}.",
)
