"""Resolving the names of the view and its columns, whose case may differ from the names in the settings."""

from __future__ import annotations

import re
import warnings
from contextlib import suppress
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection
from sqlalchemy.sql import quoted_name
from tablero.contract.status_change import FIELDS
from tablero.errors import SetupError
from tablero.source.codes import Meaning, meaning_of
from tablero.texts import source as texts

_PART = re.compile(r'\s*(?:"((?:[^"]|"")*)"|\[([^\]]*)\]|`([^`]*)`|([^."\[\]`]+))\s*(?:\.|$)')


class FoundView(NamedTuple):
    """The view under its real name.

    :ivar table: the view.
    :ivar columns: in the order of the contract.
    """

    table: sa.TableClause
    columns: tuple[sa.ColumnClause[Any], ...]

    @property
    def changed(self) -> sa.ColumnClause[Any]:
        """``last_modified_date``."""
        return self.columns[-1]


def look_up(connection: Connection, name: str) -> FoundView:
    """Find the view by the name in the settings and its columns by the names of the contract, regardless of case.

    Queries only the five columns, unless they do not exist as named.

    :param name: with its schema if necessary; quoted parts are case-sensitive.
    :raises SetupError: if columns are missing.
    """
    own = connection.engine.url.database if connection.dialect.name == "postgresql" else None
    schema, view = parsed(name, own)
    found = _view(view, schema, FIELDS)
    try:
        _names_of(connection, sa.select(found.table))
    except exc.SQLAlchemyError as error:
        if meaning_of(error, connection.dialect.name) is not Meaning.MISSING:
            raise
        connection.rollback()
        other = _by_any_capitals(connection, name, view, schema)
        if other is None:
            raise
        return other
    return found


def parsed(name: str, own_database: str | None = None) -> tuple[str | None, str]:
    """Schema and name of ``reports.changes``, ``"Citas"."Cambios"`` or ``Citas.dbo.Cambios``.

    :param own_database: left out where the name begins with it, since PostgreSQL has no other.
    :raises SetupError: if it is none.
    """
    parts: list[str] = []
    end = 0
    while (match := _PART.match(name, end)) is not None:
        end = match.end()
        quoted = next((part for part in match.groups()[:3] if part is not None), None)
        parts.append(match[4].strip() if quoted is None else quoted_name(quoted.replace('""', '"'), quote=True))
    if not all(parts) or not parts or end < len(name) or name.rstrip().endswith("."):
        raise SetupError(texts.NO_NAME(view=name))
    if len(parts) == 3 and own_database in (parts[0], parts[0].lower()):
        parts = parts[1:]
    schema = parts[0] if len(parts) == 2 else ".".join(parts[:-1])
    return schema or None, parts[-1]


def _view(name: str, schema: str | None, columns: tuple[str, ...]) -> FoundView:
    table = sa.table(name, *map(sa.column, columns), schema=schema)
    return FoundView(table, tuple(table.c))


def _names_of(connection: Connection, query: sa.Select[Any]) -> list[str]:
    """The column names of a query; reads no row."""
    with connection.execute(query.where(sa.text("1=0"))) as result:
        return list(result.keys())


def _by_any_capitals(connection: Connection, asked: str, view: str, schema: str | None) -> FoundView | None:
    for candidate in [view, *_same_but_for_capitals(connection, view, schema)]:
        columns = _columns_of(connection, candidate, schema)
        if not columns:
            continue
        real = {field: [field] if field in columns else [name for name in columns if name.lower() == field] for field in FIELDS}
        if several := [name for names in real.values() if len(names) > 1 for name in names]:
            raise SetupError(texts.COLUMNS_ALIKE(view=asked, found=", ".join(several)))
        missing = [field for field in FIELDS if not real[field]]
        if missing:
            listed = {"missing": ", ".join(missing), "found": ", ".join(columns), "columns": ", ".join(FIELDS)}
            raise SetupError(texts.COLUMNS_MISSING(view=asked, **listed))
        names = [field if field in columns else quoted_name(real[field][0], quote=True) for field in FIELDS]
        return _view(candidate, schema, tuple(names))
    return None


def _columns_of(connection: Connection, view: str, schema: str | None) -> list[str]:
    """The columns of a view; empty if it does not exist."""
    with suppress(exc.SQLAlchemyError):
        return _names_of(connection, sa.select(sa.text("*")).select_from(sa.table(view, schema=schema)))
    connection.rollback()
    with suppress(exc.SQLAlchemyError), warnings.catch_warnings():  # if only some columns may be read
        warnings.simplefilter("ignore")  # about types unknown to SQLAlchemy
        return [column["name"] for column in sa.inspect(connection).get_columns(view, schema)]
    connection.rollback()
    return []


def _same_but_for_capitals(connection: Connection, view: str, schema: str | None) -> list[str]:
    """The view whose name differs only in case, if there is exactly one; to be quoted."""
    inspector = sa.inspect(connection)
    names: set[str] = set()
    for listing in (inspector.get_view_names, inspector.get_table_names, inspector.get_materialized_view_names):
        with suppress(exc.SQLAlchemyError, NotImplementedError):
            names.update(listing(schema))
    found = [name for name in names if name.lower() == view.lower() and name != view]
    return [quoted_name(name, quote=True) for name in found] if len(found) == 1 else []
