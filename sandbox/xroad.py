"""The security server: which service is called, by whom, and X-Road's own errors.

Sources: X-Road message protocol for REST 1.0.2 (PR-REST) sections 4.1 to 4.6, service metadata protocol
for REST (PR-MREST), the X-Road 7.2.2 and 7.8.0 proxy sources where the documents and the code differ.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote
from xml.sax.saxutils import escape

import orjson
from starlette.responses import Response

from sandbox.settings import Settings

LOAD_PATH = "/api/load"
#: Services answered by the security servers themselves (PR-MREST); they need no access right.
METADATA_SERVICES = frozenset({"listMethods", "allowedMethods", "getOpenAPI"})
#: Set by the security server alone. Those sent by a client are dropped silently (PR-REST 4.3).
SERVER_OWNED_HEADERS = ("x-road-request-id", "x-road-request-hash")
#: The message log keeps the message id in a varchar(255).
MAX_MESSAGE_ID = 255

#: PR-REST 4.2: the characters allowed in a part of the path; all others must be percent-encoded.
_PATH_PART = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*")
_WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z]+")
_XML_ACCEPT = {"text/xml": "text/xml", "application/xml": "application/xml", "text/*": "text/xml"}


class XRoadError(Exception):
    """X-Road itself refuses a call, which the dashboard never sees."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(f"{error_type}: {message}")
        #: Spelled as in X-Road 7.2, for example ``Server.ServerProxy.AccessDenied``.
        self.error_type = error_type
        self.message = message


@dataclass(frozen=True)
class Call:
    """The information in the address and the ``X-Road-Client`` header of a request."""

    #: ``instance/class/member/subsystem/service`` of the provider, decoded.
    service: str
    #: What follows the service code, still encoded: the path at the provider.
    path: str
    #: ``instance/class/member[/subsystem]`` of the caller, decoded; None when the header is missing.
    client: str | None

    @property
    def subsystem(self) -> str:
        """The provider without the service code."""
        return self.service.rpartition("/")[0]

    @property
    def service_code(self) -> str:
        """The last part of the service's id."""
        return self.service.rpartition("/")[2]


def read_call(raw_path: str, client_headers: Iterable[str]) -> Call:
    """Parse the address, as it was on the wire, and the ``X-Road-Client`` header.

    Order of the checks is X-Road's own: the address, then the form of the client's id. Of several client
    headers the last one counts.
    """
    parts = raw_path.split("/")
    # "" / r1 / instance / class / member / subsystem / service: fewer than seven parts name no service.
    # PR-REST 4.1 calls the subsystem optional; the parser does not (RestRequest.decodeIdentifiers).
    if len(parts) < 7 or not all(parts[2:7]):
        raise XRoadError("Server.ClientProxy.InternalError", "Invalid request URI")
    service = "/".join(_decode(part) for part in parts[2:7])
    rest = parts[7:]
    for part in rest:
        _decode(part)
    return Call(service, "/" + "/".join(rest) if rest else "", _read_client(client_headers))


def _read_client(headers: Iterable[str]) -> str | None:
    values = list(headers)
    if not values or not values[-1].strip():
        return None
    parts = values[-1].strip().split("/")
    if len(parts) not in (3, 4) or not all(parts):
        raise XRoadError("Server.ClientProxy.InternalError", "Invalid Client Id")
    return "/".join(_decode(part) for part in parts)


def _decode(part: str) -> str:
    if _PATH_PART.fullmatch(part) is None:
        raise XRoadError("Server.ClientProxy.InternalError", f"Illegal character in path segment '{part}'")
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError as exc:
        raise XRoadError("Server.ClientProxy.InternalError", f"Malformed encoding in path segment '{part}'") from exc


def check_consumer(call: Call, settings: Settings) -> str:
    """The checks of our own security server: who calls, and whether the provider is known.

    Returns the caller's id.
    """
    if call.client is None:
        raise XRoadError("Server.ClientProxy.InvalidClientIdentifier", "The client identifier is missing")
    if call.client not in settings.clients:
        raise XRoadError("Server.ClientProxy.UnknownMember", f"Client 'SUBSYSTEM:{call.client}' not found")
    if call.subsystem not in {service.rpartition("/")[0] for service in settings.services}:
        raise XRoadError(
            "Server.ClientProxy.UnknownMember",
            f'Could not find addresses for service provider "SUBSYSTEM:{call.subsystem}"',
        )
    return call.client


def check_provider(call: Call, client: str, settings: Settings) -> None:
    """The checks of the provider's security server: whether the service exists, and the caller has access."""
    if call.service not in settings.services:
        raise XRoadError("Server.ServerProxy.UnknownService", f"Unknown service: SERVICE:{call.service}")
    allowed = settings.clients if settings.allowed_clients is None else settings.allowed_clients
    if client not in allowed or settings.access in ("other", "none"):
        raise XRoadError("Server.ServerProxy.AccessDenied", f"Request is not allowed: SERVICE:{call.service}")


# -- spelling and sending of errors ----------------------------------------------------------------


def spell(error_type: str, generation: str) -> str:
    """An error type of X-Road 7.2 in the spelling of ``generation``.

    7.8.0 renamed them all: ``Server.ServerProxy.AccessDenied`` became ``server.serverproxy.access_denied``.
    """
    if generation == "7.2":
        return error_type
    return ".".join(_snake(segment) for segment in error_type.split("."))


def _snake(segment: str) -> str:
    if segment in ("ClientProxy", "ServerProxy"):
        return segment.lower()
    if segment == "OutdatedGlobalConf":  # the only code whose words were reordered
        return "global_conf_outdated"
    return "_".join(word.lower() for word in _WORD.findall(segment))


def error_answer(error: XRoadError, settings: Settings, accept: str) -> Response:
    """The error as the caller receives it, in the spelling of the security server that raised it."""
    generation = settings.generation
    if settings.mixed and error.error_type.startswith("Server.ServerProxy."):
        generation = "7.8" if generation == "7.2" else "7.2"
    return render_error(spell(error.error_type, generation), error.message, settings, accept)


def render_error(error_type: str, message: str | None, settings: Settings, accept: str, status: int | None = None) -> Response:
    """An X-Road error answer with ``error_type`` unchanged.

    By default the status is that of our security server: 500 if the type begins with
    ``Server.`` (``server.`` from 7.8 on), case-sensitively, else 400. This is why a mixed pair of
    servers answers 400 (ClientRestMessageHandler).
    """
    if status is None:
        prefix = "Server." if settings.generation == "7.2" else "server."
        status = 500 if error_type.startswith(prefix) else 400
    detail = str(uuid.uuid4())
    media_type = _error_media_type(accept)
    if media_type == "application/json":
        content = orjson.dumps({"type": error_type, "message": message, "detail": detail})
    else:
        content = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<error><type>{escape(error_type)}</type><message>{escape(message or '')}</message>"
            f"<detail>{detail}</detail></error>"
        ).encode()
    return Response(content, status, {"X-Road-Error": error_type, "Content-Type": f"{media_type}; charset=utf-8"})


def _error_media_type(accept: str) -> str:
    for wanted in accept.split(","):
        name = wanted.partition(";")[0].strip().lower()
        if name in _XML_ACCEPT:
            return _XML_ACCEPT[name]
    return "application/json"


def relay_headers(call: Call, message_id: str | None, body: bytes) -> dict[str, str]:
    """X-Road's headers on an answer that came from the provider (PR-REST 4.3); its own errors have none."""
    request_id = str(uuid.uuid4())
    digest = hashlib.sha512(request_id.encode() + body).digest()
    return {
        "X-Road-Id": message_id or f"{call.service.partition('/')[0]}-{uuid.uuid4()}",
        "X-Road-Client": call.client or "",
        "X-Road-Service": call.service,
        "X-Road-Request-Id": request_id,
        "X-Road-Request-Hash": base64.b64encode(digest).decode(),
    }


def soap_fault(code: str = "Server.ClientProxy.InvalidSoapAction", message: str = "Malformed SOAP message") -> Response:
    """The answer to any POST outside ``/r1/``: the SOAP handler's fault, with HTTP 200 and no ``X-Road-Error``.

    A trap for clients that check only the status.
    """
    return Response(
        '<?xml version="1.0" encoding="utf-8"?>'
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        f"<faultcode>{escape(code)}</faultcode><faultstring>{escape(message)}</faultstring><faultactor></faultactor>"
        f'<detail><faultDetail xmlns="http://x-road.eu/xsd/xroad.xsd">{uuid.uuid4()}</faultDetail></detail>'
        "</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>",
        200,
        media_type="text/xml",
    )


# -- metadata --------------------------------------------------------------------------------------


def list_clients(settings: Settings, accept: str, instance: str | None) -> Response:
    """``GET /listClients``: every subsystem in the global configuration; XML unless JSON is requested
    (PR-META C.1).
    """
    known = sorted({*settings.clients, *(service.rpartition("/")[0] for service in settings.services)})
    ids = [parts for parts in (name.split("/") for name in known) if instance is None or parts[0] == instance]
    keys = ("xroad_instance", "member_class", "member_code", "subsystem_code")
    if "application/json" in accept.lower():
        members = [
            {
                "id": {"object_type": "SUBSYSTEM", **dict(zip(keys, parts, strict=True))},
                "name": f"Member {parts[2]}",
            }
            for parts in ids
        ]
        return Response(orjson.dumps({"member": members}), media_type="application/json")
    tags = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode")
    members_xml = "".join(
        '<xroad:member><xroad:id id:objectType="SUBSYSTEM">'
        + "".join(f"<id:{tag}>{escape(part)}</id:{tag}>" for tag, part in zip(tags, parts, strict=True))
        + f"</xroad:id><xroad:name>Member {escape(parts[2])}</xroad:name></xroad:member>"
        for parts in ids
    )
    return Response(
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<xroad:clientList xmlns:xroad="http://x-road.eu/xsd/xroad.xsd" '
        f'xmlns:id="http://x-road.eu/xsd/identifiers">{members_xml}</xroad:clientList>',
        media_type="text/xml",
    )


def metadata(call: Call, client: str, settings: Settings, headers: Mapping[str, str]) -> Response:
    """``listMethods``, ``allowedMethods`` or ``getOpenAPI`` of the provider's subsystem (PR-MREST annex B).

    As in the real one, the request's own headers are returned, ``Authorization`` included.
    """
    if call.service_code == "getOpenAPI":
        raise XRoadError("Server.ServerProxy.InternalError", "Invalid service type: REST")
    listed = [service for service in settings.services if service.rpartition("/")[0] == call.subsystem]
    endpoints: list[dict[str, str]] = []
    if call.service_code == "allowedMethods":
        allowed = settings.clients if settings.allowed_clients is None else settings.allowed_clients
        if client not in allowed or settings.access == "none":
            listed = []
        # The base endpoint is never listed: an empty list means access to the whole service.
        path = {"endpoint": LOAD_PATH, "wildcard": "/api/**", "other": "/api/status"}.get(settings.access)
        if path is not None:
            endpoints = [{"method": "GET" if settings.access == "other" else "POST", "path": path}]
    keys = ("xroad_instance", "member_class", "member_code", "subsystem_code", "service_code")
    services = [
        {
            "object_type": "SERVICE",
            "service_type": "REST",
            **dict(zip(keys, service.split("/"), strict=True)),
            "endpoint_list": endpoints,
        }
        for service in listed
    ]
    echoed = {name: value for name, value in headers.items() if name == "authorization" or name.startswith("x-road-")}
    echoed.update(relay_headers(call, headers.get("x-road-id"), b""))
    return Response(
        orjson.dumps({"service": services}),
        200,
        {**echoed, "Content-Type": "application/json; charset=utf-8"},
    )
