"""What every page needs: language and time zone, the outbox, templates, and security headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import Depends, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.engine import Connection, Engine
from starlette.datastructures import MutableHeaders
from tablero import __version__
from tablero.contract.rules import Row
from tablero.contract.windows import local_day
from tablero.delivery.health import pages
from tablero.errors import SetupError
from tablero.outbox import target
from tablero.outbox.reports.findings import Found
from tablero.outbox.reports.snapshot import Readiness, readiness, snapshot
from tablero.settings import Settings
from tablero.texts.page import TEXTS
from tablero.texts.text import LANGUAGES, Text
from tablero.web import access
from tablero.web.evidence import Cache
from tablero.web.formats import Formats
from tablero.web.language import Texts, choose, texts
from tablero.web.wording import Wording

_HERE = Path(__file__).parent

STATIC = _HERE / "static"

_LANGUAGE_COOKIE = "tablero_lang"
_YEAR = 365 * 24 * 3600

#: Statement timeouts in seconds, for a page and for a document (PostgreSQL only).
PAGE_SECONDS = 15.0
DOCUMENT_SECONDS = 600.0

#: The longest id of a run, as Airflow stores it.
_LONGEST_RUN_ID = 250

AskSource = Callable[[str, float], Sequence[Row] | None]


class NotReady(SetupError):
    """The outbox exists, but contains nothing that can be shown yet."""

    def __init__(self, found: Readiness) -> None:
        advice = TEXTS[f"problem.outbox.{found.value}.advice"]
        assert isinstance(advice, Text)
        super().__init__(advice)
        self.found = found


@dataclass(frozen=True)
class Site:
    """The objects that the application works with.

    :ivar outbox: returns the engine of the outbox; raises a ``TableroError`` if there is none.
    :ivar read_settings: returns the settings; raises a ``SettingsError`` if one is wrong.
    :ivar clock: returns the current time (timezone-aware).
    :ivar ask_source: returns the rows of a request in the source, within a time limit in seconds; ``None`` if the source cannot
        be queried by request. Raises a ``TableroError``.
    :ivar evidence: the delivered rows of recently requested months.
    """

    outbox: Callable[[], Engine]
    read_settings: Callable[[], Settings]
    clock: Callable[[], datetime]
    ask_source: AskSource | None = None
    evidence: Cache = field(default_factory=Cache)


class Page:
    """One request for a page.

    :param user: the user; ``None`` on the page for those who are not logged in.
    """

    def __init__(self, request: Request, user: Any | None) -> None:
        self.request = request
        self.user = user
        self.site: Site = request.app.state.site
        self.now = self.site.clock()
        asked = request.query_params.get("lang")
        self._language_asked = asked if asked in LANGUAGES else None
        language = choose(asked, request.cookies.get(_LANGUAGE_COOKIE), request.headers.get("accept-language", ""))
        self.texts: Texts = texts(language)
        #: The dashboard that the rows on record were sent to; known once the outbox was opened, if a task has sent.
        self.target: str | None = None
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """The settings.

        :raises SettingsError: if one is wrong.
        """
        if self._settings is None:
            self._settings = self.site.read_settings()
        return self._settings

    @property
    def is_other_target(self) -> bool:
        """Whether the rows on record were sent to another dashboard than the settings say."""
        return self.target is not None and target.is_other(self.target, self.settings)

    @property
    def version(self) -> str:
        """The version of this package."""
        return __version__

    @property
    def path(self) -> str:
        """The path of the page within the application."""
        return self.request.url.path.removeprefix(self.request.scope.get("root_path", "")) or "/"

    def link(self, path: str, **query: Any) -> str:
        """A relative link to another page, which works under any path prefix.

        :param path: within the application, without a leading slash.
        :param query: parameters; those without a value are omitted.
        """
        given = {name: str(value) for name, value in query.items() if value not in (None, "")}
        address = ("../" * (self.path.count("/") - 1) or "./") + quote(path, safe="/:@.")
        return f"{address}?{urlencode(given)}" if given else address

    def request_link(self, request_id: str, **query: Any) -> str:
        """The link to the page of a request, whose id nobody can read from it."""
        return self.link("request", of=access.seal(request_id), **query)

    def same(self, **query: Any) -> str:
        """The address of this page with other parameters."""
        return self.link(self.path.lstrip("/"), **dict(self.request.query_params) | query)

    def airflow(self, path: str) -> str:
        """A relative link to one of Airflow's own pages.

        :param path: relative to Airflow's root, quoted.
        """
        return self.link("") + "../" + path

    @contextmanager
    def outbox(self, *, seconds: float = PAGE_SECONDS) -> Iterator[Connection]:
        """A connection to the outbox for reading.

        :raises NotReady: if it contains nothing that can be shown yet.
        :raises OutboxUnavailable, SetupError: if it cannot be queried.
        """
        engine = self.site.outbox()
        found = readiness(engine)
        if found is not Readiness.READY:
            raise NotReady(found)
        with snapshot(engine, seconds=seconds) as connection:
            self.target = target.known(connection)
            yield connection

    def require_outbox(self) -> None:
        """Raise what :meth:`outbox` would, before a download starts, when an error page is still possible."""
        with self.outbox():
            pass

    def render(self, template: str, *, status: int = 200, **context: Any) -> HTMLResponse:
        """The page as HTML.

        :raises SettingsError: if a setting is wrong.
        """
        zone = self.settings.timezone
        return self._html(template, status, {"zone_name": zone.name, **context})

    def problem(self, status: int, name: str, **context: Any) -> HTMLResponse:
        """A page that says what is wrong and what to do. Needs neither settings nor outbox nor login.

        :param name: of its texts.
        """
        defaults = {"words": "", "login": None, "dag": None, "again": None, "home": None, "zone_name": "UTC"}
        texts = {"title": self.texts(f"problem.{name}"), "advice": self.texts(f"problem.{name}.advice")}
        return self._html("problem.html", status, defaults | texts | context)

    def _html(self, template: str, status: int, context: dict[str, Any]) -> HTMLResponse:
        token, secret = access.form_token(self.request, self.user) if self.user is not None else ("", None)
        nonce = secrets.token_urlsafe(16)
        text = (
            _templates()
            .get_template(template)
            .render(
                t=self.texts,
                f=self.formats,
                say=self.wording,
                page=self,
                link=self.link,
                airflow=self.airflow,
                static=self.static,
                other_language=next(language for language in LANGUAGES if language != self.texts.language),
                token=token,
                token_field=access.FIELD,
                nonce=nonce,
                **context,
            )
        )
        response = HTMLResponse(text, status)
        response.headers["Content-Security-Policy"] = policy(nonce)
        root = self.request.scope.get("root_path", "") or "/"
        encrypted = access.is_encrypted(self.request)
        if secret is not None:
            access.keep_secret(response, secret, path=root, secure=encrypted)
        if self._language_asked is not None:
            response.set_cookie(
                _LANGUAGE_COOKIE,
                self._language_asked,
                max_age=_YEAR,
                path=root,
                httponly=True,
                samesite="lax",
                secure=encrypted,
            )
        return response

    def static(self, name: str) -> str:
        """The address of a static file, which changes with its content."""
        return self.link(f"static/{name}", v=_fingerprint(name))

    def about(self, found: Found) -> str:
        """The link to the page that shows a degradation, as in its alert."""
        return self.link("") + pages.address(found.what, found.run_id)

    @property
    def today(self) -> date:
        """The current civil day of the institution."""
        return local_day(self.now, self.settings.timezone)

    @property
    def wording(self) -> Wording:
        """What this page says of values."""
        return Wording(self.texts, self.formats)

    @property
    def formats(self) -> Formats:
        """The formats of this page; instants are in UTC until the settings have been read."""
        return Formats(self.texts, self._settings.timezone if self._settings is not None else timezone.utc)


def as_run_id(asked: str) -> str | None:
    """The id of a run in a parameter of an address; ``None`` if it is empty."""
    return asked.replace("\x00", "")[:_LONGEST_RUN_ID] or None


def policy(nonce: str | None = None) -> str:
    """The Content-Security-Policy: only resources of this application, framed only by Airflow itself.

    :param nonce: of the inline style that a page without login needs.
    """
    style = f"'self' 'nonce-{nonce}'" if nonce else "'self'"
    return (
        f"default-src 'none'; style-src {style}; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'self'"
    )


def secure(headers: MutableHeaders) -> None:
    """Add the headers that every response has."""
    for name, value in {
        "Content-Security-Policy": policy(),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }.items():
        headers.setdefault(name, value)


@cache
def icon(state: str) -> Markup:
    """The symbol of a state, which stands a thousand times on the first page."""
    return Markup('<svg class="icon" aria-hidden="true" focusable="false"><use href="#i-{}"/></svg>').format(state)


@cache
def _templates() -> Environment:
    """The template environment, cached because it compiles each template once."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["icon"] = icon
    return environment


@cache
def _fingerprint(name: str) -> str:
    return blake2b((STATIC / name).read_bytes(), digest_size=6).hexdigest()


def _page(request: Request, user: GetUserDep) -> Page:
    return Page(request, user)


PageDep = Annotated[Page, Depends(_page)]
