"""The dashboard's client: one POST, and what it came to.

A subclass of Airflow's :class:`HttpHook` for connection, authentication and TLS. ``HttpHook.run`` itself is not used: it
sets no time-out, follows redirects, and turns an answer into an exception which has lost its headers.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import requests
import urllib3
from airflow.providers.http.hooks.http import HttpHook
from airflow.sdk.log import mask_secret
from requests import exceptions as http
from requests.utils import default_user_agent, get_environ_proxies
from tablero import __version__
from tablero.dashboard.answer import Answer
from tablero.dashboard.judging import Received, http_date, judge, judge_cut_short
from tablero.dashboard.no_answer import innermost, lost
from tablero.dashboard.redaction import Redactor, basic_credentials, header_secrets, proxy_secrets
from tablero.dashboard.transport import Transport
from tablero.dashboard.xroad import request_headers
from tablero.errors import SetupError
from tablero.settings import Settings
from tablero.texts import dashboard as texts

log = logging.getLogger(__name__)

#: Most bytes of an answer that are read. The dashboard's are a few hundred, but it may echo what it saved, and X-Road's
#: lists of members run to thousands.
_MAX_ANSWER = 8 * 1024 * 1024


class Fetched(NamedTuple):
    """What a GET returned.

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
            raise SetupError(texts.NO_HOST(connection=conn_id))
        extra = dict(self._connection.extra_dejson)
        self._certificate_name = extra.pop("assert_hostname", None)
        if key := extra.pop("key", None):
            extra["cert"] = [extra.get("cert"), key]
        self._connection.extra = json.dumps(extra)
        self._redact = Redactor(_secrets(self._connection, extra))
        for secret in self._redact.secrets:
            mask_secret(secret)
        self._connection.schema = _scheme(self._connection)
        self._set_base_url(self._connection)
        self._proxies = get_environ_proxies(self.url)
        for secret in self._redact.add(proxy_secrets(self._proxies)):
            mask_secret(secret)
        if extra.get("verify", extra.get("verify_ssl")) is False:
            log.warning("%s", texts.VERIFICATION_OFF(connection=conn_id))
        if self.plain_host:
            log.warning("%s", texts.PLAIN_HTTP(connection=conn_id, host=self.plain_host))

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

    @property
    def plain_host(self) -> str:
        """The other machine that is called unencrypted; empty where the calls are encrypted, or stay on this machine."""
        address = urlsplit(self.url)
        host = address.hostname or ""
        return "" if address.scheme == "https" or _is_this_machine(host) else host

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

    def get(self, path: str) -> Fetched:
        """GET ``path`` of the same server, without side effect, for the preflight. Never raises either.

        :param path: absolute, for example ``/listClients``.
        """
        headers = {"Accept": "application/json"}
        if self._settings.over_xroad and path.startswith("/r1/"):
            headers |= request_headers(self._settings.xroad_client or "", str(uuid4()), "preflight")
        answer, seen = self._exchange("GET", str(self.url_from_endpoint(path)), headers, None)
        if seen is None:
            return Fetched(answer, None, None)
        date = seen.headers.get("Date")
        return Fetched(answer, _parse(seen.text), http_date(date) if date else None)

    def _exchange(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> tuple[Answer, Received | None]:
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
                    seen = Received(response.status_code, response.headers, _read(response, _MAX_ANSWER))
                except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                    self._forget_session()
                    return judge_cut_short(
                        response.status_code, response.headers, innermost(error, self._redact), self._redact
                    ), None
                return judge(seen, self._clock(), self._redact, body or b""), seen
        except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._forget_session()
            return lost(error, url, self._redact), None

    def _transport(self, session: requests.Session, url: str) -> Transport:
        adapter = session.get_adapter(url)
        assert isinstance(adapter, Transport)  # mounted above, for both schemes
        return adapter

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self.get_conn({"Accept-Encoding": "identity"})
            if session.headers.get("User-Agent") == default_user_agent():  # the connection's extra may name another
                session.headers["User-Agent"] = f"tablero/{__version__}"
            # Looked up once: requests would search the environment again for each call. Nor does it read ~/.netrc so.
            session.proxies = {**self._proxies, **session.proxies}
            session.trust_env = False
            # requests reads the whole body of a redirect for ``Response.next``, which nobody follows.
            session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
            self._local.session = session
        return session

    def _forget_session(self) -> None:
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None


def _secrets(connection: Any, extra: dict[str, Any]) -> set[str]:
    """What must not be seen of a connection: password, the header made of it, and headers given in the extra."""
    headers = [value for key, value in extra.items() if isinstance(value, str) and key not in ("verify", "cert", "proxy")]
    found = {secret for value in headers for secret in header_secrets(value)}
    for key in ("proxies", "proxy"):
        found |= proxy_secrets(extra.get(key))
    if connection.password:
        found |= {connection.password, *basic_credentials(connection.login or "", connection.password)}
    return found


def _scheme(connection: Any) -> str:
    """``https`` where the connection says so anywhere: as its type too, which a URI that begins with it becomes.

    :raises SetupError: if it says something else, such as a path.
    """
    said = connection.schema or ""
    if said not in ("", "http", "https"):
        raise SetupError(texts.NOT_A_SCHEME(connection=connection.conn_id, said=said))
    return "https" if "https" in (said, connection.conn_type) else "http"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read(response: requests.Response, most: int) -> str:
    """The body, at most ``most`` bytes of it; nothing of a redirect's, which is read by its headers."""
    if 300 <= response.status_code < 400:
        return ""
    content = bytearray()
    while len(content) < most and (piece := response.raw.read1(most - len(content), decode_content=True)):
        content += piece
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and not response.headers.get("Content-Encoding") and len(content) < min(int(length), most):
        raise http.ContentDecodingError(f"{len(content)} of {length} bytes arrived")
    return content.decode("utf-8", errors="replace")


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
