"""Use case: preflight. Check, without any effect on either side, whether a load would succeed.

All checks run, and each says what to do. None needs more privileges than a load; what cannot be checked and is not needed by a
load is a warning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fnmatch import fnmatch
from typing import Any, Protocol

from sqlalchemy.engine import Engine
from tablero.contract.rules import Rejected, validator
from tablero.contract.windows import undated_window
from tablero.dashboard.answer import Answer, Outcome
from tablero.errors import TableroError, TransientError, WindowUnreadable
from tablero.outbox import target
from tablero.outbox.engine import address_of
from tablero.outbox.upgrade import check_writable, schema_version
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import preflight as texts
from tablero.texts.text import Text, verbatim

#: Rows validated as a sample.
SAMPLE = 1_000

#: Time limit for a query that a load does not need, in seconds.
PATIENCE = 120.0

#: Tolerated difference between another clock and ours, in seconds.
CLOCK_TOLERANCE = 120

#: Time zones differ by multiples of this, in seconds; the remainder is a difference of the clocks.
_ZONE_STEP = 900


class Level(Enum):
    """Severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    :ivar check: name of the check.
    :ivar text: what was found and, unless all is well, what to do.
    :ivar transient: whether a retry may succeed.
    """

    check: str
    level: Level
    text: Text
    transient: bool = False

    def __str__(self) -> str:
        return f"[{self.level.value}] {self.check}: {self.text}"


class Client(Protocol):
    """Client of the security server; implemented by :class:`tablero.dashboard.client.Dashboard`."""

    @property
    def url(self) -> str:
        """Where batches are posted."""
        ...

    @property
    def warnings(self) -> list[Text]:
        """What lets others read or change what is sent."""
        ...

    def get(self, path: str) -> Any:
        """GET a path; returns :class:`tablero.dashboard.client.Fetched`."""
        ...


def inspect(
    settings: Settings,
    *,
    source: Callable[[], AbstractContextManager[Source]],
    outbox: Callable[[], AbstractContextManager[Engine]] | None,
    dashboard: Callable[[], Client] | None,
    clock: Callable[[], datetime],
    nightly: bool = False,
) -> Iterator[Finding]:
    """Run all checks.

    :param source: opens the source.
    :param outbox: opens the outbox; ``None`` for a dry run, which must not create one.
    :param dashboard: creates the client; ``None`` for a dry run.
    :param clock: returns the current time in UTC.
    :param nightly: only quick checks: no rows are read, and the dashboard is not called, since ``post`` does so next.
    """
    yield from _guarded("source", lambda: _source(settings, source, clock(), nightly=nightly))
    if outbox is not None:
        yield from _guarded("outbox", lambda: _outbox(settings, outbox, dashboard))
    if dashboard is not None and nightly:
        with suppress(TableroError):  # ``post`` fails by it as well
            yield from _encryption(dashboard())
    elif dashboard is not None:
        yield from _guarded("dashboard", lambda: _dashboard(settings, dashboard(), clock))


def _guarded(
    name: str, check: Callable[[], Iterator[Finding]], *, harmless: tuple[type[TableroError], ...] = ()
) -> Iterator[Finding]:
    """Run a check; an exception becomes its finding.

    :param harmless: exceptions of what a load does not need.
    """
    try:
        yield from check()
    except harmless as error:
        yield Finding(name, Level.WARNING, texts.NOT_SEEN(words=error.text))
    except TableroError as error:
        yield Finding(name, Level.FAILED, error.text, isinstance(error, TransientError))


def _source(
    settings: Settings, opener: Callable[[], AbstractContextManager[Source]], now: datetime, *, nightly: bool
) -> Iterator[Finding]:
    with opener() as source:
        yield Finding("source", Level.OK, texts.COLUMNS(names=", ".join(source.check())))
        yield from _guarded("source clock", lambda: _source_clock(source, now), harmless=(TableroError,))
        if nightly:
            return
        yield from _guarded("source sample", lambda: _sample(settings, source, now), harmless=(WindowUnreadable,))
        # A load reads undated rows by the condition by which they are counted.
        harmless = (WindowUnreadable, TransientError)
        yield from _guarded("source coverage", lambda: _coverage(settings, source, now), harmless=harmless)


def _source_clock(source: Source, now: datetime) -> Iterator[Finding]:
    theirs = source.clock()
    if theirs is not None:
        aware = theirs if theirs.tzinfo else theirs.replace(tzinfo=now.tzinfo)
        difference = (aware - now).total_seconds()
        if theirs.tzinfo is None:  # of which the zone is not known
            difference = (difference + _ZONE_STEP / 2) % _ZONE_STEP - _ZONE_STEP / 2
        yield _clocks("source clock", difference)


def _clocks(name: str, difference: float) -> Finding:
    apart = abs(difference)
    if apart <= CLOCK_TOLERANCE:
        return Finding(name, Level.OK, texts.CLOCKS_AGREE)
    return Finding(name, Level.WARNING, texts.CLOCKS_DIFFER(seconds=round(apart)))


def _sample(settings: Settings, source: Source, now: datetime) -> Iterator[Finding]:
    validate = validator(
        zone=settings.source_zone, earliest=settings.earliest_instant, now=now, extra_statuses=settings.extra_statuses
    )
    rows = source.sample(SAMPLE, within=PATIENCE)
    reasons = Counter(found.reason.value for found in map(validate, rows) if isinstance(found, Rejected))
    wrong = reasons.total()
    if not rows:
        yield Finding("source sample", Level.WARNING, texts.EMPTY)
    elif not wrong:
        yield Finding("source sample", Level.OK, texts.VALID(rows=len(rows)))
    else:
        listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        # A sample shows what it holds, perhaps the oldest rows; only if that is all, there is nothing to load.
        level = Level.FAILED if wrong == len(rows) < SAMPLE else Level.WARNING
        yield Finding("source sample", level, texts.INVALID(wrong=wrong, rows=len(rows), reasons=listed))


def _coverage(settings: Settings, source: Source, now: datetime) -> Iterator[Finding]:
    census = source.census(undated_window(settings.earliest, settings.timezone), now, within=PATIENCE)
    if census is None:
        yield Finding("source coverage", Level.WARNING, texts.NOT_COUNTED)
    elif census.undated or census.future:
        text = texts.OUTSIDE(rows=census.rows, undated=census.undated, future=census.future)
        yield Finding("source coverage", Level.WARNING, text)
    else:
        yield Finding("source coverage", Level.OK, texts.COVERED(rows=census.rows, older=census.older))


def _outbox(
    settings: Settings, opener: Callable[[], AbstractContextManager[Engine]], dashboard: Callable[[], Client] | None
) -> Iterator[Finding]:
    with opener() as engine:
        check_writable(engine)
        yield Finding("outbox", Level.OK, texts.OUTBOX(where=address_of(engine), schema=str(schema_version(engine))))
        if dashboard is not None:
            yield from _guarded("target", lambda: _target(settings, engine, dashboard))


def _target(settings: Settings, engine: Engine, dashboard: Callable[[], Client]) -> Iterator[Finding]:
    try:
        name = target.name_of(settings, dashboard().url)
    except TableroError:
        return  # reported by the check of the dashboard
    target.require(engine, name)
    yield Finding("target", Level.OK, texts.TARGET(name=name))


def _encryption(client: Client) -> Iterator[Finding]:
    return (Finding("encryption", Level.WARNING, warning) for warning in client.warnings)


def _dashboard(settings: Settings, client: Client, clock: Callable[[], datetime]) -> Iterator[Finding]:
    yield from _encryption(client)
    seen = client.get("/listClients" if settings.over_xroad else "/")
    answer: Answer = seen.answer
    if answer.status is None:
        if answer.outcome is Outcome.UNKNOWN:
            # Reachable, but no answer to a GET, which some gateways do not let through. It says nothing about POST.
            yield Finding("dashboard", Level.WARNING, texts.NO_ANSWER_TO_GET(url=client.url))
        else:
            yield Finding("dashboard", Level.FAILED, verbatim(answer.error), answer.outcome is not Outcome.PERMANENT)
        return
    yield Finding("dashboard", Level.OK, texts.ANSWERS(url=client.url, status=str(answer.status)))
    if seen.date is not None:
        yield _clocks("dashboard clock", (seen.date - clock()).total_seconds())
    if settings.over_xroad:
        yield _own_subsystem(settings, seen)
        yield _right(settings, client)


def _own_subsystem(settings: Settings, seen: Any) -> Finding:
    name = "X-Road client"
    client = str(settings.xroad_client)
    members = seen.body.get("member") if isinstance(seen.body, dict) else None
    if not isinstance(members, list):
        return Finding(name, Level.WARNING, texts.CLIENTS_UNKNOWN(words=seen.answer.message))
    known = {_identifier(member.get("id")) for member in members if isinstance(member, dict)}
    if settings.xroad_client in known:
        return Finding(name, Level.OK, texts.REGISTERED(client=client))
    return Finding(name, Level.FAILED, texts.NOT_REGISTERED(client=client))


def _identifier(parts: Any) -> str:
    keys = ("xroad_instance", "member_class", "member_code", "subsystem_code")
    return "/".join(str(parts.get(key, "")) for key in keys) if isinstance(parts, dict) else ""


def _right(settings: Settings, client: Client) -> Finding:
    """Check the access right with ``allowedMethods``. A service without endpoints is allowed as a whole."""
    name = "X-Road access"
    _, _, *provider, service = settings.api_path.split("/")[:7]
    path = "/" + "/".join(settings.api_path.split("/")[7:])
    seen = client.get(f"/r1/{'/'.join(provider)}/allowedMethods")
    services = seen.body.get("service") if isinstance(seen.body, dict) else None
    if not isinstance(services, list):
        permanent = seen.answer.outcome is Outcome.PERMANENT
        words = verbatim(seen.answer.error) if seen.answer.error else texts.RIGHTS_UNKNOWN(words=seen.answer.message)
        return Finding(name, Level.FAILED if permanent else Level.WARNING, words)
    ours = [entry for entry in services if isinstance(entry, dict) and entry.get("service_code") == service]
    if not ours:
        return Finding(name, Level.FAILED, texts.NO_RIGHT(service=service))
    endpoints = [end for entry in ours for end in entry.get("endpoint_list") or [] if isinstance(end, dict)]
    if not endpoints or any(_covers(end, path) for end in endpoints):
        return Finding(name, Level.OK, texts.MAY_CALL(client=str(settings.xroad_client), service=service))
    return Finding(name, Level.WARNING, texts.ENDPOINT_NOT_SEEN(service=service, path=path))


def _covers(endpoint: dict[str, Any], path: str) -> bool:
    return endpoint.get("method") in ("POST", "*") and fnmatch(path, str(endpoint.get("path")))
