"""Views as institutions write them: random expressions over columns of every kind, in SQL."""

from __future__ import annotations

import random

#: The table behind the views. One instant of each row in every form: aware, naive, date, text by day first, text by ISO, epoch.
TABLE = """
CREATE TABLE hechos (
  n integer PRIMARY KEY, solicitud varchar(20), aware timestamptz, naive timestamp, dia date,
  texto text, iso varchar(40), relleno char(30), epoca bigint
);
"""

#: Zones of sources. Rows lie far from any change of clocks.
ZONES = [
    *("America/Santo_Domingo", "UTC", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/St_Johns"),
    *("Europe/Madrid", "Etc/GMT+12", "Pacific/Kiritimati", "America/Caracas"),
]

#: Possible settings of a server: the order in which it reads the institution's text, and the format in which it shows dates.
DATE_STYLES = [f"{form}, {order}" for form in ("ISO", "SQL", "German", "Postgres") for order in ("DMY", "MDY", "YMD")]

_ELSEWHERE = ("UTC", "America/Santo_Domingo", "Asia/Tokyo", "America/New_York")


def fill(seed: int, rows: int) -> str:
    """Statements that fill the table; each row lies in the middle of a month, where no clocks change."""
    chance = random.Random(seed)
    lines = []
    for n in range(rows):
        year, month, day = chance.randint(2020, 2025), chance.choice((1, 2, 6, 7, 8, 12)), chance.randint(10, 20)
        clock = f"{chance.randint(0, 23):02}:{chance.randint(0, 59):02}:{chance.randint(0, 59):02}"
        fraction = chance.choice(("", "", ".5", ".123456"))
        iso = f"{year}-{month:02}-{day:02} {clock}"
        # A day after the 12th can be read in any order; other days only in the server's, in which the institution writes.
        lines.append(
            f"INSERT INTO hechos VALUES ({n}, 'R-{n}', '{iso}{fraction}', '{iso}{fraction}', '{iso[:10]}',"
            f" to_char('{iso}'::timestamp, orden_de_hoy()), '{iso}', '{iso}', extract(epoch FROM '{iso}'::timestamptz));"
        )
    return "\n".join(lines)


#: How the institution writes dates as text: in the order that its server reads.
ORDER_OF_TODAY = """
CREATE FUNCTION orden_de_hoy() RETURNS text LANGUAGE sql AS $$
  SELECT CASE split_part(current_setting('datestyle'), ', ', 2)
    WHEN 'DMY' THEN 'DD/MM/YYYY HH24:MI:SS' WHEN 'MDY' THEN 'MM/DD/YYYY HH24:MI:SS' ELSE 'YYYY/MM/DD HH24:MI:SS' END
$$;
"""


def expression(chance: random.Random) -> str:
    """A ``last_modified_date`` or an ``opening_date`` over any column, of any type."""
    zone, other = chance.choice(_ELSEWHERE), chance.choice(_ELSEWHERE)
    return chance.choice(
        [
            "aware",
            "naive",
            "dia",
            "iso",
            "relleno",
            "aware::timestamp",
            "naive::timestamptz",
            "aware::date",
            "aware::text",
            "naive::text",
            "dia::text",
            "dia::timestamp",
            "dia::timestamptz",
            "texto::timestamp",
            "texto::timestamptz",
            "iso::timestamp",
            "iso::timestamptz",
            "trim(relleno)::timestamp",
            "to_timestamp(texto, orden_de_hoy())",
            "to_timestamp(iso, 'YYYY-MM-DD HH24:MI:SS')",
            "to_timestamp(epoca)",
            "to_timestamp(epoca)::timestamp",
            f"aware AT TIME ZONE '{zone}'",
            f"naive AT TIME ZONE '{zone}'",
            f"(naive AT TIME ZONE '{zone}') AT TIME ZONE '{other}'",
            f"(aware AT TIME ZONE '{zone}')::date",
            f"timezone('{zone}', naive)::timestamp",
            "to_char(aware, 'YYYY-MM-DD HH24:MI:SS')",
            "to_char(naive, 'YYYY-MM-DD\"T\"HH24:MI:SS')",
            "to_char(aware, 'YYYY-MM-DD HH24:MI:SSOF')",
            "date_trunc('hour', aware)",
            "date_trunc('day', aware)::timestamp",
            "date_trunc('month', naive) + interval '9 days 3 hours'",
            "aware + interval '90 minutes'",
            "naive - interval '36 hours'",
            "(dia || ' ' || to_char(aware, 'HH24:MI'))::timestamp",
            "CASE WHEN n % 2 = 0 THEN naive ELSE aware::timestamp END",
            "CASE WHEN n % 2 = 0 THEN naive ELSE aware END",
            "coalesce(NULL::timestamptz, naive)",
            "make_timestamptz(2021, 7, 15, n % 24, 30, 0)",
            "make_timestamptz(2021, 7, 15, n % 24, 30, 0)::timestamp",
            "greatest(aware, naive)",
        ]
    )


def view(chance: random.Random, name: str) -> str:
    """A statement that creates a view; a third of them are unions of two equivalent forms."""

    def rows(expressions: list[str], condition: str) -> str:
        opening, changed = expressions
        columns = f"'1041' service_id, solicitud request_id, {opening} opening_date, 2 status_id, {changed} last_modified_date"
        return f"SELECT {columns} FROM hechos WHERE {condition}"

    pair = [expression(chance), expression(chance)]
    if chance.random() < 0.3:
        first = rows(["naive", "aware"], "n % 3 = 0")
        second = rows(["aware", "naive"], "n % 3 <> 0")
        return f"CREATE VIEW {name} AS {first} UNION ALL {second};"
    return f"CREATE VIEW {name} AS {rows(pair, 'true')};"


def shown(name: str) -> str:
    """A query with which ``psql`` shows both dates of a view as instants in UTC."""

    def instant(column: str) -> str:
        return f"to_char({column}::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"

    dates = ", ".join(map(instant, ("opening_date", "last_modified_date")))
    return f"SELECT '{name}', request_id, {dates} FROM {name}"
