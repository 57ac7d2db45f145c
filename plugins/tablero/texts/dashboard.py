"""What ``dashboard`` says: how a call ended, what each error of X-Road means, and who must do what about it."""

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
    "Connection {connection} says “{said}” where only http or https fits (Schema): take it out; a path belongs in [tablero]"
    " api_path.",
)
HTTP_AND_HTTPS = Text(
    "La conexión {connection} dice https, pero su host comienza con http://: deje uno de los dos.",
    "Connection {connection} says https, but its host begins with http://: keep one of the two.",
)
NOT_A_VERIFY = Text(
    'En los extras de la conexión {connection}, "verify" debe ser true, false o la ruta de un certificado (PEM).',
    'In the extra of connection {connection}, "verify" must be true, false or the path of a certificate (PEM).',
)
LOGIN_IN_HOST = Text(
    "El host de la conexión {connection} lleva usuario o clave delante de @: póngalos en sus propios campos (Login, Password),"
    " donde Airflow los oculta.",
    "The host of connection {connection} has a login or password before an @: put them into their own fields (Login, Password),"
    " where Airflow hides them.",
)
VERIFICATION_OFF = Text(
    "La verificación de TLS está APAGADA en la conexión {connection}: quien intercepte la conexión puede leer y cambiar lo que"
    " se"
    ' envía. Ponga el certificado (PEM) del servidor de seguridad en sus extras, como "verify".',
    "TLS verification is OFF for connection {connection}: anyone in between can read and change what is sent. Put the security"
    ' server\'s certificate (PEM) into its extra as "verify".',
)
PLAIN_HTTP = Text(
    "La conexión {connection} llama a {host} por http, sin cifrar: quien intercepte la conexión puede leer y cambiar lo que se"
    " envía. Use https, salvo que el servidor de seguridad esté en esta misma máquina.",
    "Connection {connection} calls {host} by http, unencrypted: anyone in between can read and change what is sent. Use https,"
    " unless the security server is on this very machine.",
)

# -- answers of the dashboard ------------------------------------------------------------------------------------------------

CHECK = Text(
    "Revise api_path, la dirección y la credencial de tablero_api.",
    "Check api_path, the address and the credentials of tablero_api.",
)
SOAP_INTERFACE = Text(
    "Respondió la interfaz SOAP de X-Road: api_path debe comenzar con /r1/.",
    "X-Road's SOAP interface answered: api_path must begin with /r1/.",
)
REFUSED = Text(
    "El tablero rechaza el contenido (HTTP {status}).",
    "The dashboard refuses the content (HTTP {status}).",
)
REFUSED_IN_SUCCESS = Text(
    "El tablero respondió HTTP {status}, pero su respuesta indica un rechazo: {field}.",
    "The dashboard answered HTTP {status}, but its answer reports a refusal: {field}.",
)
REFUSED_SOME = Text(
    "El tablero aceptó la llamada (HTTP {status}) y rechaza {rows} de sus filas.",
    "The dashboard accepted the call (HTTP {status}) and refuses {rows} of its rows.",
)
TOO_LARGE_ALONE = Text(
    "Una llamada con una sola fila excede el tamaño permitido (HTTP 413): pida a quien administra el servidor de seguridad, el"
    " proxy o el tablero que suba el límite.",
    "A call with a single row exceeds the size limit (HTTP 413): ask whoever runs the security server, the proxy or the"
    " dashboard to raise it.",
)
FAILED_ON_THE_WAY = Text(
    "El tablero falló mientras atendía la llamada (HTTP {status}); pudo haber recibido las filas. Se repetirá.",
    "The dashboard failed while it handled the call (HTTP {status}); it may have taken the rows. It will be repeated.",
)
UNAVAILABLE = Text(
    "El tablero no está disponible (HTTP {status}).",
    "The dashboard is not available (HTTP {status}).",
)
REDIRECTS = Text(
    "La dirección redirige (HTTP {status}) a {place}, y no se siguen redirecciones: ponga en la conexión tablero_api, o en"
    " api_path, la dirección definitiva.",
    "The address redirects (HTTP {status}) to {place}, and redirects are not followed: put the final address into connection"
    " tablero_api, or into api_path.",
)
NOWHERE = Text("una dirección que no indica", "an address that it does not name")
NO = Text("El tablero respondió HTTP {status}. {check}", "The dashboard answered HTTP {status}. {check}")
NOT_THE_DASHBOARD = Text(
    "HTTP {status}, pero no es la respuesta del tablero: se espera un objeto JSON como"
    ' {{"code": 201, "success": true}}. Las filas pudieron haber llegado.',
    "HTTP {status}, but not the dashboard's answer: a JSON object like"
    ' {{"code": 201, "success": true}} is expected. The rows may have arrived.',
)
FEWER_THAN_SENT = Text(
    "El tablero dice haber recibido {taken} de {sent} {sent:fila|filas}, sin indicar cuáles. Se repetirá.",
    "The dashboard says that it received {taken} of {sent} {sent:row|rows}, but not which. It will be repeated.",
)

# -- no answer ---------------------------------------------------------------------------------------------------------------

CERTIFICATE = Text(
    "El certificado TLS no es de confianza: ponga el certificado (PEM) del servidor de seguridad en verify, en los extras de"
    " tablero_api. {words}",
    'The TLS certificate is not trusted: put the security server\'s certificate (PEM) into "verify" in the extra of'
    " tablero_api. {words}",
)
WRONG_ADDRESS = Text("La dirección no se puede usar: {words}. {check}", "The address cannot be used: {words}. {check}")
NO_CONNECTION = Text("No hay conexión con {url}: {words}", "No connection to {url}: {words}")
LOST = Text(
    "Se perdió la respuesta; la llamada pudo haber llegado. Se repetirá. {words}",
    "The answer was lost; the call may have arrived. It will be repeated. {words}",
)
INCOMPLETE = Text("Respuesta incompleta (HTTP {status}): {words}", "Incomplete answer (HTTP {status}): {words}")

# -- errors of X-Road ------------------------------------------------------------------------------------------------------

OUR_REGISTRATION = Text(
    "Su subsistema no está registrado en este servidor de seguridad: revise [tablero] xroad_client, o pida a su"
    " administrador de X-Road que complete el registro.",
    "Your subsystem is not registered on this security server: check [tablero] xroad_client, or ask your X-Road"
    " administrator to complete the registration.",
)
PROVIDER_ID = Text(
    "X-Road no conoce al proveedor: revise [tablero] api_path (instancia, clase, miembro, subsistema) con OGTIC.",
    "X-Road does not know the provider: check [tablero] api_path (instance, class, member, subsystem) with OGTIC.",
)
OUR_REQUEST = Text(
    "El servidor de seguridad no entiende la llamada: revise [tablero] api_path y xroad_client.",
    "The security server does not understand the call: check [tablero] api_path and xroad_client.",
)
CLIENT_CERTIFICATE = Text(
    "El servidor de seguridad exige el certificado de cliente registrado para su subsistema: ponga cert y key en la"
    " conexión tablero_api, o pida a su administrador de X-Road otro tipo de conexión.",
    "The security server wants the client certificate registered for your subsystem: put cert and key into the"
    " connection tablero_api, or ask your X-Road administrator for another connection type.",
)
NO_ACCESS = Text(
    "Su subsistema no tiene permiso para el servicio del tablero: solicite el acceso a Burocracia Cero / OGTIC.",
    "Your subsystem has no access right to the dashboard's service: ask Burocracia Cero / OGTIC for it.",
)
NO_SERVICE = Text(
    "El servicio no existe en el proveedor: revise el código del servicio en [tablero] api_path.",
    "The service does not exist at the provider: check the service code in [tablero] api_path.",
)
PROVIDER_SETUP = Text(
    "El servicio está mal configurado en el lado del tablero: avise a Burocracia Cero / OGTIC.",
    "The service is set up wrongly on the dashboard's side: tell Burocracia Cero / OGTIC.",
)
OUR_VERSION = Text(
    "Su servidor de seguridad es demasiado antiguo para el proveedor: pida a su administrador de X-Road que lo actualice.",
    "Your security server is too old for the provider: ask your X-Road administrator to upgrade it.",
)
PROVIDER_CERTIFICATE = Text(
    "El lado del tablero no acepta el certificado de su servidor de seguridad: avise a su administrador de X-Road y a OGTIC.",
    "The dashboard's side does not accept your security server's certificate: tell your X-Road administrator and OGTIC.",
)
DISABLED = Text(
    "El servicio del tablero está desactivado o en mantenimiento: espere, o pregunte a Burocracia Cero / OGTIC.",
    "The dashboard's service is disabled or in maintenance: wait, or ask Burocracia Cero / OGTIC.",
)
OUR_SERVER_FAULT = Text(
    "Su servidor de seguridad no puede firmar, sellar o registrar mensajes (token, OCSP, sello de tiempo, disco):"
    " avise a su administrador de X-Road.",
    "Your security server cannot sign, time-stamp or log messages (token, OCSP, time-stamp, disk): tell your X-Road"
    " administrator.",
)
SIGNING_UNKNOWN = Text(
    "El otro servidor de seguridad no pudo firmar o registrar; la llamada pudo haber llegado. Se repetirá.",
    "The other security server could not sign or log; the call may have arrived. It will be repeated.",
)
GLOBAL_CONFIGURATION = Text(
    "La configuración global de X-Road venció; suele renovarse sola. Si persiste, avise a su administrador de X-Road.",
    "X-Road's global configuration has expired; it usually renews itself. If it persists, tell your X-Road administrator.",
)
UNREACHABLE = Text(
    "No se pudo conectar con el otro lado; se repetirá.",
    "The other side could not be reached; it will be repeated.",
)
CUT_UPLOAD = Text(
    "El mensaje no llegó entero al otro servidor de seguridad; se repetirá.",
    "The message did not reach the other security server whole; it will be repeated.",
)
AMBIGUOUS = Text(
    "X-Road perdió la respuesta; la llamada pudo haber llegado. Se repetirá y el intento queda registrado.",
    "X-Road lost the answer; the call may have arrived. It will be repeated, and the attempt stays on record.",
)
TOO_LARGE = Text(
    "El mensaje excede el límite del registro de mensajes de X-Road; se enviará en partes.",
    "The message exceeds the limit of X-Road's message log; it will be sent in parts.",
)
BAD_REQUEST = Text(
    "X-Road rechaza la forma de la llamada: revise [tablero] api_path y la versión de este paquete.",
    "X-Road refuses the form of the call: check [tablero] api_path and the version of this package.",
)
UNKNOWN_ERROR = Text(
    "Error de X-Road desconocido para este paquete; la llamada pudo haber llegado. Se repetirá; si persiste, avise a su"
    " administrador de X-Road.",
    "An X-Road error unknown to this package; the call may have arrived. It will be repeated; if it persists,"
    " tell your X-Road administrator.",
)
