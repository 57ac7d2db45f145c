"""PostgreSQL with psycopg, in its binary protocol, which takes half the time of text to read.

Session settings are set in each transaction, since a pooler such as PgBouncer may use another connection for each.
"""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from tablero.errors import SetupError
from tablero.source.dialects.base import CHUNK, CONNECT_WITHIN, Chunks, ColumnKind, Dialect, Stream, UnreadableType, shut
from tablero.source.dialects.session import require_agreement
from tablero.texts import source as texts

#: By type OID, which is the same on every server. A domain is reported with the OID of its base type.
_KINDS = {
    1184: ColumnKind.AWARE,
    1114: ColumnKind.NAIVE,
    1082: ColumnKind.DAY,
    **dict.fromkeys((25, 1043, 1042), ColumnKind.TEXT),  # text, varchar, char
}

#: Types that psycopg reads correctly in binary. With any other (enums, citext, extension types) all columns are read as text.
_BINARY = {*_KINDS, 16, 17, 20, 21, 23, 700, 701, 1700, 2950}  # bool, bytea, the integers, the floats, numeric, uuid

#: How PostgreSQL stores infinity: the largest and the smallest integer of the type's size.
_INFINITIES = {
    edge: name
    for size in (4, 8)
    for edge, name in ((2 ** (8 * size - 1) - 1, "infinity"), (-(2 ** (8 * size - 1)), "-infinity"))
}

_CURSOR = "tablero"

#: Timeout of a cancel request, in seconds.
_CANCEL_WITHIN = 5

#: For one transaction. The time zone affects what the institution's SQL returns (docs/dba.md). Of DateStyle only the output
#: format is set; the order of day and month, which affects how the institution's SQL parses dates, is kept. The planner is told
#: that the cursor is read to its end, instead of its first tenth; and not to compile the conditions by which a million rows are
#: counted, which took 40 s of processor time where executing them took one.
_BEGIN = (
    "SELECT set_config('timezone', %s, true), set_config('datestyle', 'ISO', true),"
    " set_config('cursor_tuple_fraction', '1', true),"
    " CASE WHEN current_setting('jit', true) IS NOT NULL THEN set_config('jit', 'off', true) END"
)


class PostgreSQL(Dialect):
    """PostgreSQL with any encoding, time zone and language, also behind a pooler or as a standby."""

    def prepare(self, engine: Engine) -> None:
        """Text in UTF-8 whatever the server's encoding; no prepared statements, which do not survive a pooler."""
        if engine.driver != "psycopg":
            raise SetupError(texts.WRONG_DRIVER(driver=engine.driver, wanted="psycopg"))
        event.listen(engine, "do_connect", _ask_for_utf8)
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "connect", self._refuse_other_settings)

    def _refuse_other_settings(self, connection: Any, _record: Any) -> None:
        # As libpq found them, also in the file of a service.
        require_agreement(connection.info.get_parameters().get("options", ""), "options", self.zone)

    def set_up(self, connection: Connection) -> None:
        """Set time zone and date format in each transaction: one is rolled back if the view is found under another name."""
        event.listen(connection, "begin", self._begin)
        connection.begin()

    def _begin(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql(_BEGIN, (str(self.zone),))
        except sa.exc.DataError as error:
            raise SetupError(texts.ZONE_NOT_KNOWN(zone=str(self.zone))) from error
        if _keeps_any_bytes(connection.connection.driver_connection):
            connection.exec_driver_sql("SET LOCAL client_encoding = 'SQL_ASCII'")

    def kind_of(self, connection: Connection, column: sa.ColumnClause[Any]) -> ColumnKind | None:
        """From the description of an empty result; needs no value."""
        ((_, oid),) = _described(connection, sa.select(column))
        if oid in _KINDS:
            return _KINDS[oid]
        query = sa.text("SELECT typcategory, format_type(oid, NULL) FROM pg_catalog.pg_type WHERE oid = :oid")
        category, name = connection.execute(query, {"oid": oid}).one()
        if category == "S":  # citext, name
            return ColumnKind.TEXT
        raise UnreadableType(str(name))

    def comparable(self, column: sa.ColumnClause[Any], kind: ColumnKind) -> sa.ColumnElement[Any]:
        """Text in byte order."""
        return column.collate("C") if kind is ColumnKind.TEXT else column

    def is_a_day(self, column: sa.ColumnClause[Any]) -> sa.ColumnElement[bool]:
        """In the "C" collation too, since a nondeterministic one supports no regular expressions."""
        return super().is_a_day(column.collate("C"))  # type: ignore[arg-type]

    def stream(self, connection: Connection, query: sa.Executable, values: dict[str, Any] | None = None) -> Stream:
        """With a server-side cursor, in binary if the types of all columns allow it."""
        if not connection.in_transaction():
            connection.begin()
        statement: Any = query
        compiled = statement.compile(connection.engine)
        driver: Any = connection.connection.driver_connection
        # Not closed on errors: on a broken connection closing would fail as well and hide the cause.
        cursor = driver.cursor()
        cursor.execute(f"DECLARE {_CURSOR} NO SCROLL CURSOR FOR {compiled}", compiled.construct_params(values or {}))
        described = cursor.execute(f"FETCH 0 FROM {_CURSOR}").description
        binary = all(column.type_code in _BINARY for column in described)
        return Stream([column.name for column in described], _pages(driver, binary))

    def cancel(self, engine: Engine, driver_connection: Any) -> None:
        """With a cancel request over a separate connection, encrypted like the first."""
        with suppress(Exception):  # the server may be gone
            driver_connection.cancel_safe(timeout=_CANCEL_WITHIN)

    def cut(self, driver_connection: Any) -> None:
        """Through its socket."""
        with suppress(Exception):  # it may have been closed in the meantime
            shut(driver_connection.pgconn.socket)


def _ask_for_utf8(_dialect: Any, _record: Any, _arguments: Any, options: dict[str, Any]) -> None:
    options["client_encoding"] = "utf8"
    options.setdefault("connect_timeout", CONNECT_WITHIN)


def _prepare(connection: Any, _record: Any) -> None:
    from psycopg.types.string import TextLoader

    connection.prepare_threshold = None
    # When text is requested, dates are returned as text: Python has no date before year 1 or after 9999, and no infinity.
    for name in ("date", "timestamp", "timestamptz"):
        connection.adapters.register_loader(name, TextLoader)
    if _keeps_any_bytes(connection):
        _take_any_bytes(connection)


def _keeps_any_bytes(connection: Any) -> bool:
    """Whether the database has no encoding (SQL_ASCII); with UTF-8 requested, one invalid value would fail the whole query."""
    return bool(connection.pgconn.parameter_status(b"server_encoding") == b"SQL_ASCII")


def _take_any_bytes(connection: Any) -> None:
    # Invalid UTF-8 is decoded to lone surrogates: a row that contains them is rejected, and the others are read.
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    class AnyBytes(Loader):
        def load(self, data: Any) -> str:
            return bytes(data).decode("utf-8", "surrogateescape")

    class AnyBytesInBinary(AnyBytes):
        format = Format.BINARY

    for name in ("text", "varchar", "bpchar", "name"):
        connection.adapters.register_loader(name, AnyBytes)
        connection.adapters.register_loader(name, AnyBytesInBinary)


def _described(connection: Connection, query: sa.Select[Any]) -> list[tuple[str, int]]:
    """Names and types of the columns of a query; reads no row."""
    with connection.execute(query.limit(0)) as result:
        assert result.cursor is not None
        described: Any = result.cursor.description
        return [(column[0], column[1]) for column in described]


def _pages(driver: Any, binary: bool) -> Chunks:
    from psycopg import DataError
    from psycopg.adapt import Transformer
    from psycopg.pq import Format

    # Without a connection, instants are read in UTC instead of the session's time zone.
    reader = Transformer(SimpleNamespace(adapters=driver.adapters, connection=None))
    cursor = driver.cursor(binary=binary)
    while True:
        page = cursor.execute(f"FETCH FORWARD {CHUNK} FROM {_CURSOR}").pgresult
        if not page.ntuples:
            break
        reader.set_pgresult(page, set_loaders=True, format=Format.BINARY if binary else Format.TEXT)
        try:
            yield reader.load_rows(0, page.ntuples, tuple)
        except DataError:
            yield _value_by_value(reader, page)
    cursor.execute(f"CLOSE {_CURSOR}")


def _value_by_value(reader: Any, page: Any) -> list[tuple[Any, ...]]:
    """The rows of a page with a value that the driver cannot load: a date before year 1, after 9999, or infinity."""
    from psycopg import DataError
    from psycopg.pq import Format

    loaders = [reader.get_loader(page.ftype(column), Format.BINARY) for column in range(page.nfields)]

    def read(row: int, column: int) -> Any:
        data = page.get_value(row, column)
        if data is None:
            return None
        try:
            return loaders[column].load(data)
        except DataError:
            number = int.from_bytes(data, "big", signed=True)
            return _INFINITIES.get(number, "year > 9999" if number > 0 else "year < 1")

    return [tuple(read(row, column) for column in range(page.nfields)) for row in range(page.ntuples)]
