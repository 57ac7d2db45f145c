"""X-Road as the client of a security server sees it: headers, errors, and what each error means for a batch.

Source: X-Road Message Protocol for REST (pr-rest) sections 4.3 (headers) and 4.6 (errors); error codes as raised by
the security server 7.2.2 and 7.8.0. The status of an X-Road error says nothing: 500 is answered for faults that only a
person can mend, and mixed server versions turn 500 into 400. So errors are told apart by their type alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import quote

#: Characters of an identifier that pr-rest 4.2 leaves as they are; all others are percent-encoded.
_PLAIN = "/'()+,-.="


class Verdict(Enum):
    """What an X-Road error means for the batch."""

    CONFIGURATION = "configuration"
    """Not delivered; permanent until a person acts."""

    SLOW = "slow"
    """Not delivered; heals by itself or by the other side's operators, in hours rather than seconds."""

    TRANSIENT = "transient"
    """Not delivered; a later try may succeed."""

    UNKNOWN = "unknown"
    """It may have been delivered."""

    SPLIT = "split"
    """Not delivered; too large for the message log: post it in parts."""


@dataclass(frozen=True)
class Judgement:
    """A verdict and who must do what, in Spanish and English."""

    verdict: Verdict
    es: str
    en: str

    @property
    def advice(self) -> str:
        """Both languages on one line."""
        return f"{self.es} / {self.en}"


@dataclass(frozen=True)
class XRoadError:
    """The body of an X-Road error (pr-rest 4.6).

    :ivar type: dotted code, as sent.
    :ivar message: X-Road's words; may be empty.
    :ivar detail: key of the entry in the security server's ``proxy.log``.
    """

    type: str
    message: str
    detail: str

    def judge(self) -> Judgement:
        """The verdict: the first line of the table whose type, side and message match."""
        segments = _normalise(self.type).split(".")
        side = next((segment for segment in segments if segment in ("clientproxy", "serverproxy")), "")
        message = self.message.lower()
        for rule in _RULES:
            if rule.code != segments[-1] and not (rule.inner and rule.code in segments):
                continue
            if rule.side in ("", side) and (not rule.words or any(word in message for word in rule.words)):
                return rule.judgement
        return _UNHEARD_OF


def request_headers(client: str, message_id: str, issue: str) -> dict[str, str]:
    """Headers of a call (pr-rest 4.3).

    :param client: own subsystem.
    :param message_id: fresh for every attempt; X-Road does not recognise a repeated one, and evidence looks it up.
    :param issue: the batch's id, the same for all its attempts.
    """
    return {"X-Road-Client": quote(client, safe=_PLAIN), "X-Road-Id": message_id, "X-Road-Issue": issue}


def find_error(headers: Mapping[str, str], body: Any) -> XRoadError | None:
    """The X-Road error in an answer, or ``None`` if it is the provider's own.

    A provider could send ``X-Road-Error`` itself, so that header counts only where ``X-Road-Request-Hash``, which
    X-Road sets on every relayed answer, is missing.
    """
    kind = headers.get("X-Road-Error")
    if not kind or "X-Road-Request-Hash" in headers:
        return None
    fields = body if isinstance(body, dict) else {}
    return XRoadError(kind, str(fields.get("message") or ""), str(fields.get("detail") or ""))


def is_soap_fault(content_type: str, text: str) -> bool:
    """Whether an answer is of the SOAP face of a security server, reached by a URL that lacks ``/r1/``; its status is 200."""
    return "xml" in content_type.lower() and re.search(r"<([\w.-]+:)?(Envelope|Fault)\b", text) is not None


def _normalise(code: str) -> str:
    # 7.8.0 spells Server.ServerProxy.AccessDenied as server.serverproxy.access_denied.
    return code.lower().replace("_", "")


@dataclass(frozen=True)
class _Rule:
    """A line of the table.

    :ivar code: last segment of the type, normalised.
    :ivar side: ``clientproxy`` (our security server), ``serverproxy`` (the dashboard's), or either.
    :ivar words: at least one is in the message, in lower case; none: any message.
    :ivar inner: the code may also stand before the last segment.
    """

    code: str
    side: str
    words: tuple[str, ...]
    judgement: Judgement
    inner: bool = False


def _configuration(es: str, en: str) -> Judgement:
    return Judgement(Verdict.CONFIGURATION, es, en)


_OUR_REGISTRATION = _configuration(
    "Su subsistema no está registrado en este servidor de seguridad: revise [tablero] xroad_client, o pida a su"
    " administrador de X-Road que complete el registro.",
    "Your subsystem is not registered on this security server: check [tablero] xroad_client, or ask your X-Road"
    " administrator to complete the registration.",
)
_PROVIDER_ID = _configuration(
    "X-Road no conoce al proveedor: revise [tablero] api_path (instancia, clase, miembro, subsistema) con OGTIC.",
    "X-Road does not know the provider: check [tablero] api_path (instance, class, member, subsystem) with OGTIC.",
)
_OUR_REQUEST = _configuration(
    "El servidor de seguridad no entiende la llamada: revise [tablero] api_path y xroad_client.",
    "The security server does not understand the call: check [tablero] api_path and xroad_client.",
)
_CLIENT_CERTIFICATE = _configuration(
    "El servidor de seguridad exige el certificado de cliente registrado para su subsistema: ponga cert y key en la"
    " conexión tablero_api, o pida a su administrador de X-Road otro tipo de conexión.",
    "The security server wants the client certificate registered for your subsystem: put cert and key into the"
    " connection tablero_api, or ask your X-Road administrator for another connection type.",
)
_NO_ACCESS = _configuration(
    "Su subsistema no tiene permiso para el servicio del tablero: solicite el acceso a Burocracia Cero / OGTIC.",
    "Your subsystem has no access right to the dashboard's service: ask Burocracia Cero / OGTIC for it.",
)
_NO_SERVICE = _configuration(
    "El servicio no existe en el proveedor: revise el código del servicio en [tablero] api_path.",
    "The service does not exist at the provider: check the service code in [tablero] api_path.",
)
_PROVIDER_SETUP = _configuration(
    "El servicio está mal configurado en el lado del tablero: avise a Burocracia Cero / OGTIC.",
    "The service is set up wrongly on the dashboard's side: tell Burocracia Cero / OGTIC.",
)
_OUR_VERSION = _configuration(
    "Su servidor de seguridad es demasiado viejo para el proveedor: pida a su administrador de X-Road que lo actualice.",
    "Your security server is too old for the provider: ask your X-Road administrator to upgrade it.",
)
_PROVIDER_CERTIFICATE = _configuration(
    "El lado del tablero no acepta el certificado de su servidor de seguridad: avise a su administrador de X-Road y a OGTIC.",
    "The dashboard's side does not accept your security server's certificate: tell your X-Road administrator and OGTIC.",
)
_DISABLED = Judgement(
    Verdict.SLOW,
    "El servicio del tablero está desactivado o en mantenimiento: espere, o pregunte a Burocracia Cero / OGTIC.",
    "The dashboard's service is disabled or in maintenance: wait, or ask Burocracia Cero / OGTIC.",
)
_OUR_SERVER_ILL = Judgement(
    Verdict.SLOW,
    "Su servidor de seguridad no puede firmar, sellar o registrar mensajes (token, OCSP, sello de tiempo, disco): avise a"
    " su administrador de X-Road.",
    "Your security server cannot sign, time-stamp or log messages (token, OCSP, time-stamp, disk): tell your X-Road"
    " administrator.",
)
_SIGNING_UNKNOWN = Judgement(
    Verdict.UNKNOWN,
    "El otro servidor de seguridad no pudo firmar o registrar; la llamada pudo haber llegado. Se repetirá.",
    "The other security server could not sign or log; the call may have arrived. It will be repeated.",
)
_GLOBAL_CONFIGURATION = Judgement(
    Verdict.TRANSIENT,
    "La configuración global de X-Road venció; suele renovarse sola. Si dura, avise a su administrador de X-Road.",
    "X-Road's global configuration has expired; it usually renews itself. If it lasts, tell your X-Road administrator.",
)
_UNREACHABLE = Judgement(
    Verdict.TRANSIENT,
    "No se pudo conectar con el otro lado; se repetirá.",
    "The other side could not be reached; it will be repeated.",
)
_CUT_UPLOAD = Judgement(
    Verdict.TRANSIENT,
    "El mensaje no llegó entero al otro servidor de seguridad; se repetirá.",
    "The message did not reach the other security server whole; it will be repeated.",
)
_AMBIGUOUS = Judgement(
    Verdict.UNKNOWN,
    "X-Road perdió la respuesta; la llamada pudo haber llegado. Se repetirá y el intento queda registrado.",
    "X-Road lost the answer; the call may have arrived. It will be repeated, and the attempt stays on record.",
)
_TOO_LARGE = Judgement(
    Verdict.SPLIT,
    "El mensaje excede el límite del registro de mensajes de X-Road; se enviará en partes.",
    "The message exceeds the limit of X-Road's message log; it will be sent in parts.",
)
_BAD_REQUEST = _configuration(
    "X-Road rechaza la forma de la llamada: revise [tablero] api_path y la versión de este paquete.",
    "X-Road refuses the form of the call: check [tablero] api_path and the version of this package.",
)
_UNHEARD_OF = Judgement(
    Verdict.UNKNOWN,
    "Error de X-Road desconocido para este paquete; la llamada pudo haber llegado. Se repetirá; si dura, avise a su"
    " administrador de X-Road.",
    "An X-Road error which this package does not know; the call may have arrived. It will be repeated; if it lasts, tell"
    " your X-Road administrator.",
)

_CANNOT_CONNECT = ("could not connect", "connect to", "connection refused", "unknown host", "unresolved")

#: Errors of a security server, most specific first. Delivery as far as the order of steps in the servers' code tells:
#: read message, verify access, verify signature, log, call the API, sign, log.
_RULES: tuple[_Rule, ...] = (
    _Rule("outdatedglobalconf", "", (), _GLOBAL_CONFIGURATION),
    _Rule("globalconfoutdated", "", (), _GLOBAL_CONFIGURATION),
    _Rule("invalidclientidentifier", "", (), _OUR_REQUEST),
    _Rule(
        "internalerror",
        "clientproxy",
        (
            "invalid request uri",
            "invalid client id",
            "unsupported protocol version",
            "invalid instance identifier",
            "percent",
            "illegal character",
        ),
        _OUR_REQUEST,
    ),
    _Rule("unknownmember", "clientproxy", ("could not find addresses",), _PROVIDER_ID),
    _Rule("unknownmember", "clientproxy", (), _OUR_REGISTRATION),
    _Rule("unknownmember", "serverproxy", (), _PROVIDER_SETUP),
    _Rule("unknownmember", "", (), _OUR_REGISTRATION),
    _Rule("unknownservice", "", (), _NO_SERVICE),
    _Rule("accessdenied", "", (), _NO_ACCESS),
    _Rule("servicedisabled", "", (), _DISABLED),
    _Rule("maintenancemode", "", (), _DISABLED),
    _Rule("servicetype", "", (), _PROVIDER_SETUP),
    _Rule("servicemissingurl", "", (), _PROVIDER_SETUP),
    _Rule("clientproxyversionnotsupported", "", (), _OUR_VERSION),
    _Rule("badrequest", "", (), _BAD_REQUEST),
    _Rule("missingheader", "", (), _BAD_REQUEST),
    _Rule("missingheaderfield", "", (), _BAD_REQUEST),
    _Rule(
        "sslauthenticationfailed",
        "clientproxy",
        ("did not supply tls certificate", "does not match any is certificates", "has no is certificates", "plaintext"),
        _CLIENT_CERTIFICATE,
    ),
    _Rule("sslauthenticationfailed", "serverproxy", (), _PROVIDER_CERTIFICATE),
    _Rule("sslauthenticationfailed", "", (), _OUR_SERVER_ILL),
    _Rule("ioerror", "clientproxy", ("maximum loggable size",), _TOO_LARGE),
    _Rule(
        "ioerror",
        "clientproxy",
        ("timestamper", "time-stamp", "cannotcreatesignature", "cannot_create_signature"),
        _OUR_SERVER_ILL,
    ),
    _Rule("ioerror", "clientproxy", ("loggingfailed", "logging_failed"), _CUT_UPLOAD),
    _Rule("networkerror", "", _CANNOT_CONNECT, _UNREACHABLE),
    _Rule("unknownhost", "", (), _UNREACHABLE),
    _Rule("networkerror", "", (), _AMBIGUOUS),
    _Rule("ioerror", "", (), _AMBIGUOUS),
    _Rule("cannotcreatesignature", "clientproxy", (), _OUR_SERVER_ILL),
    _Rule("cannotcreatesignature", "", (), _SIGNING_UNKNOWN),
    _Rule("loggingfailed", "clientproxy", (), _AMBIGUOUS, inner=True),
    _Rule("loggingfailed", "", (), _SIGNING_UNKNOWN, inner=True),
    _Rule("timestamperfailed", "", (), _OUR_SERVER_ILL),
    _Rule("httperror", "", (), _AMBIGUOUS),
    _Rule("servicefailed", "serverproxy", (), _CUT_UPLOAD, inner=True),
    _Rule("servicefailed", "", (), _AMBIGUOUS, inner=True),
    _Rule("inconsistentresponse", "", (), _AMBIGUOUS),
    _Rule("missingsignature", "", (), _AMBIGUOUS),
    _Rule("signatureverification", "", (), _AMBIGUOUS, inner=True),
    _Rule("databaseerror", "", (), _AMBIGUOUS),
    _Rule("internalerror", "", (), _AMBIGUOUS),
)
