"""The institution's own SQL: only the two known parameters are treated as parameters."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from tablero.errors import SetupError
from tablero.source.own_sql import prepared

BOUNDS = "d >= :start AND d < :end"


def compiled(sql: str) -> str:
    """The SQL as psycopg receives it."""
    return str(sa.text(prepared(sql, "postgresql")).compile(dialect=postgresql.psycopg.dialect()))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "part",
    [
        "d::date = '2024-01-01'::date",
        "x = '10:30'",
        "x = 'it''s :not one'",
        r"x = E'a\':not'",
        'x = ":not"',
        "x = `:not`",
        "x = $$ :not $$",
        "x = $a$ :not $$ :not $a$",
        "x /* :not */ = 1",
        "x /* /* :not */ :not /* /* :not */ */ */ = 1",
        "x = a --:not\n + 1",
        "x = '{a,b}'::text[] #> y AND z = 'a #'",
        "x -- :not\n = 1",
        "a[1:2] = b[n:m]",
        r"x = '\:not'",
    ],
)
def test_what_only_looks_like_a_parameter(part: str) -> None:
    """Casts, literals, comments, quoted names and slices are left unchanged."""
    sql = f"SELECT * FROM v WHERE {part} AND {BOUNDS}"
    assert compiled(sql) == sql.replace(":start", "%(start)s").replace(":end", "%(end)s")


@pytest.mark.parametrize(
    "part",
    ["x = 1 # :not", "x = 1 -- :not", r"x = 'it\'s :not'", "x /* /* :not */ = 1--1", "x = '#'"],
)
def test_the_comments_and_literals_of_mysql(part: str) -> None:
    """MariaDB and MySQL have comments after a number sign and escapes in literals, but none in others and no minus without a
    blank."""
    sql = f"SELECT * FROM v WHERE {part}\nAND {BOUNDS}"
    assert str(sa.text(prepared(sql, "mysql"))).count(":not") == part.count(":not")
    assert set(sa.text(prepared(sql, "mariadb")).compile().params) == {"start", "end"}


@pytest.mark.parametrize("cast", [":start::timestamp", "CAST(:start AS timestamp)", "(:start)::timestamp", ":start  ::date"])
def test_a_parameter_with_a_cast(cast: str) -> None:
    """A parameter followed by a cast is bound."""
    sql = f"SELECT * FROM v WHERE d >= {cast} AND d < :end::timestamptz"
    assert compiled(sql) == sql.replace(":start", "%(start)s").replace(":end", "%(end)s")


def test_percent_signs() -> None:
    """Percent signs belong to the institution's SQL and are left unchanged."""
    assert compiled(f"SELECT * FROM v WHERE x LIKE '10%' AND {BOUNDS}").count("'10%%'") == 1


def test_a_bound_may_be_used_twice() -> None:
    """A parameter may be used several times, for example in a union."""
    prepared(f"SELECT * FROM a WHERE {BOUNDS} UNION ALL SELECT * FROM b WHERE {BOUNDS}", "sqlite")


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("SELECT * FROM v WHERE d >= :start", "does not bind :end"),
        ("SELECT * FROM v WHERE d >= ':start' AND d < :end", "does not bind :start"),
        ("SELECT * FROM v", "does not bind :end, :start"),
        (f"SELECT * FROM v WHERE {BOUNDS} AND x = :office", "binds :office"),
        (f"SELECT * FROM v WHERE {BOUNDS} AND x = 10:30 AND y = :b AND z = :a", "binds :a, :b"),
    ],
)
def test_wrong_parameters(sql: str, words: str) -> None:
    """Wrong parameters are a permanent error that names them."""
    with pytest.raises(SetupError, match=words):
        prepared(sql, "postgresql")
