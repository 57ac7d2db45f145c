"""Use case: preflight. See, without any effect on either side, whether a load would go through.

Every check runs, whatever the others found, and says what to do about it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fnmatch import fnmatch
from typing import Any, Protocol

from sqlalchemy.engine import Engine
from tablero.contract.rules import Rejected, validator
from tablero.dashboard.answer import Answer, Outcome
from tablero.errors import TableroError, TransientError
from tablero.outbox import target
from tablero.outbox.engine import check_writable, schema_version
from tablero.settings import Settings
from tablero.source.reader import Source

#: Rows that are validated as a sample.
SAMPLE = 1_000

#: Seconds by which another clock may differ from ours.
CLOCK_TOLERANCE = 120

#: Zones differ by multiples of this, in seconds: what remains is the clocks' difference.
_ZONE_STEP = 900


class Level(Enum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """What one check found.

    :ivar check: its name.
    :ivar text: what was seen and, unless all is well, what to do; Spanish / English.
    :ivar transient: whether a later try may find otherwise.
    """

    check: str
    level: Level
    text: str
    transient: bool = False

    def __str__(self) -> str:
        return f"[{self.level.value}] {self.check}: {self.text}"


class Looker(Protocol):
    """Looks at a path of the security server; :class:`tablero.dashboard.client.Dashboard`."""

    @property
    def url(self) -> str:
        """Where batches are posted."""
        ...

    def look(self, path: str) -> Any:
        """GET a path; see :class:`tablero.dashboard.client.Look`."""
        ...


def inspect(
    settings: Settings,
    *,
    source: Callable[[], AbstractContextManager[Source]],
    outbox: Callable[[], AbstractContextManager[Engine]] | None,
    dashboard: Callable[[], Looker] | None,
    clock: Callable[[], datetime],
) -> Iterator[Finding]:
    """Run all checks.

    :param source: opens the source.
    :param outbox: opens the outbox; ``None`` for a dry run, which must not make one.
    :param dashboard: makes the client; ``None`` for a dry run.
    """
    yield from _guarded("source", lambda: _source(settings, source, clock()))
    if outbox is not None:
        yield from _guarded("outbox", lambda: _outbox(settings, outbox, dashboard))
    if dashboard is not None:
        yield from _guarded("dashboard", lambda: _dashboard(settings, dashboard(), clock))


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except TableroError as error:
        yield Finding(name, Level.FAILED, str(error), isinstance(error, TransientError))


def _source(settings: Settings, opener: Callable[[], AbstractContextManager[Source]], now: datetime) -> Iterator[Finding]:
    with opener() as source:
        yield Finding("source", Level.OK, f"columnas / columns: {', '.join(source.check())}")
        yield from _guarded("source clock", lambda: _source_clock(source, now))
        yield from _guarded("source sample", lambda: _sample(settings, source, now))
        yield from _guarded("source coverage", lambda: _unseen(source, now))


def _source_clock(source: Source, now: datetime) -> Iterator[Finding]:
    theirs = source.clock()
    if theirs is not None:
        aware = theirs if theirs.tzinfo else theirs.replace(tzinfo=now.tzinfo)
        yield _clocks("source clock", (aware - now).total_seconds())


def _clocks(name: str, difference: float) -> Finding:
    apart = abs((difference + _ZONE_STEP / 2) % _ZONE_STEP - _ZONE_STEP / 2)
    if apart <= CLOCK_TOLERANCE:
        return Finding(name, Level.OK, "los relojes coinciden / the clocks agree")
    return Finding(
        name,
        Level.WARNING,
        f"los relojes difieren {apart:.0f} s; sincronice con NTP / the clocks differ by {apart:.0f} s; synchronise by NTP",
    )


def _sample(settings: Settings, source: Source, now: datetime) -> Iterator[Finding]:
    validate = validator(zone=settings.source_zone, earliest=settings.earliest_instant, now=now)
    rows = source.sample(SAMPLE)
    reasons = Counter(found.reason.value for found in map(validate, rows) if isinstance(found, Rejected))
    wrong = reasons.total()
    if not rows:
        yield Finding("source sample", Level.WARNING, "la vista está vacía / the view is empty")
    elif not wrong:
        yield Finding("source sample", Level.OK, f"{len(rows)} filas válidas / valid rows")
    else:
        listed = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        yield Finding(
            "source sample",
            Level.FAILED if wrong == len(rows) else Level.WARNING,
            f"{wrong} de {len(rows)} filas se rechazarían; corrija la vista / {wrong} of {len(rows)} rows would be rejected;"
            f" correct the view: {listed}",
        )


def _unseen(source: Source, now: datetime) -> Iterator[Finding]:
    counts = source.unseen(now)
    if counts is None:
        text = "con source_sql no se cuentan filas sin fecha / with source_sql rows without a date are not counted"
        yield Finding("source coverage", Level.WARNING, text)
    elif any(counts):
        missing, future = counts
        yield Finding(
            "source coverage",
            Level.WARNING,
            f"{missing} filas sin last_modified_date y {future} con fecha futura no se leerán nunca o no todavía; corríjalas"
            f" en la fuente / {missing} rows without last_modified_date and {future} in the future are never read, or not yet;"
            " correct them at the source",
        )
    else:
        yield Finding("source coverage", Level.OK, "toda fila cae en una ventana / every row lies in a window")


def _outbox(
    settings: Settings, opener: Callable[[], AbstractContextManager[Engine]], dashboard: Callable[[], Looker] | None
) -> Iterator[Finding]:
    with opener() as engine:
        check_writable(engine)
        where = engine.url.render_as_string(hide_password=True)
        yield Finding("outbox", Level.OK, f"{where}, esquema / schema {schema_version(engine)}")
        if dashboard is not None:
            yield from _guarded("target", lambda: _target(settings, engine, dashboard))


def _target(settings: Settings, engine: Engine, dashboard: Callable[[], Looker]) -> Iterator[Finding]:
    try:
        name = target.name_of(settings, dashboard().url)
    except TableroError:
        return  # told by the check of the dashboard
    target.require(engine, name)
    yield Finding("target", Level.OK, f"el outbox entrega a / the outbox delivers to {name}")


def _dashboard(settings: Settings, looker: Looker, clock: Callable[[], datetime]) -> Iterator[Finding]:
    seen = looker.look("/listClients" if settings.over_xroad else "/")
    answer: Answer = seen.answer
    if answer.status is None:
        yield Finding("dashboard", Level.FAILED, answer.error, answer.outcome is not Outcome.PERMANENT)
        return
    yield Finding("dashboard", Level.OK, f"{looker.url} responde / answers (HTTP {answer.status})")
    if seen.date is not None:
        yield _clocks("dashboard clock", (seen.date - clock()).total_seconds())
    if settings.over_xroad:
        yield _own_subsystem(settings, seen)
        yield _right(settings, looker)


def _own_subsystem(settings: Settings, seen: Any) -> Finding:
    name = "X-Road client"
    members = seen.body.get("member") if isinstance(seen.body, dict) else None
    if not isinstance(members, list):
        return Finding(name, Level.WARNING, f"listClients no lo dice / listClients does not tell: {seen.answer.message}")
    known = {_identifier(member.get("id")) for member in members if isinstance(member, dict)}
    if settings.xroad_client in known:
        return Finding(name, Level.OK, f"{settings.xroad_client} está registrado / is registered")
    return Finding(
        name,
        Level.FAILED,
        f"{settings.xroad_client} no figura en listClients: revise [tablero] xroad_client, o complete el registro / is not in"
        " listClients: check [tablero] xroad_client, or complete its registration",
    )


def _identifier(parts: Any) -> str:
    keys = ("xroad_instance", "member_class", "member_code", "subsystem_code")
    return "/".join(str(parts.get(key, "")) for key in keys) if isinstance(parts, dict) else ""


def _right(settings: Settings, looker: Looker) -> Finding:
    """Read ``allowedMethods``: listed without endpoints means all of the service (its base endpoint is not shown)."""
    name = "X-Road access"
    _, _, *provider, service = settings.api_path.split("/")[:7]
    path = "/" + "/".join(settings.api_path.split("/")[7:])
    seen = looker.look(f"/r1/{'/'.join(provider)}/allowedMethods")
    services = seen.body.get("service") if isinstance(seen.body, dict) else None
    if not isinstance(services, list):
        permanent = seen.answer.outcome is Outcome.PERMANENT
        text = seen.answer.error or f"allowedMethods: {seen.answer.message}"
        return Finding(name, Level.FAILED if permanent else Level.WARNING, text)
    ours = [entry for entry in services if isinstance(entry, dict) and entry.get("service_code") == service]
    if not ours:
        return Finding(
            name,
            Level.FAILED,
            f"sin permiso para {service}: solicítelo a Burocracia Cero / OGTIC / no right to {service}: ask Burocracia Cero /"
            " OGTIC for it",
        )
    endpoints = [end for entry in ours for end in entry.get("endpoint_list") or [] if isinstance(end, dict)]
    if not endpoints or any(_covers(end, path) for end in endpoints):
        return Finding(name, Level.OK, f"{settings.xroad_client} puede llamar a / may call {service}")
    return Finding(
        name,
        Level.WARNING,
        f"{service} está permitido, pero no se ve POST {path}; pregunte a OGTIC / is allowed, but POST {path} is not seen;"
        " ask OGTIC",
    )


def _covers(endpoint: dict[str, Any], path: str) -> bool:
    return endpoint.get("method") in ("POST", "*") and fnmatch(path, str(endpoint.get("path")))
