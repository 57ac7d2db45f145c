"""Database errors: permanent ones are distinguished from transient ones by code, whatever the language."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from tablero.source.codes import Meaning, Words, code_of, meaning_of, without_values
from tablero.source.failures import words_of

MISSING, REFUSED, WRONG, LIMIT, PASSING = Meaning


class PsycopgError(Exception):
    """The attributes of psycopg's errors that are read."""

    def __init__(self, sqlstate: str | None, words: str = "en cualquier idioma", context: str | None = None) -> None:
        super().__init__(words)
        self.sqlstate = sqlstate
        self.diag = SimpleNamespace(message_primary=words, context=context)


class PyodbcError(Exception):
    """ODBC's SQLSTATE, and a message that ends in the server's number."""

    def __init__(self, state: str, words: str, number: int) -> None:
        said = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{words} ({number}) (SQLExecDirectW)"
        super().__init__(state, said)


SQLSTATES = {
    "28P01": REFUSED,
    "28000": REFUSED,
    "3D000": REFUSED,
    "42501": REFUSED,
    "08P01": PASSING,
    "42P01": MISSING,
    "42703": MISSING,
    "3F000": MISSING,
    "42883": WRONG,
    "42601": WRONG,
    "22007": WRONG,
    "22P02": WRONG,
    "22012": WRONG,
    "P0001": WRONG,
    "U0001": WRONG,  # as a function of the institution raises it
    "25P03": PASSING,
    "HV00N": PASSING,
    "XX000": PASSING,
    "0A000": WRONG,
    "55000": WRONG,
    "57014": LIMIT,
    "57P01": PASSING,
    "57P03": PASSING,
    "40001": PASSING,
    "40P01": PASSING,
    "53300": PASSING,
    "55P03": PASSING,
    "08006": PASSING,
}
ERRNOS = {
    1044: REFUSED,
    1045: REFUSED,
    1049: REFUSED,
    1130: REFUSED,
    1142: REFUSED,
    1698: REFUSED,
    4151: REFUSED,
    1146: MISSING,
    1054: MISSING,
    1356: MISSING,
    1292: WRONG,
    1064: WRONG,
    1411: WRONG,
    1052: WRONG,
    1055: WRONG,  # ONLY_FULL_GROUP_BY, after an update of the server
    1193: WRONG,
    4161: WRONG,
    1047: PASSING,
    1105: PASSING,
    1927: PASSING,
    1969: LIMIT,
    3024: LIMIT,
    1205: PASSING,
    1213: PASSING,
    2003: PASSING,
    2006: PASSING,
    2013: PASSING,
}
NUMBERS = {
    18456: REFUSED,
    4060: REFUSED,
    229: REFUSED,
    208: MISSING,
    207: MISSING,
    241: WRONG,
    245: WRONG,
    8127: WRONG,
    50001: WRONG,
    701: PASSING,
    983: PASSING,
    1205: PASSING,
    20009: PASSING,
    40613: PASSING,
}
ORACLE = {
    "ORA-01017": REFUSED,
    "ORA-01031": REFUSED,
    "ORA-28000": REFUSED,
    "ORA-00942": MISSING,
    "ORA-00904": MISSING,
    "ORA-01858": WRONG,
    "ORA-01722": WRONG,
    "ORA-01013": LIMIT,
    "ORA-01555": PASSING,
    "ORA-03113": PASSING,
    "ORA-12541": PASSING,
    "DPY-6005": PASSING,
}


@pytest.mark.parametrize(("state", "meaning"), SQLSTATES.items())
def test_postgresql(state: str, meaning: Meaning) -> None:
    """PostgreSQL errors are judged by SQLSTATE, whatever the server's language."""
    assert meaning_of(PsycopgError(state), "postgresql") is meaning


@pytest.mark.parametrize(("number", "meaning"), ERRNOS.items())
def test_mariadb_and_mysql(number: int, meaning: Meaning) -> None:
    """MariaDB and MySQL errors are judged by errno."""
    assert meaning_of(Exception(number, "en cualquier idioma"), "mysql") is meaning


@pytest.mark.parametrize(("number", "meaning"), NUMBERS.items())
def test_sql_server(number: int, meaning: Meaning) -> None:
    """SQL Server errors are judged by the server's number, which pymssql puts first and pyodbc last."""
    assert meaning_of(Exception(number, b"en cualquier idioma"), "mssql") is meaning
    assert meaning_of(PyodbcError("42000", "en cualquier idioma", number), "mssql") is meaning


DB_LIB = "DB-Lib error message {0}, severity 9:\\nUnable to connect: TDS server is unavailable or does not exist\\n"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        # As pymssql 2.4 raised them: a refused login, and an unreachable server after a refused login elsewhere.
        (((18456, f"Error de inicio de sesión.{DB_LIB.format(20018)}{DB_LIB.format(20002)}".encode()),), "error 18456"),
        (((18456, f"{DB_LIB.format(20018)}{DB_LIB.format(20002)}".encode()),), "error 18456"),
        (((18456, f"{DB_LIB.format(20009)}{DB_LIB.format(20009)}".encode()),), "error 20009"),
        ((208, f"El nombre de objeto 'x' no es válido.{DB_LIB.format(20018)}".encode()), "error 208"),
    ],
)
def test_pymssql_wraps_the_servers_number(arguments: tuple[Any, ...], code: str) -> None:
    """pymssql keeps the number of an earlier connection if the server itself said nothing."""
    found = code_of(Exception(*arguments), "mssql")
    assert found is not None
    assert found.shown == code


def test_what_pymssqls_library_says_is_not_shown() -> None:
    """A message of pymssql's own library is not quoted; one of the server is."""
    assert words_of(Exception((18456, f"Error de inicio de sesión.{DB_LIB.format(20018)}".encode()))) == (
        "Error de inicio de sesión."
    )


@pytest.mark.parametrize(("code", "meaning"), ORACLE.items())
def test_oracle(code: str, meaning: Meaning) -> None:
    """Oracle errors are judged by the number at the start of the message."""
    assert meaning_of(Exception(f"{code}: en cualquier idioma\nHelp: https://docs.oracle.com/"), "oracle") is meaning


#: libpq gives no SQLSTATE for a refused login. The messages are from Debian's PostgreSQL 15, in both languages.
REFUSED_LOGINS = [
    'FATAL:  password authentication failed for user "tablero"',
    "FATAL:  la autentificación password falló para el usuario «tablero»",
    "FATAL:  la autentificaciÃ³n password fallÃ³ para el usuario «tablero»",
    "FATAL:  no existe el rol «tablero»",
    'FATAL:  role "tablero" does not exist',
    "FATAL:  no existe la base de datos «solicitudes»",
    "FATAL:  al rol «tablero» no se le permite conectarse",
    "FATAL:  no hay una línea en pg_hba.conf para «10.0.0.1», usuario «tablero», base de datos «solicitudes», sin cifrado",
    "FATAL:  pg_hba.conf rechaza la conexión para el servidor «10.0.0.1», usuario «tablero»",
    "FATAL:  permiso denegado a la base de datos «solicitudes»",
    "FATAL:  la conexión requiere un certificado de cliente válido",
    "FATAL:  la autentificación por certificado falló para el usuario «tablero»",
    "FATAL:  parámetro de configuración «nosuch» no reconocido",
    "FATAL:  unsupported startup parameter: options",
    "FATAL:  no such database: nada",
    "connection failed: fe_sendauth: no password supplied",
    "connection failed: server does not support SSL, but SSL was required",
    'root certificate file "/no/such.pem" does not exist',
    'server certificate for "a" does not match host name "b"',
    "SSL error: certificate verify failed",
    'invalid sslmode value: "bogus"',
    'invalid connection option "port2"',
    'connection is bad: definition of service "nohay" not found',
    'connection is bad: could not parse network address "no-ip": Name or service not known',
    "connection failed: channel binding required, but SSL not in use",
    'connection failed: authentication method requirement "scram-sha-256" failed: server did not complete authentication',
    "connection failed: GSSAPI encryption required but it is not supported over a local socket",
    "connection failed: FATAL:  --x requiere un valor",
]
PASSING_LOGINS = [
    "connection failed: Connection refused",
    "FATAL:  lo siento, ya tenemos demasiados clientes",
    "FATAL:  el sistema de base de datos está iniciándose",
    "FATAL:  demasiadas conexiones para el rol «tablero»",
    "could not translate host name",
    "server closed the connection unexpectedly",
    "connection timeout expired",
    "server is not in hot standby mode",
    "connection failed: session is not read-only",
    "connection failed: SSL error: unexpected eof while reading",
    "connection failed: FATAL:  etwas auf Deutsch",
    "failed to resolve host 'db.example.gob.do': [Errno -2] Name or service not known",
]
#: The words of a session that was established: psycopg's own, and libpq's.
LOST_SESSIONS = [
    "consuming input failed: SSL error: unexpected eof while reading",
    "consuming input failed: SSL SYSCALL error: EOF detected",
    "consuming input failed: server closed the connection unexpectedly",
    "sending query failed: SSL error: bad length",
    "sending query and params failed: SSL error: protocol is shutdown",
]


@pytest.mark.parametrize("words", REFUSED_LOGINS)
def test_a_login_that_is_refused_by_words(words: str) -> None:
    """A refused login is recognised by its words where there is no code."""
    assert meaning_of(PsycopgError(None, words), "postgresql") is REFUSED


@pytest.mark.parametrize("words", LOST_SESSIONS)
def test_a_session_that_is_lost_may_come_back(words: str) -> None:
    """To lose an established session is never permanent: OpenSSL calls a server that has crashed an SSL error."""
    assert meaning_of(PsycopgError(None, words), "postgresql") is PASSING


def test_what_a_pooler_says() -> None:
    """PgBouncer has one code for all that it says; of it only a parameter that it does not support is for a person."""
    for words in ("server conn crashed?", "query_wait_timeout", "server login has been failing, try again later"):
        assert meaning_of(PsycopgError("08P01", words), "postgresql") is PASSING
    assert meaning_of(PsycopgError("08P01", "unsupported startup parameter: options"), "postgresql") is REFUSED


@pytest.mark.parametrize("words", PASSING_LOGINS)
def test_a_login_that_may_pass(words: str) -> None:
    """A login that failed temporarily is not mistaken for a refused one."""
    assert meaning_of(PsycopgError(None, words), "postgresql") in (None, PASSING)


@pytest.mark.parametrize(
    ("error", "dialect"),
    [
        (PsycopgError("22P02"), "postgresql"),
        (PsycopgError("XX000"), "postgresql"),
        (Exception(1292, "x"), "mysql"),
        (Exception(9999, "x"), "mysql"),
        (Exception(245, "x"), "mssql"),
        (Exception("ORA-01722: x"), "oracle"),
        (Exception("ORA-99999: x"), "oracle"),
    ],
)
def test_what_may_quote_a_value(error: Exception, dialect: str) -> None:
    """Messages about data, and all unknown ones, are not quoted."""
    code = code_of(error, dialect)
    assert code is not None
    assert code.words is Words.VALUES


@pytest.mark.parametrize(
    ("error", "dialect"),
    [
        (PsycopgError("P0001"), "postgresql"),
        (PsycopgError("U0001"), "postgresql"),
        (PsycopgError("42501", context="función PL/pgSQL f() en la línea 1 en RAISE"), "postgresql"),
        (PsycopgError("57014", context="función SQL «f», sentencia 1"), "postgresql"),
        (Exception(1644, "fila de JUAN PEREZ"), "mysql"),
        (Exception(50001, "fila de JUAN PEREZ"), "mssql"),
        (Exception("ORA-20001: fila de JUAN PEREZ"), "oracle"),
    ],
)
def test_what_a_function_says(error: Exception, dialect: str) -> None:
    """What a function of the institution says may be anything, so nothing of it is quoted."""
    code = code_of(error, dialect)
    assert code is not None
    assert code.words is Words.ANYTHING


@pytest.mark.parametrize(
    ("error", "dialect"),
    [(PsycopgError("42P01"), "postgresql"), (PsycopgError("57P01"), "postgresql"), (Exception(1146, "x"), "mysql")],
)
def test_what_names_objects(error: Exception, dialect: str) -> None:
    """A message that names objects is quoted in full, since the DBA needs the name."""
    code = code_of(error, dialect)
    assert code is not None
    assert code.words is Words.NAMES


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ('invalid input syntax for type timestamp: "402-1234567-8 JUAN PEREZ"', "invalid input syntax for type timestamp"),
        ("sintaxis de entrada no válida para tipo timestamp: «402-1 J»", "sintaxis de entrada no válida para tipo timestamp"),
        ("el valor «JU» no es válido para «DD»", "el valor"),
        ("Incorrecto valor de datetime 'JUAN' para la columna", "Incorrecto valor de datetime"),
        ("Conversion failed when converting the value '402-1' to int.", "Conversion failed when converting the value"),
        ('invalid byte sequence for encoding "UTF8": 0xf1', "invalid byte sequence for encoding"),
        ("402-1234567-8", ""),
    ],
)
def test_words_without_values(said: str, kept: str) -> None:
    """A message is quoted up to where a value may begin."""
    assert without_values(said) == kept


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Exception("as it is\n"), "as it is"),
        (Exception("in several\n\tlines"), "in several lines"),
        (Exception(1146, "Table 'v' doesn't exist"), "Table 'v' doesn't exist"),
        (Exception(20009, b"Unable to connect\n"), "Unable to connect"),
    ],
)
def test_words_are_those_of_the_database(error: Any, words: str) -> None:
    """A message is quoted without the driver's formatting."""
    assert words_of(error) == words
