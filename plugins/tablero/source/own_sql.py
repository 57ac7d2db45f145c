"""The institution's own query (``source_sql``): its parameters and its rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timezone
from operator import itemgetter
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from tablero.contract.status_change import FIELDS
from tablero.contract.windows import OLDEST_DATE, Window
from tablero.errors import SetupError
from tablero.source.dialects.base import Chunks, Dialect
from tablero.texts import source as texts

_BINDS = {"start", "end"}

_NO_TIME = (datetime(2020, 1, 1, tzinfo=timezone.utc),) * 2
_ALL_TIME = datetime(1900, 1, 1, tzinfo=timezone.utc), datetime(2100, 1, 1, tzinfo=timezone.utc)

_NO_EDGE = r"(?!/\*|\*/)."
_INNER = rf"/\*(?:{_NO_EDGE})*\*/"
_OUTER = rf"/\*(?:{_INNER}|{_NO_EDGE})*\*/"
#: Comments may contain comments, as the standard has it; more than two levels of them are not expected.
_NESTED = rf"/\*(?:{_OUTER}|{_NO_EDGE})*\*/"

#: Comments and literals, where MariaDB and MySQL differ from all others.
_LIKE_MYSQL = r"--(?=\s|$)[^\n]* | \#[^\n]* | /\*.*?\*/ | '(?:[^'\\]|\\.|'')*'"
_LIKE_OTHERS = rf"--[^\n]* | {_NESTED} | '(?:[^']|'')*'"

#: Tokens that contain no parameter: comments, literals, quoted names, casts. Any other colon before a name is a parameter.
_TOKENS = r"""
      (?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)          # PostgreSQL's dollar quotes
    | (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'                  # and its escapes
    | {comments}
    | "(?:[^"]|"")*"
    | `(?:[^`]|``)*`
    | ::
    | (?<![\w:\\]):(?P<bind>[^\W\d]\w*)
    """


def load_sql(path: str | None) -> str | None:
    """Read the file that ``source_sql`` names.

    :raises SetupError: if it cannot be read.
    """
    if path is None:
        return None
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(texts.FILE_NOT_READ(path=path, words=str(error))) from error
    return text.strip().rstrip(";")


def prepared(sql: str, database: str) -> str:
    """The query for :func:`sqlalchemy.text`, with all colons escaped but those of its parameters.

    :param database: SQLAlchemy's name of it.
    :raises SetupError: unless it binds exactly ``:start`` and ``:end``.
    """
    comments = _LIKE_MYSQL if database in ("mysql", "mariadb") else _LIKE_OTHERS
    tokens = re.compile(_TOKENS.replace("{comments}", comments), re.VERBOSE | re.DOTALL)
    found: set[str] = set()
    parts, end = [], 0
    for token in tokens.finditer(sql):
        parts.append(_escaped(sql[end : token.start()]))
        if token["bind"]:
            found.add(token["bind"])
            parts.append(token[0])
        else:
            parts.append(_escaped(token[0]))
        end = token.end()
    if unknown := sorted(found - _BINDS):
        raise SetupError(texts.BINDS_UNKNOWN(names=_listed(unknown)))
    if missing := sorted(_BINDS - found):
        raise SetupError(texts.BINDS_MISSING(names=_listed(missing)))
    return "".join([*parts, _escaped(sql[end:])])


def _escaped(text: str) -> str:
    return text.replace(":", "\\:")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f":{name}" for name in names)


class OwnQuery:
    """Rows of the institution's own query. Only what it returns for given bounds is known about it.

    :param sql: binds ``:start`` and ``:end`` and returns the five columns by name. The bounds are local times of the source (on
        SQLite: days as text), a day too wide on both sides.
    :param database: SQLAlchemy's name of the database, whose comments and literals these are.
    """

    name = "source_sql"
    is_own = True

    def __init__(self, sql: str, dialect: Dialect, database: str) -> None:
        self._query = sa.text(prepared(sql, database))
        self._dialect = dialect

    def check(self, connection: Connection) -> list[str]:
        """Return the column names.

        :raises SetupError: if one of the five is missing.
        """
        with connection.execute(self._query, self._dialect.own_bounds(*_NO_TIME)) as result:
            found = list(result.keys())
            self._dialect.inspect(result.cursor.description if result.cursor is not None else ())
        _order(found)
        return found

    def chunks(self, connection: Connection, window: Window) -> Chunks:
        """Rows that may be in ``window``. The query cannot return rows without a date, so there are none for that window."""
        if window.kind != "undated" or window.end > OLDEST_DATE:
            yield from self._chunks(connection, self._dialect.own_bounds(window.start, window.end))

    def sample(self, connection: Connection, limit: int) -> list[tuple[Any, ...]]:
        """Some rows, in any order."""
        chunks = self._chunks(connection, self._dialect.own_bounds(*_ALL_TIME))
        rows = next(chunks, [])[:limit]
        chunks.close()
        return rows

    def _chunks(self, connection: Connection, bounds: dict[str, Any]) -> Chunks:
        stream = self._dialect.stream(connection, self._query, bounds)
        pick = itemgetter(*_order(stream.names))
        with closing(stream.chunks) as chunks:
            for rows in chunks:
                yield list(map(pick, rows))


def _order(found: list[str]) -> list[int]:
    names = [name.lower() for name in found]
    missing = [name for name in FIELDS if name not in names]
    if missing:
        raise SetupError(
            texts.COLUMNS_MISSING(
                view=OwnQuery.name, missing=", ".join(missing), found=", ".join(found), columns=", ".join(FIELDS)
            )
        )
    if several := [name for name, low in zip(found, names, strict=True) if low in FIELDS and names.count(low) > 1]:
        raise SetupError(texts.COLUMNS_ALIKE(view=OwnQuery.name, found=", ".join(several)))
    return [names.index(name) for name in FIELDS]
