"""The client of the dashboard: one POST and its result.

A subclass of Airflow's :class:`HttpHook`, which provides the connection, authentication and TLS. ``HttpHook.run`` is not used:
it sets no timeout, follows redirects, and turns a failed answer into an exception without its headers.
"""

from __future__ import annotations

import ipaddress
import json
import threading
import time
from collections.abc import Callable, Mapping
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
from tablero.dashboard.body import decode
from tablero.dashboard.judging import Received, judge, judge_cut_short
from tablero.dashboard.no_answer import innermost, lost
from tablero.dashboard.redaction import Redactor, connection_secrets, proxy_secrets
from tablero.dashboard.retry_after import Patience, http_date
from tablero.dashboard.transport import Transport
from tablero.dashboard.watchdog import Watchdog
from tablero.dashboard.xroad import request_headers
from tablero.errors import SetupError
from tablero.settings import Settings
from tablero.texts import dashboard as texts
from tablero.texts.text import Text

#: Most bytes read of an answer. The dashboard's are a few hundred bytes, but it may echo what it saved, and X-Road's lists have
#: thousands of members.
_MAX_ANSWER = 8 * 1024 * 1024


class Fetched(NamedTuple):
    """The result of a GET.

    :ivar answer: judged like the answer to a POST: *delivered* means that a JSON object was received.
    :ivar body: the JSON value; ``None`` if there is none.
    :ivar date: the server's clock, if it sent a ``Date``.
    """

    answer: Answer
    body: Any
    date: datetime | None


class Dashboard(HttpHook):
    """Posts batches to the dashboard. Thread-safe: each thread has a session of its own, which is kept open.

    TLS options in the connection's extra: ``verify``, path of the security server's certificate or of its CA (PEM);
    ``assert_hostname``, the name in that certificate if it differs from the host; ``cert`` and ``key``, paths of the client
    certificate. ``"verify": false`` disables verification, which is one of :attr:`warnings`.

    :param settings: path, X-Road client and timeouts.
    :param conn_id: the HTTP connection: the institution's own security server, or the dashboard itself.
    :param clock: returns the current time (timezone-aware); for a ``Retry-After`` that is a date.
    :raises SetupError: if the connection has no host, or one with a password in it.
    """

    def __init__(self, settings: Settings, conn_id: str = "tablero_api", *, clock: Callable[[], datetime]) -> None:
        super().__init__(method="POST", http_conn_id=conn_id)
        self._settings = settings
        self._clock = clock
        self._waits = Patience(settings.retry_delay, settings.max_retry_delay)
        self._local = threading.local()
        self._watchdog = Watchdog()
        # Read once, here: Airflow serves connections only to the main thread of a task.
        self._connection = super().get_connection(conn_id)
        if not self._connection.host:
            raise SetupError(texts.NO_HOST(connection=conn_id))
        extra = dict(self._connection.extra_dejson)
        self._certificate_name = extra.pop("assert_hostname", None)
        if key := extra.pop("key", None):
            extra["cert"] = [extra.get("cert"), key]
        said_scheme = extra.pop("schema", None)
        self._connection.extra = json.dumps(extra)
        self._redact = Redactor(connection_secrets(self._connection, extra))
        for secret in self._redact.secrets:
            mask_secret(secret)
        self._connection.host = _host(self._connection.host)
        self._connection.schema = _scheme(self._connection, said_scheme)
        self._set_base_url(self._connection)
        if "@" in urlsplit(self.url).netloc:
            raise SetupError(texts.LOGIN_IN_HOST(connection=conn_id))
        self._proxies = get_environ_proxies(self.url)
        for secret in self._redact.add(proxy_secrets(self._proxies)):
            mask_secret(secret)
        self._verifies = _verifies(conn_id, extra)

    # A class method in the base class; here the connection belongs to the instance.
    def get_connection(self, conn_id: str) -> Any:  # type: ignore[override]
        """The connection, as it was when this object was created."""
        return self._connection

    def _configure_session_from_mount_adapters(self, session: requests.Session) -> requests.Session:
        for scheme in ("https://", "http://"):
            session.mount(scheme, Transport(self._certificate_name, self._watchdog))
        if isinstance(session.cert, list):  # JSON has no tuples, and requests accepts nothing else
            session.cert = tuple(session.cert)
        return session

    @property
    def url(self) -> str:
        """Where batches are posted."""
        return str(self.url_from_endpoint(self._settings.api_path))

    @property
    def warnings(self) -> list[Text]:
        """What lets others read or change what is sent: a server that is not verified, or another machine that is called
        without TLS. For whoever makes the client to tell, once.
        """
        connection, address = self._connection.conn_id, urlsplit(self.url)
        found = [] if self._verifies else [texts.VERIFICATION_OFF(connection=connection)]
        host = address.hostname or ""
        if address.scheme != "https" and not _is_this_machine(host):
            found.append(texts.PLAIN_HTTP(connection=connection, host=host))
        return found

    def post(self, body: bytes, *, message_id: str, issue: str) -> Answer:
        """Post one batch. Never raises because of the other side: every result is an :class:`Answer`.

        :param body: the wire form of the batch.
        :param message_id: new for each attempt.
        :param issue: id of the batch.
        """
        headers = {"Content-Type": "application/json; charset=utf-8", "Accept": "application/json"}
        if self._settings.over_xroad:
            headers |= request_headers(self._settings.xroad_client or "", message_id, issue)
        began = time.monotonic()
        answer, _ = self._exchange("POST", self.url, headers, body)
        return replace(answer, seconds=time.monotonic() - began)

    def get(self, path: str) -> Fetched:
        """GET ``path`` from the same server, without side effects, for the preflight. Never raises either.

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
        transport = self._transport(session, url)
        patience = self._settings.connect_timeout + self._settings.read_timeout
        try:
            with (
                transport.within(patience),
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
                return judge(seen, self._clock(), self._redact, body or b"", self._waits), seen
        except (http.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            self._forget_session()
            return lost(error, url, self._redact, never_connected=transport.is_connecting), None

    def _transport(self, session: requests.Session, url: str) -> Transport:
        adapter = session.get_adapter(url)
        assert isinstance(adapter, Transport)  # mounted above, for both schemes
        return adapter

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self.get_conn({"Accept-Encoding": "identity"})
            if session.headers.get("User-Agent") == default_user_agent():  # unless the connection's extra sets one
                session.headers["User-Agent"] = f"tablero/{__version__}"
            # Resolved once: requests would search the environment for each call. This also keeps it from reading ~/.netrc.
            session.proxies = {**self._proxies, **session.proxies}
            session.trust_env = False
            # requests would read the whole body of a redirect to prepare ``Response.next``, which is not used.
            session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
            self._local.session = session
        return session

    def _forget_session(self) -> None:
        session = getattr(self._local, "session", None)
        if session is not None:
            session.close()
            self._local.session = None


def _host(host: str) -> str:
    """The host as it stands in an address: an IPv6 address in brackets."""
    host = host.strip()
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def _scheme(connection: Any, in_extra: object) -> str:
    """``https`` if the connection says so in its schema, in its extra, or as its type, which a URI ``https://`` becomes.

    :raises SetupError: if its schema is anything else than ``http`` or ``https``, such as a path; or if it says ``https`` and
        its host ``http://``.
    """
    said = connection.schema or in_extra or ""
    if said not in ("", "http", "https"):
        raise SetupError(texts.NOT_A_SCHEME(connection=connection.conn_id, said=str(said)))
    scheme = "https" if "https" in (said, in_extra, connection.conn_type) else "http"
    if scheme == "https" and connection.host.lower().startswith("http://"):
        raise SetupError(texts.HTTP_AND_HTTPS(connection=connection.conn_id))
    return scheme


def _verifies(conn_id: str, extra: Mapping[str, Any]) -> bool:
    """Whether the server's certificate is verified.

    :raises SetupError: if ``verify`` is neither true, false, nor a path: ``requests`` would take ``0`` or ``""`` for false.
    """
    said = [extra[name] for name in ("verify", "verify_ssl") if extra.get(name) is not None]
    if any(not isinstance(value, (bool, str)) or value == "" for value in said):
        raise SetupError(texts.NOT_A_VERIFY(connection=conn_id))
    return not said or said[0] is not False


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read(response: requests.Response, most: int) -> str:
    """At most ``most`` bytes of the body; nothing for a redirect, which is judged by its headers."""
    if 300 <= response.status_code < 400:
        return ""
    content = bytearray()
    while len(content) < most and (piece := response.raw.read1(most - len(content), decode_content=True)):
        content += piece
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and not response.headers.get("Content-Encoding") and len(content) < min(int(length), most):
        raise http.ContentDecodingError(f"{len(content)} of {length} bytes arrived")
    return decode(content, response.headers.get("Content-Type", ""))


def _parse(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
