"""What ``contract`` says: of months that were asked for, and of each row that is not sent."""

from __future__ import annotations

from tablero.texts.text import Text

# -- months ----------------------------------------------------------------------------------------------------------------

NOT_A_MONTH = Text(
    "{parameter} es {value}; indique un mes como AAAA-MM, por ejemplo 2020-01.",
    "{parameter} is {value}; give a month as YYYY-MM, for example 2020-01.",
)
NO_MONTH = Text(
    "No hay meses que cargar: de {first} a {last}, y la hora actual es {now}. Revise start_month y end_month.",
    "No month to load: from {first} to {last}, and it is now {now}. Check start_month and end_month.",
)

# -- why a row is not sent, and what to do about it ------------------------------------------------------------------------

MISSING_SERVICE_ID = Text("Falta service_id o está en blanco.", "service_id is missing or blank.")
MISSING_SERVICE_ID_FIX = Text(
    "Ponga en la vista el identificador que Burocracia Cero asignó al servicio, o registre el servicio.",
    "Put the id that Burocracia Cero gave the service into the view, or have the service registered.",
)

MISSING_REQUEST_ID = Text("Falta request_id o está en blanco.", "request_id is missing or blank.")
MISSING_REQUEST_ID_FIX = Text(
    "Complete el número de la solicitud en el sistema de origen.",
    "Fill in the number of the request in the original system.",
)

ID_NOT_TEXT = Text(
    "service_id o request_id no es texto ni un número entero.",
    "service_id or request_id is neither text nor a whole number.",
)
ID_NOT_TEXT_FIX = Text(
    "Haga que la vista devuelva el identificador como texto o número entero.",
    "Let the view return the id as text or as a whole number.",
)

TOO_LONG = Text(
    "service_id o request_id tiene más de 255 caracteres.",
    "service_id or request_id is longer than 255 characters.",
)
TOO_LONG_FIX = Text(
    "Revise el número: suele ser una nota escrita en el campo equivocado.",
    "Check the number: it is often a note written into the wrong field.",
)

CONTROL_CHARACTERS = Text(
    "service_id o request_id contiene caracteres de control o inválidos.",
    "service_id or request_id contains control or invalid characters.",
)
CONTROL_CHARACTERS_FIX = Text(
    "Quite los caracteres invisibles (tabuladores, saltos de línea) del identificador.",
    "Remove the invisible characters (tabs, line breaks) from the id.",
)

UNKNOWN_STATUS = Text(
    "status_id no es uno de los estados del tablero.",
    "status_id is not one of the dashboard's statuses.",
)
UNKNOWN_STATUS_FIX = Text(
    "Haga corresponder el código de la institución con uno de los 21 estados de la guía; si el tablero agregó uno, nómbrelo en"
    " [tablero] extra_statuses.",
    "Map the institution's code to one of the guide's 21 statuses; if the dashboard has added one, name it in [tablero]"
    " extra_statuses.",
)

OPENING_NOT_A_DATE = Text(
    "opening_date falta o no es una fecha ISO 8601.",
    "opening_date is missing or not an ISO 8601 date.",
)
OPENING_NOT_A_DATE_FIX = Text(
    "Corrija la fecha de apertura en el sistema de origen.",
    "Correct the opening date in the original system.",
)

CHANGE_MISSING = Text("Falta last_modified_date o está en blanco.", "last_modified_date is missing or blank.")
CHANGE_MISSING_FIX = Text(
    "Complete la fecha del cambio de estado en el sistema de origen, o excluya de la vista lo que no es un cambio de estado.",
    "Fill in the date of the status change in the original system, or leave out of the view what is no status change.",
)

CHANGE_NO_SUCH_DATE = Text(
    "last_modified_date nombra un día o una hora que no existe, por ejemplo 2021-02-30.",
    "last_modified_date names a day or a time that does not exist, for example 2021-02-30.",
)
CHANGE_NO_SUCH_DATE_FIX = Text(
    "Corrija la fecha del cambio de estado en el sistema de origen.",
    "Correct the date of the status change in the original system.",
)

CHANGE_IN_ANOTHER_FORM = Text(
    "last_modified_date está escrita en otro orden o forma, por ejemplo 15/01/2024, y podría leerse de dos maneras.",
    "last_modified_date is written in another order or form, for example 15/01/2024, and could be read in two ways.",
)
CHANGE_IN_ANOTHER_FORM_FIX = Text(
    "Conviértala en la vista a un timestamp, o a texto como 2024-01-15 09:00:00.",
    "Convert it in the view to a timestamp, or to text like 2024-01-15 09:00:00.",
)

CHANGE_IS_A_NUMBER = Text(
    "last_modified_date es un número (suele contar segundos desde 1970) y no una fecha.",
    "last_modified_date is a number (often of seconds since 1970) and no date.",
)
CHANGE_IS_A_NUMBER_FIX = Text(
    "Conviértalo en la vista a un timestamp; en PostgreSQL, con to_timestamp(columna).",
    "Convert it in the view to a timestamp; in PostgreSQL by to_timestamp(column).",
)

CHANGE_IS_BINARY = Text(
    "last_modified_date contiene datos binarios y no una fecha.",
    "last_modified_date holds binary data and no date.",
)
CHANGE_IS_BINARY_FIX = Text(
    "Conviértala en la vista al tipo de fecha y hora de su base de datos.",
    "Convert it in the view to your database's type for date and time.",
)

CHANGE_OUT_OF_RANGE = Text(
    "last_modified_date es infinity, o de un año anterior a 1 o posterior a 9999.",
    "last_modified_date is infinity, or of a year before 1 or after 9999.",
)
CHANGE_OUT_OF_RANGE_FIX = Text(
    "Corrija la fecha del cambio de estado en el sistema de origen.",
    "Correct the date of the status change in the original system.",
)

CHANGE_BEFORE_EARLIEST = Text(
    "last_modified_date es anterior a la primera fecha que el tablero acepta ([tablero] earliest).",
    "last_modified_date is before the first date that the dashboard takes ([tablero] earliest).",
)
CHANGE_BEFORE_EARLIEST_FIX = Text(
    "Corrija la fecha del cambio, o la de apertura, si la solicitud es más antigua.",
    "Correct the date of the change, or that of the opening if the request is older.",
)

CHANGE_NOT_A_DATE = Text("last_modified_date no es una fecha ISO 8601.", "last_modified_date is not an ISO 8601 date.")
CHANGE_NOT_A_DATE_FIX = Text(
    "Corrija la fecha del cambio de estado en el sistema de origen.",
    "Correct the date of the status change in the original system.",
)

NO_SUCH_LOCAL_TIME = Text(
    "Una fecha cae en la hora que el cambio de horario saltó; no existió en la zona de la fuente.",
    "A date falls in the hour that daylight saving skipped; it never existed in the source's time zone.",
)
NO_SUCH_LOCAL_TIME_FIX = Text(
    "Corrija la hora, o revise el ajuste source_timezone.",
    "Correct the time, or check the setting source_timezone.",
)

OPENING_AFTER_CHANGE = Text(
    "opening_date es posterior a last_modified_date.",
    "opening_date is later than last_modified_date.",
)
OPENING_AFTER_CHANGE_FIX = Text(
    "Corrija la fecha de apertura o la del cambio: una solicitud no cambia antes de abrirse.",
    "Correct the opening date or that of the change: no request changes before it is opened.",
)

IN_THE_FUTURE = Text("La fecha está en el futuro.", "The date is in the future.")
IN_THE_FUTURE_FIX = Text(
    "Corrija la fecha, o revise el reloj y la zona horaria de la base de datos.",
    "Correct the date, or check the clock and the time zone of the database.",
)

REFUSED_BY_DASHBOARD = Text(
    "El tablero rechazó esta fila; vea su mensaje.",
    "The dashboard refused this row; see its message.",
)
REFUSED_BY_DASHBOARD_FIX = Text(
    "Lea el mensaje del tablero; si pide registrar un servicio, hágalo con Burocracia Cero y reintente.",
    "Read the dashboard's message; if it wants a service registered, have that done by Burocracia Cero, and retry.",
)
