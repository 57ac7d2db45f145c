"""The sample institution in PostgreSQL: ``python -m sandbox.institution_postgres --url URL [--rows N --seed N]``.

The rows are those of :mod:`sandbox.institution`; ``last_modified_date`` is a timestamp.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from datetime import datetime, timezone
from pathlib import Path

import psycopg

from sandbox import institution

_COLUMNS = ("service_id", "request_id", "opening_date", "status_id", "last_modified_date")

_SCHEMA = """
CREATE TABLE historial (
    service_id text, request_id text, opening_date text, status_id integer, last_modified_date timestamptz NOT NULL
);
CREATE VIEW tablero_status_changes AS
    SELECT service_id, request_id, opening_date, status_id, last_modified_date FROM historial;
"""


def fill(url: str, *, rows: int, seed: int, now: datetime) -> int:
    """Create table and view if they do not exist, and copy the sample rows.

    :param url: libpq URL of the institution's database.
    :returns: the number of rows in the table.
    """
    with psycopg.connect(url) as connection, tempfile.TemporaryDirectory() as folder:
        if connection.execute("SELECT to_regclass('historial')").fetchone() == (None,):
            sample = Path(folder) / "institution.db"
            institution.create(sample, rows=rows, seed=seed, now=now)
            connection.execute(_SCHEMA)
            connection.execute("SET TIME ZONE 'America/Santo_Domingo'")  # for texts without offset
            with (
                sqlite3.connect(sample) as source,
                connection.cursor().copy(f"COPY historial ({', '.join(_COLUMNS)}) FROM STDIN") as copy,
            ):
                for row in source.execute(f"SELECT {', '.join(_COLUMNS)} FROM tablero_status_changes"):  # noqa: S608 fixed
                    # PostgreSQL stores no NUL; another control character is just as wrong.
                    copy.write_row([value.replace("\0", "\x01") if isinstance(value, str) else value for value in row])
            connection.execute("CREATE INDEX historial_changed ON historial (last_modified_date)")
        found = connection.execute("SELECT count(*) FROM historial").fetchone()
    return int(found[0]) if found else 0


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Make the sample institution's database in PostgreSQL.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    count = fill(arguments.url, rows=arguments.rows, seed=arguments.seed, now=datetime.now(timezone.utc))
    print(f"{count} rows")


if __name__ == "__main__":
    main()
