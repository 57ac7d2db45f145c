"""What a failure of the outbox's database means: told by its code, and by its words only where there is none."""

from __future__ import annotations

import sqlite3

#: Classes of SQLSTATE that do not pass by themselves: refused login, no such database or schema, no such table, no right to it,
#: something that a server or a pooler does not support.
_PERMANENT_CLASSES = {"08P", "0A0", "28", "3D", "3F", "42"}

#: libpq has no code for a login that was refused, and gives the server's words in the server's language (English or Spanish).
#: What libpq itself says of the connection's options is in English.
_PERMANENT_WORDS = (
    "password authentication failed",
    "autentificación password falló",
    "autenticación por contraseña",
    "no pg_hba.conf entry",
    "no hay una línea en pg_hba.conf",
    "no password supplied",
    "does not exist",
    "no existe",
    "unsupported startup parameter",
    "server does not support SSL",
    "certificate verify failed",
    "does not match host name",
    "invalid connection option",
    "invalid sslmode value",
)

#: SQLite's results (the lowest byte of its codes): an error in a statement, such as a missing table; a file that is damaged, or
#: no database. Everything else (busy, full, read-only, cannot be opened) may pass.
_PERMANENT_RESULTS = {1, 11, 26}


def is_permanent(cause: BaseException) -> bool:
    """Whether a person must act before it can work.

    :param cause: the driver's exception.
    """
    if isinstance(cause, sqlite3.Error):
        return _is_permanent_in_sqlite(cause)
    if state := getattr(cause, "sqlstate", None):
        return state[:2] in _PERMANENT_CLASSES or state[:3] in _PERMANENT_CLASSES
    words = str(cause)
    return type(cause).__name__ == "ProgrammingError" or any(part in words for part in _PERMANENT_WORDS)


def _is_permanent_in_sqlite(cause: sqlite3.Error) -> bool:
    code = getattr(cause, "sqlite_errorcode", None)  # since Python 3.11
    if code is not None:
        return code & 0xFF in _PERMANENT_RESULTS
    # "database disk image is malformed" and "file is not a database" are of no narrower kind.
    return isinstance(cause, sqlite3.ProgrammingError) or type(cause) is sqlite3.DatabaseError or "no such" in str(cause)


def words_of(cause: BaseException) -> str:
    """The database's own words, without the details, which may quote values of rows."""
    primary = getattr(getattr(cause, "diag", None), "message_primary", None)
    return str(primary or cause).strip()
