"""What the client of the dashboard says: how a call ended, and who must do what about it."""

from __future__ import annotations

from tablero.texts.text import Text

# -- the connection ----------------------------------------------------------------------------------------------------------

NO_HOST = Text(
    "La conexión {connection} no tiene servidor: escriba en ella la dirección de su servidor de seguridad"
    " (Administración > Conexiones).",
    "Connection {connection} has no host: enter the address of your security server (Admin > Connections).",
)
NOT_A_SCHEME = Text(
    "La conexión {connection} dice «{said}» donde solo cabe http o https (Esquema): quítelo; una ruta va en [tablero]"
    " api_path.",
    "Connection {connection} says “{said}” where only http or https fits (Schema): take it out; a path belongs into [tablero]"
    " api_path.",
)
VERIFICATION_OFF = Text(
    "La verificación de TLS está APAGADA en la conexión {connection}: cualquiera en el camino puede leer y cambiar lo que se"
    ' envía. Ponga el certificado (PEM) del servidor de seguridad en sus extras, como "verify".',
    "TLS verification is OFF for connection {connection}: anyone in between can read and change what is sent. Put the security"
    ' server\'s certificate (PEM) into its extra as "verify".',
)
PLAIN_HTTP = Text(
    "La conexión {connection} llama a {host} por http, sin cifrar: cualquiera en el camino puede leer y cambiar lo que se"
    " envía. Use https, salvo que el servidor de seguridad esté en esta misma máquina.",
    "Connection {connection} calls {host} by http, unencrypted: anyone in between can read and change what is sent. Use https,"
    " unless the security server is on this very machine.",
)

# -- answers of the dashboard ------------------------------------------------------------------------------------------------

CHECK = Text(
    "Revise api_path, la dirección y la credencial de tablero_api.",
    "Check api_path, the address and the credentials of tablero_api.",
)
SOAP_FACE = Text(
    "Respondió la cara SOAP de X-Road: api_path debe comenzar con /r1/.",
    "X-Road's SOAP face answered: api_path must begin with /r1/.",
)
REFUSED = Text(
    "El tablero rechaza el contenido (HTTP {status}).",
    "The dashboard refuses the content (HTTP {status}).",
)
REFUSED_IN_SUCCESS = Text(
    "El tablero respondió HTTP {status}, pero su respuesta dice que no: {field}.",
    "The dashboard answered HTTP {status}, but its answer says no: {field}.",
)
REFUSED_SOME = Text(
    "El tablero aceptó la llamada (HTTP {status}) y rechaza {rows} de sus filas.",
    "The dashboard accepted the call (HTTP {status}) and refuses {rows} of its rows.",
)
FAILED_ON_THE_WAY = Text(
    "El tablero falló a medio camino (HTTP {status}); pudo haber recibido las filas. Se repetirá.",
    "The dashboard failed on the way (HTTP {status}); it may have taken the rows. It will be repeated.",
)
UNAVAILABLE = Text(
    "El tablero no está disponible (HTTP {status}).",
    "The dashboard is not available (HTTP {status}).",
)
REDIRECTS = Text(
    "La dirección redirige (HTTP {status}) a {place}, y eso no se sigue: ponga en la conexión tablero_api, o en api_path, la"
    " dirección definitiva.",
    "The address redirects (HTTP {status}) to {place}, which is not followed: put the final address into connection"
    " tablero_api, or into api_path.",
)
NOWHERE = Text("un lugar que no dice", "a place that it does not name")
NO = Text("El tablero respondió HTTP {status}. {check}", "The dashboard answered HTTP {status}. {check}")
NOT_THE_DASHBOARD = Text(
    "HTTP {status}, pero no es la respuesta del tablero: se espera un objeto JSON como"
    ' {{"code": 201, "success": true}}. Las filas pudieron haber llegado.',
    "HTTP {status}, but not the dashboard's answer: a JSON object like"
    ' {{"code": 201, "success": true}} is expected. The rows may have arrived.',
)
FEWER_THAN_SENT = Text(
    "El tablero dice haber recibido {taken} de {sent} filas, y no dice cuáles. Se repetirá.",
    "The dashboard says that it took {taken} of {sent} rows, and not which. It will be repeated.",
)

# -- no answer ---------------------------------------------------------------------------------------------------------------

CERTIFICATE = Text(
    "El certificado TLS no es de confianza: ponga el certificado (PEM) del servidor de seguridad en verify, en los extras de"
    " tablero_api. {words}",
    'The TLS certificate is not trusted: put the security server\'s certificate (PEM) into "verify" in the extra of'
    " tablero_api. {words}",
)
WRONG_ADDRESS = Text("La dirección no sirve: {words}. {check}", "The address is of no use: {words}. {check}")
NO_CONNECTION = Text("No hay conexión con {url}: {words}", "No connection to {url}: {words}")
LOST = Text(
    "Se perdió la respuesta; la llamada pudo haber llegado. Se repetirá. {words}",
    "The answer was lost; the call may have arrived. It will be repeated. {words}",
)
INCOMPLETE = Text("Respuesta incompleta (HTTP {status}): {words}", "Incomplete answer (HTTP {status}): {words}")
