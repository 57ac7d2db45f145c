"""Creates the database of a sample institution: its history of requests and the view that the project reads.

``python -m sandbox.institution --database PATH --rows 200000 --seed 7 --today 2026-11-24``

The tables are the institution's own (Spanish names, its own status codes, dates as text in
several forms); the view ``tablero_status_changes`` is the only thing that the project may read. A
small part of the rows is wrong in every way that real rows are, and :class:`Summary` says
how many, so that a run can be compared with it.
"""

from __future__ import annotations

import argparse
import json
import random
import sqlite3
import sys
from bisect import bisect
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from itertools import accumulate, cycle
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE = "America/Santo_Domingo"
FEWEST_ROWS = 500

#: Increased when the same parameters give other rows than before, so that an older file is replaced.
_VERSION = 1
_FIRST_DAY = date(2020, 1, 1)
_START = datetime.combine(_FIRST_DAY, time())  # local, as the institution writes it

_SCHEMA = """
create table parametros (nombre text primary key, valor text not null);
create table servicios (
    id_servicio    integer primary key,
    nombre         text not null,
    siglas         text not null,
    codigo_tablero text               -- service_id que asignó Burocracia Cero
);
create table estados (
    codigo      text primary key,     -- código propio de la institución
    descripcion text not null,
    id_tablero  integer               -- estado equivalente en el tablero
);
create table historial_solicitudes (
    id_historial    integer primary key,
    id_servicio     integer not null references servicios,
    no_solicitud    text,
    fecha_solicitud text,
    codigo_estado   text not null,    -- sin clave foránea: hay códigos que ya no existen
    fecha_estado    text not null,
    canal           text not null
);
create view tablero_status_changes as
select s.codigo_tablero  as service_id,
       h.no_solicitud    as request_id,
       h.fecha_solicitud as opening_date,
       e.id_tablero      as status_id,
       h.fecha_estado    as last_modified_date
  from historial_solicitudes h
  left join servicios s on s.id_servicio = h.id_servicio
  left join estados e on e.codigo = h.codigo_estado;
"""
# Created after the rows, which is faster; it makes reading a month or a day through the view fast.
_INDEX = "create index historial_por_fecha_estado on historial_solicitudes (fecha_estado)"
_INSERT = """
insert into historial_solicitudes
       (id_servicio, no_solicitud, fecha_solicitud, codigo_estado, fecha_estado, canal)
values (?, ?, ?, ?, ?, ?)
"""
# Valid requests opened before ?1 and without a change at that instant.
_CHANGEABLE = """
select h.id_servicio, h.no_solicitud, h.fecha_solicitud, max(h.canal), s.codigo_tablero
  from historial_solicitudes h
  join servicios s on s.id_servicio = h.id_servicio
 where trim(s.codigo_tablero) <> ''
   and h.no_solicitud glob '[A-Z][A-Z][A-Z]-20[0-9][0-9]-[0-9]*'
   and length(h.no_solicitud) <= 20
   and h.fecha_solicitud glob '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]'
   and h.fecha_solicitud between '2020-01-01' and ?1
 group by h.id_servicio, h.no_solicitud, h.fecha_solicitud
having max(h.fecha_estado) < ?1
 order by max(h.fecha_estado) desc, h.no_solicitud
 limit ?2
"""

# (name, letters of its request numbers, id at the dashboard, share of the requests)
_SERVICES = (
    ("Licencia de construcción menor", "LCM", "1041", 14),
    ("Certificación de cumplimiento", "CCU", "1042", 25),
    ("Registro de proveedor", "RPR", "1043", 9),
    ("Permiso de operación", "POP", "1057", 18),
    ("Duplicado de certificado", "DUP", "1058", 22),
    ("Inspección técnica", "INS", "1063", 5),
    ("Atención de quejas y reclamaciones", "QUE", "1070", 7),
)
_COMPLAINTS_SERVICE = 7
# Not yet registered at the dashboard, or registered with nothing in the field.
_SERVICES_WITHOUT_ID = (("Consulta jurídica", "JUR", None), ("Capacitación", "CAP", "   "))

# The institution's codes and the dashboard's ids: the guide's table of 21.
_STATUSES = {
    "GEN": ("Generado", 1),
    "REV": ("En revisión", 2),
    "APR": ("Aprobado", 3),
    "EAP": ("En aprobación", 4),
    "PAG": ("En espera de pago", 5),
    "DEV": ("Devuelto", 6),
    "COM": ("Completado", 7),
    "RCH": ("Rechazado", 8),
    "REC": ("Recibido", 9),
    "CAN": ("Cancelado", 10),
    "TMP": ("Temporal", 11),
    "ATR": ("Atraso por el cliente", 12),
    "DIS": ("Disponible para entrega", 13),
    "ENT": ("Entregado", 14),
    "ESP": ("En espera de acción requerida", 15),
    "PNA": ("Pagado / no actualizado", 16),
    "QAB": ("Queja abierta", 17),
    "QPR": ("Queja en proceso", 18),
    "QCE": ("Queja cerrada", 19),
    "QDE": ("Queja descartada", 20),
    "PRO": ("En proceso", 21),
    # A code mapped to a status that the dashboard does not have.
    "ARC": ("Archivado", 99),
}
_UNKNOWN_CODES = ("ARC", "MIG")  # MIG, from an older system, is not in the table at all

# Sequences of statuses of requests, with their weights.
_PATHS = (
    ("REC REV EAP APR DIS ENT", 20),
    ("REC REV APR COM", 18),
    ("GEN PAG PNA REV APR COM", 12),
    ("REC PRO COM", 12),
    ("REC REV RCH", 8),
    ("REC REV DEV REV APR ENT", 7),
    ("REC ESP PRO COM", 6),
    ("GEN PAG ATR CAN", 5),
    ("TMP GEN REV APR COM", 4),
    ("GEN CAN", 4),
    ("REC", 4),
)
_COMPLAINT_PATHS = (("QAB QPR QCE", 7), ("QAB QPR", 2), ("QAB QDE", 1))

_HOURS = (6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 19, 21)  # never the hours in which clocks change
_HOUR_WEIGHTS = (1, 3, 12, 16, 16, 14, 7, 8, 12, 10, 6, 2, 2, 1)
_NOT_DATES = ("", "0000-00-00 00:00:00", "31/12/2021", "2021-02-30 10:00:00", "pendiente", None)


@dataclass
class Summary:
    """The contents of the view: ``total = valid + duplicates + excluded + sum(wrong.values())``."""

    #: All rows.
    total: int = 0
    #: Different rows that satisfy the contract: those that a complete run delivers.
    valid: int = 0
    #: Further occurrences of valid rows, the same in all five columns.
    duplicates: int = 0
    #: Rows of requests opened before 2020-01-01: valid, but not wanted by the dashboard.
    excluded: int = 0
    #: Rows that break the contract, by what is wrong: missing_service_id, missing_request_id,
    #: unknown_status, opening_not_a_date, opening_after_change, too_long, control_characters. Each has
    #: one fault and differs from all others.
    wrong: dict[str, int] = field(default_factory=dict)
    #: Rows of any kind whose change lies on the last whole day before ``now``.
    yesterday: int = 0


# (id_servicio, no_solicitud, fecha_solicitud, codigo_estado, fecha_estado, canal)
_HistoryRow = tuple[int, "str | None", "str | None", str, str, str]
# when the status changed (local), and the row that says so
_Change = tuple[datetime, _HistoryRow]


def create(database: Path, *, rows: int, seed: int, now: datetime, zone: str = DEFAULT_ZONE) -> Summary:
    """Create the database, or keep it if it was created with the same parameters before.

    :param database: SQLite file. One created with other parameters is replaced; one of another origin never.
    :param rows: how many status changes, at least 500.
    :param seed: the same parameters always give the same rows.
    :param now: an aware instant; every change lies before it.
    :param zone: the institution's time zone, in which dates without an offset are written.
    :raises ValueError: if a parameter is out of range, or the file is not ours.
    """
    if now.tzinfo is None:
        raise ValueError("now needs a time zone")
    if rows < FEWEST_ROWS:
        raise ValueError(f"rows = {rows}: at least {FEWEST_ROWS} are needed to have some of each kind")
    local_now = now.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    if local_now.date() < date(2020, 3, 1):
        raise ValueError(f"now = {now}: the history begins in 2020-01, so now must be 2020-03-01 or later")
    parameters = {
        "version": _VERSION,
        "rows": rows,
        "seed": seed,
        "now": now.astimezone(timezone.utc).isoformat(),
        "zone": zone,
    }
    if database.exists():
        found, summary = _read_parameters(database)
        if found == parameters:
            return summary
    database.parent.mkdir(parents=True, exist_ok=True)
    # Created in a temporary file and moved when complete: an interrupted run leaves no incomplete database.
    unfinished = database.with_name(database.name + ".unfinished")
    unfinished.unlink(missing_ok=True)
    maker = _Maker(random.Random(f"{_VERSION}/{seed}"), rows, local_now, ZoneInfo(zone))
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        connection.executescript(_SCHEMA)
        connection.execute("begin")
        _insert_lists(connection)
        connection.executemany(_INSERT, maker.history())
        connection.execute(_INDEX)
        _write_parameters(connection, parameters, maker.summary)
        connection.execute("commit")
        connection.execute("analyze")
    unfinished.replace(database)
    return maker.summary


def add_changes(database: Path, n: int, when: datetime) -> list[tuple[str, str, str, int, str]]:
    """Let ``n`` existing requests change at one instant, those that changed last first.

    :param when: an aware instant; written as local time without offset, to the second.
    :returns: the new rows as the view returns them, all valid. The stored :class:`Summary` includes them.
    :raises ValueError: if fewer than ``n`` requests can change at that instant.
    """
    parameters, summary = _read_parameters(database)
    zone = ZoneInfo(parameters["zone"])
    moment = when.astimezone(zone).replace(tzinfo=None, microsecond=0)
    text = moment.isoformat(" ")
    with (
        closing(sqlite3.connect(database, isolation_level=None, timeout=30)) as connection,
        _transaction(connection),
    ):
        requests = connection.execute(_CHANGEABLE, (text, n)).fetchall()
        if len(requests) < n:
            raise ValueError(f"only {len(requests)} requests can change at {text}, not {n}")
        added: list[tuple[str, str, str, int, str]] = []
        # zip ends with the requests
        for request, code in zip(requests, cycle(("PRO", "REV", "COM")), strict=False):
            service, number, opened, channel, service_id = request
            connection.execute(_INSERT, (service, number, opened, code, text, channel))
            added.append((service_id, number, opened, _STATUSES[code][1], text))
        summary.total += n
        summary.valid += n
        _write_parameters(connection, parameters, summary)
    return added


class _Maker:
    """Generates the rows one by one, so that memory does not grow, and counts them in ``summary``."""

    def __init__(self, rng: random.Random, rows: int, now: datetime, zone: ZoneInfo) -> None:
        self.summary = Summary()
        self._rng = rng
        self._now = now  # local and naive, like all instants in this class
        self._zone = zone
        midnight = datetime.combine(now.date(), time())
        self._yesterday = (midnight - timedelta(days=1), midnight)
        self._numbers: Counter[str] = Counter()
        self._used: set[datetime] = set()
        self._wrong_each = max(3, rows // 3000)
        self._excluded = max(6, rows // 200)
        self._duplicates = max(5, rows // 400)
        self._valid = rows - len(_WRONG) * self._wrong_each - self._excluded - self._duplicates
        self._duplicate_every = self._valid // self._duplicates
        last_day = (now - timedelta(microseconds=1)).date()
        self._days = [_FIRST_DAY + timedelta(days=number) for number in range((last_day - _FIRST_DAY).days + 1)]
        self._day_weights = list(accumulate(_volume(day) for day in self._days))

    def history(self) -> Iterator[_HistoryRow]:
        """All rows."""
        for changed, row in self._valid_rows():
            if self.summary.valid == self._valid:
                break
            self.summary.valid += 1
            yield self._counted(changed, row)
            if self.summary.valid % self._duplicate_every == 0 and self.summary.duplicates < self._duplicates:
                self.summary.duplicates += 1
                yield self._counted(changed, row)
        for kind, make in _WRONG.items():
            self.summary.wrong[kind] = self._wrong_each
            for _ in range(self._wrong_each):
                changed = self._fresh_moment()
                yield self._counted(changed, make(self, changed))
        for _ in range(self._excluded):
            changed = self._fresh_moment(until=_START + timedelta(days=60))
            opened = _START - timedelta(seconds=1, minutes=self._rng.randrange(60 * 24 * 200))
            self.summary.excluded += 1
            yield self._counted(changed, self._row(self._service(), opened, "COM", changed))

    def _counted(self, changed: datetime, row: _HistoryRow) -> _HistoryRow:
        self.summary.total += 1
        self.summary.yesterday += self._yesterday[0] <= changed < self._yesterday[1]
        return row

    # -- valid rows ------------------------------------------------------------------------------------

    def _valid_rows(self) -> Iterator[_Change]:
        yield from self._edges_of_months()
        yield from self._changes_of_yesterday()
        while True:
            opened = self._moment()
            service = self._service()
            paths = _COMPLAINT_PATHS if service == _COMPLAINTS_SERVICE else _PATHS
            (path,) = self._rng.choices([path for path, _ in paths], [weight for _, weight in paths])
            yield from self._request(service, opened, path.split())

    def _edges_of_months(self) -> Iterator[_Change]:
        """In each month, a request opened in its first second and changed in its last."""
        first = _START
        while first < self._now:
            following = (first + timedelta(days=32)).replace(day=1)
            last = following - timedelta(seconds=1)
            changes = [(first, "REC")] + ([(last, "COM")] if last < self._now else [])
            yield from self._changes(self._service(), first, changes)
            first = following

    def _changes_of_yesterday(self) -> Iterator[_Change]:
        """Some changes on any day of the week, among them requests with several changes on that day."""
        for _ in range(max(5, (self._valid - 300) // 4000)):
            opened = self._at_an_hour(self._yesterday[0].date() - timedelta(days=self._rng.randint(1, 20)))
            changes = [(opened, "REC")]
            moment = self._yesterday[0] + timedelta(hours=8, minutes=self._rng.randrange(60))
            for code in ("REV", "EAP", "APR")[: self._rng.randint(1, 3)]:
                changes.append((moment, code))
                moment += timedelta(minutes=self._rng.randint(5, 180))
            yield from self._changes(self._service(), opened, changes)

    def _request(self, service: int, opened: datetime, path: Sequence[str]) -> Iterator[_Change]:
        changes = [(opened, path[0])]
        moment = opened
        for code in path[1:]:
            following = self._later(moment)
            if following >= self._now:
                break  # still in progress
            changes.append((following, code))
            moment = following
        yield from self._changes(service, opened, changes)

    def _later(self, moment: datetime) -> datetime:
        """The time of the next step: some hours or days later, in office hours, rarely at a weekend."""
        days = self._rng.expovariate(1 / 3)
        if days < 0.3:
            return moment + timedelta(minutes=self._rng.randint(2, 90))
        day = moment.date() + timedelta(days=max(1, round(days)))
        if day.weekday() >= 5 and self._rng.random() < 0.85:
            day += timedelta(days=7 - day.weekday() + self._rng.choice((0, 0, 1, 2, 3)))
        return self._at_an_hour(day)

    def _changes(self, service: int, opened: datetime, changes: Sequence[tuple[datetime, str]]) -> Iterator[_Change]:
        number, opening, channel = self._number(service, opened), self._text(opened), self._channel()
        for changed, code in changes:
            yield changed, (service, number, opening, code, self._text(changed), channel)

    # -- invalid rows ----------------------------------------------------------------------------------

    def _fresh_moment(self, until: datetime | None = None) -> datetime:
        """An instant that no other wrong row has, so that all differ; a few days from either end of the
        history.
        """
        last = min(until or self._now, self._now - timedelta(days=3))
        seconds = int((last - _START).total_seconds())
        while True:
            moment = _START + timedelta(seconds=self._rng.randrange(60 * 60 * 24, seconds))
            moment = moment.replace(hour=8 + moment.hour % 10)
            if moment not in self._used:
                self._used.add(moment)
                return moment

    def _opened_before(self, changed: datetime) -> datetime:
        opened = changed - timedelta(minutes=self._rng.randint(1, 60 * 24 * 10))
        return max(opened, _START)

    def _without_service_id(self, changed: datetime) -> _HistoryRow:
        service = len(_SERVICES) + self._rng.randint(1, len(_SERVICES_WITHOUT_ID))
        return self._row(service, self._opened_before(changed), "REC", changed)

    def _without_request_id(self, changed: datetime) -> _HistoryRow:
        number = self._rng.choice((None, "", "   "))
        return self._row(self._service(), self._opened_before(changed), "REC", changed, number=number)

    def _with_unknown_status(self, changed: datetime) -> _HistoryRow:
        code = self._rng.choice(_UNKNOWN_CODES)
        return self._row(self._service(), self._opened_before(changed), code, changed)

    def _with_no_date(self, changed: datetime) -> _HistoryRow:
        row = self._row(self._service(), changed, "REC", changed)
        return (*row[:2], self._rng.choice(_NOT_DATES), *row[3:])

    def _opened_too_late(self, changed: datetime) -> _HistoryRow:
        opened = changed + timedelta(minutes=self._rng.randint(1, 60 * 24))
        return self._row(self._service(), opened, "REV", changed)

    def _with_too_long_id(self, changed: datetime) -> _HistoryRow:
        number = self._number(1, changed) + "-" + "9" * 300
        return self._row(1, self._opened_before(changed), "REC", changed, number=number)

    def _with_control_characters(self, changed: datetime) -> _HistoryRow:
        number = self._number(2, changed)
        cut = self._rng.randint(3, 8)
        number = number[:cut] + self._rng.choice("\x00\x07\t\n\x1b\x85") + number[cut:]
        return self._row(2, self._opened_before(changed), "REC", changed, number=number)

    def _row(self, service: int, opened: datetime, code: str, changed: datetime, **replaced: str | None) -> _HistoryRow:
        number = replaced["number"] if "number" in replaced else self._number(service, opened)
        return service, number, self._text(opened), code, self._text(changed), self._channel()

    # -- single values ---------------------------------------------------------------------------------

    def _moment(self) -> datetime:
        """The opening time of a request, by the volume of the days and the hours of work, before ``now``."""
        while True:
            day = self._days[bisect(self._day_weights, self._rng.random() * self._day_weights[-1])]
            moment = self._at_an_hour(day)
            if moment < self._now:
                return moment

    def _at_an_hour(self, day: date) -> datetime:
        (hour,) = self._rng.choices(_HOURS, _HOUR_WEIGHTS)
        seconds = self._rng.randrange(3600)
        microseconds = self._rng.randrange(1_000_000) if self._rng.random() < 0.01 else 0
        return datetime.combine(day, time(hour, seconds // 60, seconds % 60, microseconds))

    def _service(self) -> int:
        (service,) = self._rng.choices(range(1, len(_SERVICES) + 1), [share for _, _, _, share in _SERVICES])
        return service

    def _number(self, service: int, opened: datetime) -> str:
        letters = (_SERVICES + _SERVICES_WITHOUT_ID)[service - 1][1]
        series = f"{letters}-{opened.year}"
        self._numbers[series] += 1
        return f"{series}-{self._numbers[series]:06d}"

    def _channel(self) -> str:
        return "WEB" if self._rng.random() < 0.55 else "PRESENCIAL"

    def _text(self, moment: datetime) -> str:
        """Mostly local time without an offset; sometimes in the format of other software of the institution."""
        form = self._rng.random()
        if form < 0.95:
            return moment.isoformat(" ")
        aware = moment.replace(tzinfo=self._zone)
        if form < 0.98:
            return aware.isoformat()
        return aware.astimezone(timezone.utc).replace(tzinfo=None).isoformat() + "Z"


_WRONG: dict[str, Callable[[_Maker, datetime], _HistoryRow]] = {
    "missing_service_id": _Maker._without_service_id,
    "missing_request_id": _Maker._without_request_id,
    "unknown_status": _Maker._with_unknown_status,
    "opening_not_a_date": _Maker._with_no_date,
    "opening_after_change": _Maker._opened_too_late,
    "too_long": _Maker._with_too_long_id,
    "control_characters": _Maker._with_control_characters,
}


def _volume(day: date) -> float:
    """Relative number of requests opened on a day: few at weekends, a little more each year, hardly any
    in a lockdown.
    """
    weekday = (1.15, 1.05, 1.0, 1.0, 0.9, 0.25, 0.08)[day.weekday()]
    if (day.month, day.day) in ((1, 1), (1, 21), (2, 27), (5, 1), (8, 16), (9, 24), (11, 6), (12, 25)):
        weekday = 0.05
    season = 0.7 if day.month == 12 else 1.15 if day.month in (1, 2, 8, 9) else 1.0
    lockdown = 0.3 if date(2020, 3, 19) <= day < date(2020, 6, 1) else 1.0
    return weekday * season * lockdown * (1 + 0.08 * (day.year - 2020))


def _insert_lists(connection: sqlite3.Connection) -> None:
    services = [service[:3] for service in _SERVICES] + list(_SERVICES_WITHOUT_ID)
    connection.executemany("insert into servicios (nombre, siglas, codigo_tablero) values (?, ?, ?)", services)
    statuses = [(code, name, number) for code, (name, number) in _STATUSES.items()]
    connection.executemany("insert into estados values (?, ?, ?)", statuses)


def _write_parameters(connection: sqlite3.Connection, parameters: dict[str, Any], summary: Summary) -> None:
    values = [("parametros", json.dumps(parameters)), ("resumen", json.dumps(asdict(summary)))]
    connection.executemany("insert or replace into parametros values (?, ?)", values)


def _read_parameters(database: Path) -> tuple[dict[str, Any], Summary]:
    address = f"{database.absolute().as_uri()}?mode=rw"
    try:
        with closing(sqlite3.connect(address, uri=True)) as connection:
            values = dict(connection.execute("select nombre, valor from parametros").fetchall())
        return json.loads(values["parametros"]), Summary(**json.loads(values["resumen"]))
    except (sqlite3.DatabaseError, KeyError, TypeError, ValueError) as exc:
        raise ValueError(f"{database} was not made by sandbox.institution; it is left as it is") from exc


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("begin immediate")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.institution", description=__doc__.partition("\n")[0])
    parser.add_argument("--database", type=Path, required=True, help="SQLite file to make")
    parser.add_argument("--rows", type=int, default=200_000, help="status changes (default %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="the same seed makes the same rows (default %(default)s)")
    parser.add_argument(
        "--today",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="all changes lie before the beginning of this day (default: today)",
    )
    parser.add_argument("--zone", default=DEFAULT_ZONE, help="the institution's time zone (default %(default)s)")
    options = parser.parse_args(arguments)
    try:
        zone = ZoneInfo(options.zone)
    except (ZoneInfoNotFoundError, ValueError):
        parser.error(f"--zone {options.zone}: there is no such time zone")
    today = options.today or datetime.now(zone).date()
    try:
        summary = create(
            options.database,
            rows=options.rows,
            seed=options.seed,
            now=datetime.combine(today, time(), zone),
            zone=options.zone,
        )
    except ValueError as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"{options.database}: {summary.total} changes, {summary.yesterday} on the day before {today}")
    print(f"  {summary.valid} valid, {summary.duplicates} duplicates, {summary.excluded} opened before 2020")
    for kind, count in summary.wrong.items():
        print(f"  {count} {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
