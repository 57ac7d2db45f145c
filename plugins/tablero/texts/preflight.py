"""What ``delivery.preflight`` finds before anything is read or sent."""

from __future__ import annotations

from tablero.texts.text import Text

NOT_SEEN = Text(
    "no se pudo comprobar, y la carga no lo necesita: {words}",
    "could not be checked, and a load does not need it: {words}",
)

# -- the source ------------------------------------------------------------------------------------------------------------

COLUMNS = Text("columnas: {names}", "columns: {names}")
CLOCKS_AGREE = Text("los relojes coinciden", "the clocks agree")
CLOCKS_DIFFER = Text(
    "los relojes difieren {seconds} s; sincronícelos con NTP",
    "the clocks differ by {seconds} s; synchronise them by NTP",
)
EMPTY = Text("la vista está vacía", "the view is empty")
VALID = Text(
    "{rows} {rows:fila de muestra, válida|filas de muestra, todas válidas}",
    "{rows} {rows:sample row, valid|sample rows, all valid}",
)
INVALID = Text(
    "{wrong} de {rows} {rows:fila|filas} de muestra se {wrong:rechazaría|rechazarían}; corrija la vista: {reasons}",
    "{wrong} of {rows} {rows:sample row|sample rows} would be rejected; correct the view: {reasons}",
)
COVERED = Text(
    "{rows} {rows:fila|filas}, cada una en un mes; {older}"
    " {older:anterior al primero, que no se envía|anteriores al primero, que no se envían}",
    "{rows} {rows:row|rows}, each in a month; {older} from before the first one, which {older:is|are} not sent",
)
OUTSIDE = Text(
    "de {rows} {rows:fila|filas}, {undated} no {undated:tiene|tienen} una fecha válida en last_modified_date y se"
    " {undated:rechazará|rechazarán}, y {future} {future:tiene|tienen} fecha futura y {future:espera|esperan} su día;"
    " corríjalas en la fuente",
    "of {rows} {rows:row|rows}, {undated} {undated:has|have} no valid date in last_modified_date and will be rejected, and"
    " {future} {future:is|are} in the future and {future:waits for its|wait for their} day; correct them at the source",
)
NOT_COUNTED = Text(
    "con source_sql no se ven las filas sin fecha: verifique que la consulta no las excluya",
    "with source_sql rows without a date are not seen: check that the query does not leave them out",
)

# -- the outbox ------------------------------------------------------------------------------------------------------------

OUTBOX = Text("{where}, esquema {schema}", "{where}, schema {schema}")
TARGET = Text("el outbox entrega a {name}", "the outbox delivers to {name}")

# -- the dashboard ---------------------------------------------------------------------------------------------------------

ANSWERS = Text("{url} responde (HTTP {status})", "{url} answers (HTTP {status})")
NO_ANSWER_TO_GET = Text(
    "se llega a {url}, pero no responde a GET; si solo deja pasar POST, todo está bien, y la primera carga lo mostrará",
    "{url} is reached, but does not answer a GET; if it lets only POST through, all is well, and the first load will show it",
)

# -- X-Road ----------------------------------------------------------------------------------------------------------------

CLIENTS_UNKNOWN = Text("listClients no lo indica: {words}", "listClients does not say: {words}")
REGISTERED = Text("{client} está registrado", "{client} is registered")
NOT_REGISTERED = Text(
    "{client} no figura en listClients: revise [tablero] xroad_client, o complete el registro",
    "{client} is not in listClients: check [tablero] xroad_client, or complete its registration",
)
RIGHTS_UNKNOWN = Text("allowedMethods no lo indica: {words}", "allowedMethods does not say: {words}")
NO_RIGHT = Text(
    "sin permiso para {service}: solicítelo a Burocracia Cero / OGTIC",
    "no right to {service}: ask Burocracia Cero / OGTIC for it",
)
MAY_CALL = Text("{client} puede llamar a {service}", "{client} may call {service}")
ENDPOINT_NOT_SEEN = Text(
    "{service} está permitido, pero no aparece POST {path}; pregunte a OGTIC",
    "{service} is allowed, but POST {path} is not listed; ask OGTIC",
)
