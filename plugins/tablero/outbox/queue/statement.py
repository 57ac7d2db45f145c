"""Statements that every batch needs, passed directly to the driver: executed by SQLAlchemy they take three times as long."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Dialect


class Statement:
    """A statement that is compiled once for each kind of database.

    :param clause: an insert or update; each of its parameters is a single value.
    """

    def __init__(self, clause: sa.ClauseElement) -> None:
        self._clause = clause
        self._compiled: dict[str, _Compiled] = {}

    def execute(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        """Execute it with each of ``rows``, which are its parameters; returns what it returns."""
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compiled[connection.dialect.name] = _Compiled(self._clause, connection.dialect)
        found: list[tuple[Any, ...]] = []
        with closing(connection.connection.cursor()) as cursor:
            for row in rows:
                cursor.execute(compiled.text, compiled.parameters(row))
                if cursor.description is not None:
                    found += cursor.fetchall()
        return found


class _Compiled:
    def __init__(self, clause: sa.ClauseElement, dialect: Dialect) -> None:
        # By name on either database; SQLAlchemy would number those of SQLite.
        dialect_class: Any = type(dialect)
        named = dialect if dialect.name == "postgresql" else dialect_class(paramstyle="named")
        compiled: Any = clause.compile(dialect=named)
        self.text = str(compiled)
        self._constants = compiled.params
        types = {name: bind.type.dialect_impl(named) for bind, name in compiled.bind_names.items()}
        converters = {name: type_.bind_processor(named) for name, type_ in types.items()}
        self._converters: dict[str, Callable[[Any], Any]] = {name: each for name, each in converters.items() if each}

    def parameters(self, row: Mapping[str, Any]) -> dict[str, Any]:
        values = {**self._constants, **row}
        for name, convert in self._converters.items():
            values[name] = convert(values[name])
        return values
