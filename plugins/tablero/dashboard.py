"""The dashboard's client: one POST, and what it came to.

A subclass of Airflow's :class:`HttpHook` for connection, authentication and TLS. ``HttpHook.run`` itself is not used: it
sets no time-out, follows redirects, and turns an answer into an exception which has lost its headers.
"""

from __future__ import annotations

import json
import re
import threading
import time
from base64 import b64encode
from collections.abc import Callable
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
from requests_toolbelt.adapters.socket_options import TCPKeepAliveAdapter
from tablero.attempt import Answer, Outcome, clean
from tablero.errors import SetupError
from tablero.settings import Settings
from tablero.xroad import Verdict, find_error, is_soap_fault, request_headers

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


#: Shorter texts are no secrets, and cutting them out of an answer would make it unreadable.
_SHORTEST_SECRET = 4


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
        self._secrets = _secrets(self._connection.login, self._connection.password, extra)
        for secret in self._secrets:
            mask_secret(secret)
        self._set_base_url(self._connection)
        if extra.get("verify", extra.get("verify_ssl")) is False:
            self.log.warning(
                "TLS verification is OFF for connection %s: anyone in between can read and change what is sent."
                ' Put the security server\'s certificate (PEM) into its extra as "verify".',
                conn_id,
            )

    # The base's is a class method; here the connection belongs to the object.
    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]
        """The connection as it was when this object was made."""
        return self._connection

    def _configure_session_from_mount_adapters(self, session: requests.Session) -> requests.Session:
        session.mount("https://", _Adapter(self._certificate_name))
        session.mount("http://", _Adapter(None))
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
        try:
            answer = self._exchange(body, headers)
        except (http.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._forget_session()
            answer = _lost(error, self.url)
        return replace(
            answer, seconds=time.monotonic() - began, error=self.redact(answer.error), message=self.redact(answer.message)
        )

    def redact(self, text: str) -> str:
        """``text`` without the connection's secrets, which a failing server may echo."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def look(self, path: str) -> Look:
        """GET ``path`` of the same server, without side effect, for the preflight. Never raises either.

        :param path: absolute, for example ``/listClients``.
        """
        headers = {"Accept": "application/json"}
        if self._settings.over_xroad and path.startswith("/r1/"):
            headers |= request_headers(self._settings.xroad_client or "", str(uuid4()), "preflight")
        timeout = (self._settings.connect_timeout, self._settings.read_timeout)
        session = self._session()
        url = str(self.url_from_endpoint(path))
        try:
            with session.get(
                url, headers=headers, timeout=timeout, allow_redirects=False, stream=True, verify=session.verify
            ) as response:
                text = _read(response, time.monotonic() + self._settings.read_timeout, _MAX_METADATA)
                answer = judge(response, text, self._clock())
                date = response.headers.get("Date")
                seen = Look(answer, _parse(text), _http_date(date) if date else None)
        except (http.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            self._forget_session()
            seen = Look(_lost(error, url), None, None)
        answer = replace(seen.answer, error=self.redact(seen.answer.error), message=self.redact(seen.answer.message))
        return seen._replace(answer=answer)

    def _exchange(self, body: bytes, headers: dict[str, str]) -> Answer:
        timeout = (self._settings.connect_timeout, self._settings.read_timeout)
        session = self._session()
        with session.post(
            self.url,
            data=body,
            headers=headers,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            # Said again here: where it is not, requests lets REQUESTS_CA_BUNDLE overrule the session.
            verify=session.verify,
        ) as response:
            try:
                text = _read(response, time.monotonic() + self._settings.read_timeout)
            except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                self._forget_session()
                return _cut_short(response, error)
            return judge(response, text, self._clock())

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self.get_conn({"Accept-Encoding": "identity"})
            self._local.session = session
        return session

    def _forget_session(self) -> None:
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None


class _Adapter(TCPKeepAliveAdapter):  # type: ignore[misc]  # the base has no types
    """Keeps connections alive, and can expect another name in the certificate than the host's."""

    def __init__(self, certificate_name: str | None) -> None:
        self._certificate_name = certificate_name
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        if self._certificate_name:
            kwargs["assert_hostname"] = self._certificate_name
        super().init_poolmanager(*args, **kwargs)


def _secrets(login: str | None, password: str | None, extra: dict[str, Any]) -> list[str]:
    """What must not be seen of a connection: password, the header made of it, and headers given in the extra."""
    found = [value for key, value in extra.items() if isinstance(value, str) and key not in ("verify", "cert")]
    if password:
        found += [password, b64encode(f"{login or ''}:{password}".encode()).decode()]
    return sorted({text for text in found if len(text) >= _SHORTEST_SECRET}, key=len, reverse=True)


def judge(response: requests.Response, text: str, now: datetime) -> Answer:
    """What an answer means. Source: guide, section on responses; X-Road pr-rest 4.6."""
    status = response.status_code
    body = _parse(text)
    fault = find_error(response.headers, body)
    kept: dict[str, Any] = {
        "status": status,
        "message": _words(body, text),
        "retry_after": _retry_after(response.headers.get("Retry-After"), now),
        "xroad_request_id": _header(response, "X-Road-Request-Id"),
    }
    if fault is not None:
        judgement = fault.judge()
        return Answer(
            _VERDICTS[judgement.verdict],
            error=f"X-Road {clean(fault.type)}: {judgement.advice}",
            too_large=judgement.verdict is Verdict.SPLIT,
            xroad_error=clean(fault.type)[:200],
            xroad_detail=clean(fault.detail)[:200],
            **kept,
        )
    if is_soap_fault(response.headers.get("Content-Type", ""), text):
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


def _lost(error: Exception, url: str) -> Answer:
    """An exchange that ended without an answer."""
    words = clean(_root(error))
    if "certificate" in words.lower():
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


def _cut_short(response: requests.Response, error: Exception) -> Answer:
    """An answer whose status arrived and whose body did not."""
    status = response.status_code
    certain = not 200 <= status < 300 and status not in _GAVE_UP
    return Answer(
        Outcome.TRANSIENT if certain else Outcome.UNKNOWN,
        status=status,
        error=f"Respuesta incompleta (HTTP {status}) / Incomplete answer (HTTP {status}): {clean(_root(error))}",
        xroad_request_id=_header(response, "X-Road-Request-Id"),
    )


def _never_connected(error: BaseException) -> bool:
    """Whether not a byte of the call can have left: the connection itself could not be made."""
    if isinstance(error, (http.ConnectTimeout, http.ProxyError)):
        return True
    refused = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)
    return isinstance(getattr(error.args[0] if error.args else None, "reason", None), refused)


def _root(error: BaseException) -> BaseException:
    """The innermost reason, which is what a person can use."""
    inner = getattr(error.args[0] if error.args else None, "reason", None) or error.__cause__
    return _root(inner) if isinstance(inner, BaseException) else error


def _read(response: requests.Response, deadline: float, most: int = _MAX_ANSWER) -> str:
    """The beginning of the body. The deadline bounds the whole of it; the socket's time-out only each silence."""
    content = b""
    while len(content) < most and (piece := response.raw.read1(most, decode_content=True)):
        content += piece
        if time.monotonic() > deadline:
            raise http.ReadTimeout("the answer trickled in for longer than read_timeout")
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and not response.headers.get("Content-Encoding") and len(content) < min(int(length), most):
        raise http.ContentDecodingError(f"{len(content)} of {length} bytes arrived")
    return content[:most].decode("utf-8", errors="replace")


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _words(body: Any, text: str) -> str:
    if isinstance(body, dict) and body.get("message"):
        message = body["message"]
        return clean("; ".join(map(str, message[:50])) if isinstance(message, list) else message)
    return clean(text)


def _named(body: Any) -> tuple[int, ...]:
    """Positions which a NestJS validation names: ``requests.3.status_id must be ...``."""
    message = body.get("message") if isinstance(body, dict) else None
    lines = message if isinstance(message, list) else [message]
    found = {
        int(match.group(1)) for line in lines[:2000] for match in re.finditer(r"requests\W{1,2}(\d{1,4})\b", str(line)[:500])
    }
    return tuple(sorted(found))


def _header(response: requests.Response, name: str) -> str | None:
    value = response.headers.get(name)
    return clean(value)[:100] if value else None


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
