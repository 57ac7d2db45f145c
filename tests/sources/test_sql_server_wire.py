"""SQL Server over its own protocol, with pymssql, against a stand-in: see :mod:`tests.sources.sqlserver`."""

from __future__ import annotations

import struct
import threading
import traceback
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa
from pytest_mock import MockerFixture
from tablero.contract.rules import Excluded, Rejected, validator
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.contract.windows import Window, dateless_window, month_windows, undated_window
from tablero.errors import SetupError, SourceUnavailable
from tablero.source import reader
from tablero.source.reader import Source
from tablero.source.view import Census

from tests.integration.samples import FEBRUARY, NOW, ZONE, counted
from tests.interrupting import TimeIsUp, interrupted_once
from tests.waiting import PATIENCE

if TYPE_CHECKING:
    from tests.sources.sqlserver import Stand

pytest.importorskip("pymssql", reason="needs the driver pymssql")
pytest.importorskip("pysqlbridge", reason="needs pysqlbridge, which speaks the protocol of SQL Server")

pytestmark = pytest.mark.system

VIEW = "tablero_status_changes"
BEFORE = undated_window(date(2020, 1, 1), ZONE)
MONTHS = month_windows(date(2020, 1, 1), date(2020, 4, 1), ZONE, NOW)
OPENED = datetime(2020, 1, 5, 8)  # noqa: DTZ001 as such a column gives it


@pytest.fixture
def stand() -> Iterator[Stand]:
    from tests.sources import sqlserver

    with sqlserver.running() as running:
        yield running


def source(stand: Stand, *, sql: str | None = None, table: str = VIEW, **login: Any) -> Source:
    engine = sa.create_engine(stand.address.set(**login), poolclass=sa.NullPool, hide_parameters=True)
    return Source(engine, table=table, sql=sql, zone=ZONE, day_zone=ZONE)


def inside(found: Source, window: Window) -> set[str]:
    return {row[1] for row in found.read(window) if found.holds(window, row[-1])}


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_everything_that_is_asked_is_understood(stand: Stand) -> None:
    """The stand-in understands every statement: check, samples, counts, windows, the whole view, one request and the clock."""
    from tests.sources.sqlserver import DATETIME

    moments = [local("2020-02-01") + timedelta(minutes=number) for number in range(12_000)]
    stand.fill(DATETIME, moments, opened=OPENED)
    found = source(stand)
    assert found.check() == list(FIELDS)
    assert len(found.sample(7)) == 7
    assert len(inside(found, FEBRUARY)) == counted(found, FEBRUARY) == 12_000
    assert found.census(BEFORE, NOW) == Census(12_000, 0, 0, 0)
    assert [row[1] for row in found.of_request("R-77") or []] == ["R-77"]
    assert found.of_request("R-nada") == []
    clock = found.clock()
    assert clock is not None
    assert abs(clock - datetime.now()) < timedelta(minutes=5)  # noqa: DTZ005 its zone is that of the server


def test_a_task_whose_time_is_up_does_not_wait(stand: Stand, mocker: MockerFixture) -> None:
    """pymssql can cancel nothing from outside, but the task ends; the server ends a statement when its connection is closed."""
    mocker.patch.object(reader, "GRACE", 0.1)
    asked, answered = threading.Event(), threading.Event()

    def answer(query: Any) -> Any:
        asked.set()
        answered.wait(PATIENCE)
        return stand.catalog.answer(query)

    stand.answer = answer
    with pytest.raises(TimeIsUp), interrupted_once(asked.is_set):
        source(stand).count([FEBRUARY])
    assert not answered.is_set()
    answered.set()


def test_steps_of_a_datetime(stand: Stand) -> None:
    """A datetime has steps of 1/300 s, so the last one before midnight is .997; each row lies in one month."""
    from tests.sources.sqlserver import DATETIME

    edges = ["2020-01-31 23:59:59.997", "2020-02-01", "2020-02-01 00:00:00.003", "1900-01-01"]
    stand.fill(DATETIME, [*map(local, edges), None], opened=OPENED)
    found = source(stand)
    assert inside(found, MONTHS[0]) == {"R-0"}
    assert inside(found, MONTHS[1]) == {"R-1", "R-2"}
    assert inside(found, BEFORE) == {"R-3", "R-4"}
    assert found.census(BEFORE, NOW) == Census(5, 1, 1, 0)
    (first,) = found.read(MONTHS[0])
    change = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)(first)
    assert isinstance(change, StatusChange)
    assert change.last_modified_date == datetime(2020, 2, 1, 3, 59, 59, 997_000, tzinfo=timezone.utc)


def test_what_an_application_writes_for_no_date(stand: Stand) -> None:
    """1900-01-01, which SQL Server makes of '', lies before the first month and is read there."""
    from tests.sources.sqlserver import DATETIME

    stand.fill(DATETIME, [local("1900-01-01"), local("2020-02-03 10:15")], opened=OPENED)
    found = source(stand)
    (row,) = (row for row in found.read(BEFORE) if found.holds(BEFORE, row[-1]))
    judged = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)(row)
    assert isinstance(judged, (Rejected, Excluded))


@pytest.mark.parametrize("kind", ["DateTime2", "DateTimeOffset", "Date"])
def test_other_types_of_dates(stand: Stand, kind: str) -> None:
    """Other date types are exact to the microsecond, and a datetimeoffset is an instant whatever its offset."""
    from tests.sources import sqlserver

    values, opened, expected = {
        "DateTime2": ([local("2020-02-03 10:15:00.123456")], OPENED, local("2020-02-03 14:15:00.123456")),
        "DateTimeOffset": (
            [datetime(2020, 2, 3, 23, 45, tzinfo=timezone(timedelta(hours=5, minutes=30)))],
            datetime(2020, 1, 5, tzinfo=timezone.utc),
            local("2020-02-03 18:15"),
        ),
        "Date": ([date(2020, 2, 3)], date(2020, 1, 5), local("2020-02-03 04:00")),
    }[kind]
    stand.show(getattr(sqlserver, kind)(), values, opened=opened)
    found = source(stand)
    found.check()
    (row,) = found.read(FEBRUARY)
    change = validator(zone=ZONE, earliest=datetime(2020, 1, 1, tzinfo=timezone.utc), now=NOW)(row)
    assert isinstance(change, StatusChange), change
    assert change.last_modified_date == expected.replace(tzinfo=timezone.utc)


class Written(bytearray):
    """What python-tds writes."""

    write, put_byte = bytearray.extend, bytearray.append

    def put_smallint(self, value: int) -> None:
        self.extend(struct.pack("<h", value))


def test_dates_as_another_implementation_sends_them() -> None:
    """The stand-in sends dates as python-tds does, an implementation of the protocol by others."""
    tds = pytest.importorskip("pytds.tds_types", reason="needs python-tds")
    from tests.sources import sqlserver

    def written(serializer: Any, value: object) -> bytes:
        to = Written()
        serializer.write(to, value)
        return bytes(to)

    precise, day = local("2020-02-03 10:15:00.123456"), date(2020, 2, 29)
    far = datetime(2020, 2, 3, 1, 45, 0, 100, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert sqlserver.DateTime2().encode(precise) == written(tds.DateTime2Serializer(tds.DateTime2Type(7)), precise)
    assert sqlserver.DateTimeOffset().encode(far) == written(tds.DateTimeOffsetSerializer(tds.DateTimeOffsetType(7)), far)
    assert sqlserver.Date().encode(day) == written(tds.MsDateSerializer(tds.DateType()), day)
    for text in ("2020-01-31 23:59:59.997", "2020-02-01 00:00:00.003", "1900-01-01", "2020-02-03 10:15:00.123456"):
        assert sqlserver.DATETIME.encode(local(text)) == b"\x08" + tds.DateTimeSerializer.encode(local(text))


TEXTS = ["2020-02-15 10:00", "15/02/2020 10:00", "2020-02-30", "pendiente", None, "2019-12-31 23:59:59", "2020-02-29T23:59:59Z"]


def test_text(stand: Stand) -> None:
    """Text that is no date is undated, as in other databases."""
    from pysqlbridge.tds.result import NVarChar

    stand.fill(NVarChar(40), TEXTS, opened="2020-01-05 08:00")
    found = source(stand)
    assert inside(found, FEBRUARY) == {"R-0", "R-6"}
    assert inside(found, dateless_window()) == {"R-1", "R-2", "R-3", "R-4"}
    assert inside(found, BEFORE) == {"R-1", "R-2", "R-3", "R-4", "R-5"}


def test_own_sql(stand: Stand) -> None:
    """Own SQL gets its bounds as parameters of the driver."""
    from tests.sources.sqlserver import DATETIME

    stand.fill(DATETIME, [local("2020-01-31 23:00"), local("2020-02-03 10:15"), local("2020-04-01")], opened=OPENED)
    sql = f"""-- a las 10:30, 100%
        SELECT * FROM {VIEW}
         WHERE last_modified_date >= CAST(:start AS DATETIME2) AND last_modified_date < CAST(:end AS DATETIME2)"""
    found = source(stand, sql=sql)
    assert found.check() == list(FIELDS)
    assert inside(found, FEBRUARY) == {"R-1"}


@pytest.mark.parametrize(
    ("login", "code"),
    [({"password": "otra clave"}, "error 18456"), ({"username": "nadie"}, "error 18456")],
)
def test_a_login_that_is_refused(stand: Stand, login: dict[str, str], code: str) -> None:
    """A refused login is a permanent error, and its password is never printed."""
    with pytest.raises(SetupError, match=code) as caught:
        source(stand, **login).check()
    assert "otra clave" not in "".join(traceback.format_exception(caught.value))


def test_a_view_that_is_missing(stand: Stand) -> None:
    """A missing view is message 208."""
    with pytest.raises(SetupError, match="error 208"):
        source(stand).check()


def test_a_column_that_is_missing(stand: Stand) -> None:
    """A missing column is named."""
    from pysqlbridge.source import Table
    from pysqlbridge.tds.result import Column, Integer

    stand.catalog.add(Table(VIEW, [Column("service_id", Integer(4))], [[1]]))
    with pytest.raises(SetupError, match="request_id"):
        source(stand).check()


@pytest.mark.parametrize(
    ("number", "words", "expected"),
    [
        (229, "Se denegó el permiso SELECT en el objeto 'h'", SetupError),
        (241, "Error al convertir una cadena de caracteres en fecha y/u hora.", SetupError),
        (245, "Error de conversión al convertir el valor '402-1234567-8 JUAN PEREZ' al tipo int", SetupError),
        (1205, "La transacción quedó en interbloqueo", SourceUnavailable),
        (50000, "'JUAN PEREZ' 402 no tiene fecha", SetupError),
    ],
)
def test_errors_by_number(stand: Stand, number: int, words: str, expected: type[Exception]) -> None:
    """Errors are judged by number, whatever the language, and show no value of a row."""
    stand.fail(number, words)
    with pytest.raises(expected, match=f"error {number}") as caught:
        source(stand).check()
    printed = "".join(traceback.format_exception(caught.value))
    assert "JUAN" not in printed
    assert "402" not in printed


def test_a_server_that_is_not_there(stand: Stand) -> None:
    """An unreachable server is transient, even after a refused login whose number the driver keeps."""
    with pytest.raises(SetupError):
        source(stand, username="nadie").check()
    with pytest.raises(SourceUnavailable):
        source(stand, port=1).check()


def test_breaking_off_leaves_no_connection_behind(stand: Stand) -> None:
    """A reading stopped after ten rows leaves no connection behind, and the next statement works."""
    from tests.sources.sqlserver import DATETIME

    stand.fill(DATETIME, [local("2020-02-01") + timedelta(minutes=number) for number in range(20_000)], opened=OPENED)
    engine = sa.create_engine(stand.address)
    found = Source(engine, table=VIEW, sql=None, zone=ZONE, day_zone=ZONE)
    rows = found.read(FEBRUARY)
    next(rows)
    rows.close()
    assert counted(found, FEBRUARY) == 20_000
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    engine.dispose()
