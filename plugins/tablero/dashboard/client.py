"""The dashboard's client: one POST, and what it came to.

A subclass of Airflow's :class:`HttpHook` for connection, authentication and TLS. ``HttpHook.run`` itself is not used: it
sets no time-out, follows redirects, and turns an answer into an exception which has lost its headers.
"""

from __future__ import annotations

import json
import logging
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from uuid import uuid4

import orjson
import requests
import urllib3
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret
from requests import exceptions as http
from requests.utils import get_environ_proxies
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.dashboard.redaction import Redactor, basic_credentials, header_secrets
from tablero.dashboard.transport import Transport
from tablero.dashboard.xroad import Verdict, find_error, is_soap_fault, request_headers
from tablero.errors import SetupError
from tablero.settings import Settings

log = logging.getLogger(__name__)

#: Most bytes of an answer that are read; the dashboard's are a few hundred.
_MAX_ANSWER = 64 * 1024

#: The same for X-Road's lists of members, which run to thousands.
_MAX_METADATA = 8 * 1024 * 1024

#: Refusals of the content of the call: the batch is taken apart. 409 is not in the guide; it speaks of content too.
_REFUSALS = {400, 409, 413, 422}

#: A dashboard that failed on the way, or a gateway that gave up waiting for it: it may have taken the rows.
_GAVE_UP = {500, 502, 504}

_TRANSIENT = {408, 425, 429}

_VERDICTS = {
    Verdict.CONFIGURATION: Outcome.PERMANENT,
    Verdict.SLOW: Outcome.TRANSIENT,
    Verdict.TRANSIENT: Outcome.TRANSIENT,
    Verdict.UNKNOWN: Outcome.UNKNOWN,
    Verdict.SPLIT: Outcome.REFUSED,
}

_CHECK = (
    "Revise api_path, la dirección y la credencial de tablero_api / "
    "Check api_path, the address and the credentials of tablero_api"
)


class Seen(NamedTuple):
    """An answer that arrived whole, as far as it is read."""

    status_code: int
    headers: Mapping[str, str]
    text: str


class Look(NamedTuple):
    """What a GET saw.

    :ivar answer: judged as that of a POST: *delivered* means that a JSON object came.
    :ivar body: the JSON value; ``None`` if there is none.
    :ivar date: the server's clock.
    """

    answer: Answer
    body: Any
    date: datetime | None


class Dashboard(HttpHook):
    """Posts batches to the dashboard, from several threads, each with an open session of its own.

    TLS, in the connection's extra: ``verify``, path of the security server's certificate or of the CA that signed it (PEM);
    ``assert_hostname``, the name in that certificate where it is not the host's; ``cert`` and ``key``, paths of the own client
    certificate. ``"verify": false`` switches the check off, with a warning.

    :param settings: path, X-Road client and time-outs.
    :param conn_id: the HTTP connection: the institution's own security server, or the dashboard itself.
    :param clock: now, aware; for ``Retry-After`` given as a date.
    :raises SetupError: if the connection has no host.
    """

    def __init__(self, settings: Settings, conn_id: str = "tablero_api", *, clock: Callable[[], datetime]) -> None:
        super().__init__(method="POST", http_conn_id=conn_id)
        self._settings = settings
        self._clock = clock
        self._local = threading.local()
        # Fetched once, here: Airflow hands out connections to the task's main thread only.
        self._connection = super().get_connection(conn_id)
        if not self._connection.host:
            raise SetupError(f"Connection {conn_id} has no host: enter the address of your security server.")
        extra = dict(self._connection.extra_dejson)
        self._certificate_name = extra.pop("assert_hostname", None)
        if key := extra.pop("key", None):
            extra["cert"] = [extra.get("cert"), key]
        self._connection.extra = json.dumps(extra)
        self._redact = Redactor(_secrets(self._connection, extra))
        for secret in self._redact.secrets:
            mask_secret(secret)
        self._set_base_url(self._connection)
        if extra.get("verify", extra.get("verify_ssl")) is False:
            log.warning(
                "TLS verification is OFF for connection %s: anyone in between can read and change what is sent."
                ' Put the security server\'s certificate (PEM) into its extra as "verify".',
                conn_id,
            )

    # The base's is a class method; here the connection belongs to the object.
    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]
        """The connection as it was when this object was made."""
        return self._connection

    def _configure_session_from_mount_adapters(self, session: requests.Session) -> requests.Session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, Transport(self._certificate_name))
        if isinstance(session.cert, list):  # JSON has no tuples, and requests takes nothing else
            session.cert = tuple(session.cert)
        return session

    @property
    def url(self) -> str:
        """Where batches are posted."""
        return str(self.url_from_endpoint(self._settings.api_path))

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post one batch. Never raises for what the other side does: every ending is an :class:`Answer`.

        :param body: the wire form of a batch.
        :param message_id: fresh for each attempt.
        :param issue: the batch's id.
        """
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
        if self._settings.over_xroad:
            headers |= request_headers(self._settings.xroad_client or "", message_id, issue)
        began = time.monotonic()
        answer, _ = self._exchange("POST", self.url, headers, body)
        return replace(answer, seconds=time.monotonic() - began)

    def look(self, path: str) -> Look:
        """GET ``path`` of the same server, without side effect, for the preflight. Never raises either.

        :param path: absolute, for example ``/listClients``.
        """
        headers = {"Accept": "application/json"}
        if self._settings.over_xroad and path.startswith("/r1/"):
            headers |= request_headers(self._settings.xroad_client or "", str(uuid4()), "preflight")
        answer, seen = self._exchange("GET", str(self.url_from_endpoint(path)), headers, None, most=_MAX_METADATA)
        if seen is None:
            return Look(answer, None, None)
        date = seen.headers.get("Date")
        return Look(answer, _parse(seen.text), _http_date(date) if date else None)

    def _exchange(
        self, method: str, url: str, headers: dict[str, str], body: bytes | None, *, most: int = _MAX_ANSWER
    ) -> tuple[Answer, Seen | None]:
        session = self._session()
        patience = self._settings.connect_timeout + self._settings.read_timeout
        try:
            with (
                self._transport(session, url).within(patience),
                session.request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    timeout=(self._settings.connect_timeout, self._settings.read_timeout),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                try:
                    seen = Seen(response.status_code, response.headers, _read(response, most))
                except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                    self._forget_session()
                    return _cut_short(response, error, self._redact), None
                return judge(seen, self._clock(), self._redact), seen
        except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._forget_session()
            return _lost(error, url, self._redact), None

    def _transport(self, session: requests.Session, url: str) -> Transport:
        adapter = session.get_adapter(url)
        assert isinstance(adapter, Transport)  # mounted above, for both schemes
        return adapter

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self.get_conn({"Accept-Encoding": "identity"})
            # Looked up once: requests would search the environment again for each call. Nor does it read ~/.netrc so.
            session.proxies = {**get_environ_proxies(self.url), **session.proxies}
            session.trust_env = False
            self._local.session = session
        return session

    def _forget_session(self) -> None:
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None


def _secrets(connection: Any, extra: dict[str, Any]) -> set[str]:
    """What must not be seen of a connection: password, the header made of it, and headers given in the extra."""
    headers = [value for key, value in extra.items() if isinstance(value, str) and key not in ("verify", "cert")]
    found = {secret for value in headers for secret in header_secrets(value)}
    if connection.password:
        found |= {connection.password, *basic_credentials(connection.login or "", connection.password)}
    return found


def judge(seen: Seen, now: datetime, redact: Callable[[str], str]) -> Answer:
    """What an answer means. Source: guide, section on responses; X-Road pr-rest 4.6.

    :param seen: the answer.
    :param now: aware; for ``Retry-After`` given as a date.
    :param redact: takes secrets out of what is kept.
    """
    status, headers, text = seen
    body = _parse(text)
    fault = find_error(headers, body)
    kept: dict[str, Any] = {
        "status": status,
        "message": _words(text, redact),
        "retry_after": _retry_after(headers.get("Retry-After"), now),
        "xroad_request_id": _request_id(headers, redact),
    }
    if fault is not None:
        judgement = fault.judge()
        return Answer(
            _VERDICTS[judgement.verdict],
            error=f"X-Road {clean(redact(fault.type))}: {judgement.advice}",
            too_large=judgement.verdict is Verdict.SPLIT,
            xroad_error=clean(redact(fault.type), 200),
            xroad_detail=clean(redact(fault.detail), 200),
            **kept,
        )
    if is_soap_fault(headers.get("Content-Type", ""), text):
        return Answer(
            Outcome.PERMANENT,
            error="Respondió la cara SOAP de X-Road: api_path debe comenzar con /r1/ / X-Road's SOAP face answered: api_path"
            " must begin with /r1/",
            **kept,
        )
    if 200 <= status < 300:
        return _success(body, kept)
    if status in _REFUSALS:
        return Answer(
            Outcome.REFUSED,
            error=f"El tablero rechaza el contenido (HTTP {status}) / The dashboard refuses the content (HTTP {status})",
            named=_named(body),
            too_large=status == 413,
            **kept,
        )
    if status in _GAVE_UP:
        return Answer(
            Outcome.UNKNOWN,
            error=f"El tablero falló a medio camino (HTTP {status}); pudo haber recibido las filas. Se repetirá / The dashboard"
            f" failed on the way (HTTP {status}); it may have taken the rows. It will be repeated",
            **kept,
        )
    if status in _TRANSIENT or (status >= 500 and status not in (501, 505)):
        return Answer(
            Outcome.TRANSIENT,
            error=f"El tablero no está disponible (HTTP {status}) / The dashboard is not available (HTTP {status})",
            **kept,
        )
    if 300 <= status < 400:
        return Answer(
            Outcome.PERMANENT,
            error=f"La dirección redirige (HTTP {status}), y no se sigue. {_CHECK} / The address redirects, which is not"
            " followed",
            **kept,
        )
    return Answer(Outcome.PERMANENT, error=f"HTTP {status}. {_CHECK}", **kept)


def _success(body: Any, kept: dict[str, Any]) -> Answer:
    if not isinstance(body, dict):
        return Answer(
            Outcome.UNKNOWN,
            error=f"HTTP {kept['status']}, pero no es la respuesta del tablero (JSON) / but not the dashboard's answer (JSON)",
            **kept,
        )
    if body.get("success") is False:
        return Answer(
            Outcome.REFUSED,
            error="El tablero respondió success: false / The dashboard answered success: false",
            named=_named(body),
            **kept,
        )
    return Answer(Outcome.DELIVERED, **kept)


def _lost(error: Exception, url: str, redact: Callable[[str], str]) -> Answer:
    """An exchange that ended without an answer."""
    words = clean(redact(str(_root(error))))
    if _is_about_certificates(error):
        return Answer(
            Outcome.PERMANENT,
            error="El certificado TLS no es de confianza: ponga el certificado del servidor de seguridad (PEM) en verify, en"
            " los extras de tablero_api / The TLS certificate is not trusted: put the security server's certificate (PEM)"
            f' into "verify" in the extra of tablero_api. {words}',
        )
    if isinstance(error, (http.InvalidURL, http.MissingSchema, http.InvalidSchema, http.InvalidHeader)):
        return Answer(Outcome.PERMANENT, error=f"{words}. {_CHECK}")
    if _never_connected(error):
        return Answer(
            Outcome.TRANSIENT,
            error=f"No hay conexión con {url} / No connection to {url}: {words}",
        )
    return Answer(
        Outcome.UNKNOWN,
        error="Se perdió la respuesta; pudo haber llegado. Se repetirá / The answer was lost; it may have arrived. It will"
        f" be repeated: {words}",
    )


def _cut_short(response: requests.Response, error: Exception, redact: Callable[[str], str]) -> Answer:
    """An answer whose status arrived and whose body did not."""
    status = response.status_code
    certain = not 200 <= status < 300 and status not in _GAVE_UP
    return Answer(
        Outcome.TRANSIENT if certain else Outcome.UNKNOWN,
        status=status,
        error=f"Respuesta incompleta (HTTP {status}) / Incomplete answer (HTTP {status}): {clean(redact(str(_root(error))))}",
        xroad_request_id=_request_id(response.headers, redact),
    )


def _never_connected(error: BaseException) -> bool:
    """Whether not a byte of the call can have left: the connection itself could not be made."""
    if isinstance(error, (http.ConnectTimeout, http.ProxyError)):
        return True
    refused = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), refused)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception and its reasons, the innermost last."""
    while isinstance(error, BaseException):
        yield error
        inner = getattr(error.args[0] if error.args else None, "reason", None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__


def _root(error: BaseException) -> BaseException:
    """The innermost reason, which is what a person can use."""
    *_, innermost = _chain(error)
    return innermost


def _is_about_certificates(error: BaseException) -> bool:
    wrong = (ssl.SSLCertVerificationError, urllib3.exceptions.SSLError, http.SSLError)
    return any(
        isinstance(reason, ssl.CertificateError)
        or (isinstance(reason, (*wrong, ssl.SSLError, OSError)) and "certificate" in str(reason).lower())
        for reason in _chain(error)
    )


def _read(response: requests.Response, most: int) -> str:
    """The beginning of the body, at most ``most`` bytes."""
    content = b""
    while len(content) < most and (piece := response.raw.read1(most, decode_content=True)):
        content += piece
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and not response.headers.get("Content-Encoding") and len(content) < min(int(length), most):
        raise http.ContentDecodingError(f"{len(content)} of {length} bytes arrived")
    return content[:most].decode("utf-8", errors="replace")


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _words(text: str, redact: Callable[[str], str]) -> str:
    """What the other side says: the ``message`` of a NestJS or X-Road body, else the body as it is."""
    body = _parse(redact(text))
    message = body.get("message") if isinstance(body, dict) else None
    said = [str(line) for line in _lines(message)[:50]]
    # Redacted before it is cut, or the beginning of a secret would stay; and again, since it may be escaped twice.
    return clean(redact("; ".join(said) if said else redact(text)))


def _named(body: Any) -> tuple[int, ...]:
    """Positions which a NestJS validation names: ``requests.3.status_id must be ...``."""
    lines = _lines(body.get("message") if isinstance(body, dict) else None)[:2000]
    found = {int(match.group(1)) for line in lines for match in re.finditer(r"requests\W{1,2}(\d{1,4})\b", str(line)[:500])}
    return tuple(sorted(found))


def _lines(message: Any) -> list[str | int | float]:
    # One level of objects and no more: it could be nested deeper than Python can write out.
    entries = message if isinstance(message, list) else [message]
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else (entry,))]
    return [value for value in values if isinstance(value, (str, int, float)) and value != ""]


def _request_id(headers: Mapping[str, str], redact: Callable[[str], str]) -> str | None:
    value = headers.get("X-Road-Request-Id")
    return clean(redact(value), 100) if value else None


def _retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait, from either form of ``Retry-After`` (RFC 9110, 10.2.3); ``None`` if it is neither."""
    if not value:
        return None
    if re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        return float(value)
    date = _http_date(value)
    return None if date is None else max(0.0, (date - now).total_seconds())


def _http_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)
