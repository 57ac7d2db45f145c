"""Rows of PostgreSQL by its driver's binary protocol, which costs half of what text costs to read.

Only for columns of common types: those of extensions, and enums, would come as bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_TYPES = ("text", "varchar", "bpchar", "int2", "int4", "int8", "numeric", "uuid", "date", "timestamp", "timestamptz")

#: What PostgreSQL stores for its infinities: the largest and the smallest number of its size.
_INFINITIES = {
    edge: name
    for size in (4, 8)
    for edge, name in ((2 ** (8 * size - 1) - 1, "infinity"), (-(2 ** (8 * size - 1)), "-infinity"))
}


def is_readable(connection: Connection, query: sa.Select[Any]) -> bool:
    """Whether the driver can do it, for all columns of ``query``. Asks the database for their types, and for no row."""
    if connection.dialect.driver != "psycopg":
        return False
    from psycopg.postgres import types

    known = {types[name].oid for name in _TYPES}
    with connection.execute(query.limit(0)) as result:
        return all(column[1] in known for column in result.cursor.description)


def stream(connection: Connection, query: sa.Select[Any], fetch: int) -> Iterator[tuple[Any, ...]]:
    """The rows of ``query``, through a cursor on the server.

    :param fetch: how many are in memory at a time.
    :raises psycopg.Error: as the driver says it.
    """
    import psycopg

    compiled = query.compile(connection.engine)
    driver: Any = connection.connection.driver_connection
    with driver.cursor("tablero", binary=True) as cursor:
        cursor.execute(str(compiled), compiled.params)
        while True:
            try:
                rows = cursor.fetchmany(fetch)
            except psycopg.DataError as error:
                if error.sqlstate is not None:  # the server's
                    raise
                rows = _one_by_one(cursor)
            if not rows:
                return
            yield from rows


def _one_by_one(cursor: Any) -> list[tuple[Any, ...]]:
    """The rows of a page of which the driver refuses one: Python has no date before the year 1, after 9999, or at infinity."""
    from psycopg import DataError
    from psycopg.adapt import Transformer
    from psycopg.pq import Format

    page = cursor.pgresult
    loaders = [Transformer(cursor.connection).get_loader(page.ftype(column), Format.BINARY) for column in range(page.nfields)]

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
