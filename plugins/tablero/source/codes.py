"""The meaning of database errors, by code, since codes do not depend on the server's language.

PostgreSQL: SQLSTATE (manual, appendix A). MariaDB and MySQL: errno (their error references). SQL Server: message numbers
(``sys.messages``). Oracle: ORA- and DPY-numbers. Errors without a code are recognised by their messages: libpq has no code for
a refused login, so PostgreSQL's messages in Spanish and English are listed here, as in the server's own message catalogue.
"""

from __future__ import annotations

import re
import sqlite3
from enum import Enum
from typing import Any, NamedTuple


class Meaning(Enum):
    """What an error calls for."""

    MISSING = "the view or a column is not there, or not whole"
    REFUSED = "the user, or what the connection asks for, is refused"
    WRONG = "the query or a value in it fails, and will fail again"
    TIME_LIMIT = "the server cut the statement off, by a limit of time or by someone's hand"
    PASSING = "it may go through the next time"


class Words(Enum):
    """What the message with an error may contain."""

    NAMES = "names of objects, users and servers"
    VALUES = "a value of a row, quoted in a sentence of the server"
    ANYTHING = "whatever a function of the institution wrote"


class Code(NamedTuple):
    """An error code.

    :ivar shown: in the form in which an operator would look it up.
    :ivar meaning: ``None`` if the code is not listed here.
    :ivar words: what its message may contain.
    """

    shown: str
    meaning: Meaning | None
    words: Words


_Patterns = list[tuple[Meaning, tuple[str, ...]]]

# -- PostgreSQL ------------------------------------------------------------------------------------------------------------

#: By state or by class. Others are a function's own, which will raise them again.
_SQLSTATES = {
    "0A": Meaning.WRONG,
    "21": Meaning.WRONG,
    "22": Meaning.WRONG,
    "23": Meaning.WRONG,
    "25": Meaning.PASSING,
    "25006": Meaning.WRONG,  # a view that writes, on a standby
    "25P04": Meaning.TIME_LIMIT,
    "28": Meaning.REFUSED,
    "2F": Meaning.WRONG,
    "38": Meaning.WRONG,
    "39": Meaning.WRONG,
    "3D": Meaning.REFUSED,
    "3F": Meaning.MISSING,
    "42": Meaning.WRONG,
    "42501": Meaning.REFUSED,
    "42703": Meaning.MISSING,
    "42P01": Meaning.MISSING,
    "54": Meaning.WRONG,
    "55000": Meaning.WRONG,  # a materialized view that was never refreshed
    "57014": Meaning.TIME_LIMIT,
    "57P04": Meaning.REFUSED,  # the database was dropped
    "P0": Meaning.WRONG,
    "08": Meaning.PASSING,
    "40": Meaning.PASSING,
    "53": Meaning.PASSING,
    "55": Meaning.PASSING,
    "57": Meaning.PASSING,
    "58": Meaning.PASSING,
    "72": Meaning.PASSING,
    "F0": Meaning.PASSING,
    "HV": Meaning.PASSING,  # a foreign server
    "XX": Meaning.PASSING,
}

#: Classes whose messages name objects, users and servers, but no values.
_SPEAK_OF_OBJECTS = ("08", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58")

#: Messages without a code, as lower-case regular expressions: libpq's, the server's and PgBouncer's. ``.{1,2}`` stands for an
#: accented letter, which the server sends in an encoding that is not yet agreed on.
_POSTGRES_WORDS: _Patterns = [
    (
        Meaning.REFUSED,
        (
            *(r"authentication failed for user", r"la autentificaci.{1,2}n .*fall.{1,2} para el usuario"),
            *(r"no pg_hba\.conf entry", r"no hay una l.{1,2}nea en pg_hba\.conf", r"pg_hba\.conf (rejects|rechaza)"),
            *(
                r"role .* does not exist",
                r"no existe el rol",
                r"role .* is not permitted to log in",
                r"al rol .* no se le permite",
            ),
            *(r"database .* does not exist", r"no existe la base de datos"),
            *(r"permission denied", r"permiso denegado", r"se ha denegado el permiso"),
            *(r"is not currently accepting connections", r"no acepta conexiones"),
            *(r"valid client certificate", r"certificado de cliente v.{1,2}lido"),
            *(r"unrecognized configuration parameter", r"par.{1,2}metro de configuraci.{1,2}n .* no reconocido"),
            *(r"invalid value for parameter", r"valor no v.{1,2}lido para el par.{1,2}metro"),
            *(r"no password supplied", r"invalid connection option", r"invalid \S+ value", r"invalid integer value"),
            *(r"does not support ssl", r"certificate", r"private key file", r"could not load", r"sslmode"),
            *(r"ssl error(?!: unexpected eof)", r"requires a value", r"requiere un valor"),
            *(r"unsupported startup parameter", r"no such (user|database)", r"sasl authentication failed", r"auth_type"),
        ),
    ),
    (
        Meaning.PASSING,
        (
            *(r"refused", r"reset by peer", r"broken pipe", r"unreachable", r"no route", r"time(d )?out", r"unexpected"),
            *(r"eof", r"closed", r"lost", r"could not (receive|send|translate|connect)", r"no such file or directory"),
            *(r"too many", r"standby", r"read-only", r"read-write", r"recovery", r"starting up", r"shutting down"),
        ),
    ),
]

#: How psycopg introduces the words of libpq about a connection, which are English. Those of the server come after ``FATAL:``.
_OF_LIBPQ = ("connection failed", "connection is bad")
_OF_THE_SERVER = "FATAL:"

#: psycopg's words for a session that was established and is lost, whatever libpq says after them.
_LOST = re.compile(r"(?!connection failed)[a-z ]+ failed:")

#: What PgBouncer says with the code that it has for everything, such as a server that crashed or is being restarted.
_FROM_POOLER, _PARAMETER_NOT_SUPPORTED = "08P01", "unsupported startup parameter"


def _of_sqlstate(error: BaseException, state: str) -> Code:
    meaning = next((_SQLSTATES[state[:size]] for size in (5, 2) if state[:size] in _SQLSTATES), None)
    if state == _FROM_POOLER and _PARAMETER_NOT_SUPPORTED in str(error):
        meaning = Meaning.REFUSED
    if meaning is None or state.startswith("P0") or getattr(getattr(error, "diag", None), "context", None):
        words = Words.ANYTHING  # raised by a function, or within one
    else:
        words = Words.NAMES if state.startswith(_SPEAK_OF_OBJECTS) else Words.VALUES
    return Code(f"SQLSTATE {state}", meaning or Meaning.WRONG, words)


# -- MariaDB, MySQL --------------------------------------------------------------------------------------------------------

_ERRNOS: dict[int, Meaning] = {
    **dict.fromkeys((1044, 1045, 1049, 1130, 1142, 1143, 1227, 1251, 1275, 1370, 1410, 1524, 1698), Meaning.REFUSED),
    **dict.fromkeys((1820, 1862, 1873, 2026, 2049, 2054, 2059, 2061, 3118, 3159, 3878, 4151), Meaning.REFUSED),
    **dict.fromkeys((1051, 1054, 1109, 1146, 1347, 1356), Meaning.MISSING),
    **dict.fromkeys((1064, 1149, 1235, 1267, 1270, 1271, 1305, 1318, 1449, 1582, 1630), Meaning.WRONG),
    **dict.fromkeys((1242, 1264, 1292, 1365, 1366, 1367, 1406, 1411, 1424, 1441, 1525, 1644, 1690), Meaning.WRONG),
    **dict.fromkeys((1317, 1969, 3024), Meaning.TIME_LIMIT),
    **dict.fromkeys(
        (1015, 1016, 1020, 1021, 1023, 1024, 1030, 1037, 1038, 1040, 1041, 1042, 1043, 1047, 1053), Meaning.PASSING
    ),
    **dict.fromkeys((1080, 1105, 1114, 1129, 1135, 1152, 1153, 1156, 1157, 1158, 1159, 1160, 1161), Meaning.PASSING),
    **dict.fromkeys((1180, 1184, 1189, 1190, 1203, 1205, 1206, 1213, 1226, 1297, 1412, 1429, 1430), Meaning.PASSING),
    **dict.fromkeys(
        (1613, 1614, 1615, 1637, 1689, 1815, 1836, 1927, 3058, 3101, 3168, 3169, 3170, 3572, 4031), Meaning.PASSING
    ),
    **dict.fromkeys((2002, 2003, 2005, 2006, 2012, 2013, 2055), Meaning.PASSING),
}

#: The server's numbers, unlike those of clients between them. Those that are not listed are mistakes in SQL.
_OF_MYSQL_SERVER = (range(1000, 2000), range(3000, 5000))
_CONNECTING = (2003, 2013)
_ERRNOS_OF_VALUES = {1242, 1264, 1292, 1365, 1366, 1367, 1406, 1411, 1441, 1525, 1690}

#: SIGNAL in a function.
_SIGNAL = 1644


def _of_errno(error: BaseException, number: int) -> Code:
    if number in _CONNECTING and "[SSL" in str(error):  # Python's message about an untrusted certificate
        return Code(f"error {number}", Meaning.REFUSED, Words.NAMES)
    meaning, words = _ERRNOS.get(number), Words.NAMES
    if meaning is None or number in _ERRNOS_OF_VALUES:
        words = Words.VALUES
    if meaning is None and any(number in numbers for numbers in _OF_MYSQL_SERVER):
        meaning = Meaning.WRONG
    return Code(f"error {number}", meaning, Words.ANYTHING if number == _SIGNAL else words)


# -- SQL Server ------------------------------------------------------------------------------------------------------------

_MESSAGES: dict[int, Meaning] = {
    **dict.fromkeys((229, 230, 300, 916, 4060, 4064, 18452, 18456, 18470, 18486, 18487, 18488), Meaning.REFUSED),
    **dict.fromkeys((207, 208, 2812, 4121, 4413, 4502), Meaning.MISSING),
    **dict.fromkeys((102, 105, 156, 170, 195, 209, 319, 468, 2714, 8120, 8155, 8180), Meaning.WRONG),
    **dict.fromkeys((220, 232, 235, 241, 242, 244, 245, 248, 295, 517, 518, 8114, 8115, 8134, 9807, 50000), Meaning.WRONG),
    **dict.fromkeys((596, 601, 617, 701, 802, 845, 921, 922, 927, 942, 952, 976, 978, 979, 981, 982, 983), Meaning.PASSING),
    **dict.fromkeys(
        (1101, 1105, 1203, 1204, 1205, 1221, 1222, 3906, 3935, 3960, 3961, 3966, 4221, 6002, 6005), Meaning.PASSING
    ),
    **dict.fromkeys((8628, 8645, 8651, 9001, 9002, 10053, 10054, 10060, 10928, 10929, 17142, 17187, 17197), Meaning.PASSING),
    **dict.fromkeys((18401, 18451, 20003, 20009, 20047), Meaning.PASSING),
    **dict.fromkeys((40197, 40501, 40540, 40613, 41301, 41302, 41305, 41325, 49918, 49919, 49920), Meaning.PASSING),
}
_MESSAGES_OF_VALUES = {220, 232, 244, 245, 248, 8114, 8115}

#: Numbers below are the server's: those that are not listed are mistakes in SQL. Numbers from 20000 on are pymssql's too.
_OF_DB_LIB = 20_000

#: RAISERROR and THROW.
_OF_FUNCTIONS = 50_000

#: ODBC puts the server's number after the message, before the name of its own function.
_ODBC_NUMBER = re.compile(r"\((\d+)\)(?= \(SQL|[;\]]|$)")

#: How pymssql's library writes its own number, and the one by which it says that the server has given another.
_DB_LIB_NUMBER = re.compile(r"DB-Lib error message (\d+)")
_SEE_THE_SERVERS = 20018
_ODBC_STATES = {"28000": Meaning.REFUSED, "42S02": Meaning.MISSING, "42S22": Meaning.MISSING, "HYT00": Meaning.TIME_LIMIT}

# -- Oracle ----------------------------------------------------------------------------------------------------------------

_ORACLE_CODE = re.compile(r"\b(ORA|DPY|DPI)-(\d{4,5})\b")
_OF_ORACLE_FUNCTIONS = re.compile("ORA-20[0-9]{3}")  # RAISE_APPLICATION_ERROR
_ORACLE_CODES: dict[str, Meaning] = {
    **dict.fromkeys(("ORA-01017", "ORA-01031", "ORA-01045", "ORA-28000", "ORA-28001", "ORA-28003"), Meaning.REFUSED),
    **dict.fromkeys(("ORA-12505", "ORA-12514", "ORA-41900", "DPY-4001", "DPY-6001", "DPY-6003"), Meaning.REFUSED),
    **dict.fromkeys(("ORA-00904", "ORA-00942", "ORA-04043", "ORA-04063", "ORA-24344"), Meaning.MISSING),
    **dict.fromkeys(("ORA-00900", "ORA-00907", "ORA-00911", "ORA-00923", "ORA-00933", "ORA-00936", "ORA-00932"), Meaning.WRONG),
    **dict.fromkeys(("ORA-01426", "ORA-01427", "ORA-01438", "ORA-01476", "ORA-01722", "ORA-06502", "ORA-06512"), Meaning.WRONG),
    **{f"ORA-0{number}": Meaning.WRONG for number in (*range(1810, 1900), 20000, 20001)},
    **dict.fromkeys(("ORA-00040", "ORA-00051", "ORA-01013", "ORA-02394", "DPY-4024"), Meaning.TIME_LIMIT),
    **dict.fromkeys(("ORA-01033", "ORA-01034", "ORA-01089", "ORA-01555", "ORA-03113", "ORA-03114"), Meaning.PASSING),
    **dict.fromkeys(("ORA-03135", "ORA-12170", "ORA-12520", "ORA-12528", "ORA-12537", "ORA-12541"), Meaning.PASSING),
    **dict.fromkeys(("DPY-4011", "DPY-6000", "DPY-6005"), Meaning.PASSING),
}

# -- SQLite ----------------------------------------------------------------------------------------------------------------

#: SQLite has English messages only; Python 3.10 does not expose its codes.
_SQLITE_WORDS: _Patterns = [
    (Meaning.MISSING, (r"no such (table|column)",)),
    (Meaning.REFUSED, (r"unable to open database file", r"not a database", r"readonly", r"not authorized")),
    (Meaning.TIME_LIMIT, (r"interrupted",)),
    (Meaning.PASSING, (r"locked", r"busy", r"disk i/o error", r"database or disk is full")),
    (Meaning.WRONG, (r"no such function", r"syntax error", r"malformed", r"overflow", r"ambiguous")),
]


def code_of(error: BaseException, dialect: str) -> Code | None:
    """The code of a driver's error; ``None`` if there is none.

    :param dialect: SQLAlchemy's dialect name.
    """
    if dialect == "postgresql":
        state = getattr(error, "sqlstate", None)
        return _of_sqlstate(error, state) if state else None
    first = next(iter(arguments_of(error)), None)
    if dialect in ("mysql", "mariadb"):
        if isinstance(first, int):
            return _of_errno(error, first)
    elif dialect == "mssql":
        return _of_sql_server(error, first)
    elif dialect == "oracle":
        found = _ORACLE_CODE.search(str(error))
        if found:
            shown = f"{found[1]}-{found[2]}"
            meaning = _ORACLE_CODES.get(shown)
            words = Words.VALUES if meaning in (None, Meaning.WRONG) else Words.NAMES
            return Code(shown, meaning, Words.ANYTHING if _OF_ORACLE_FUNCTIONS.match(shown) else words)
    return None


def arguments_of(error: BaseException) -> tuple[Any, ...]:
    """What a driver made its error of; pymssql wraps number and words of a refused login once more."""
    match error.args:
        case (tuple() as wrapped,):
            return wrapped
    return error.args


def _of_sql_server(error: BaseException, first: Any) -> Code | None:
    if isinstance(first, int):
        number = _of_pymssql(error, first)
    elif isinstance(first, str) and (found := _ODBC_NUMBER.findall(str(error.args[-1]))):
        number = int(found[-1])
    else:
        state = first if isinstance(first, str) and first in _ODBC_STATES else None
        return Code(state, _ODBC_STATES[state], Words.NAMES) if state else None
    meaning, words = _MESSAGES.get(number), Words.NAMES
    if meaning is None or number in _MESSAGES_OF_VALUES:
        words = Words.VALUES
    if number >= _OF_FUNCTIONS:
        return Code(f"error {number}", Meaning.WRONG, Words.ANYTHING)
    return Code(f"error {number}", Meaning.WRONG if meaning is None and number < _OF_DB_LIB else meaning, words)


def _of_pymssql(error: BaseException, number: int) -> int:
    """Its own number of an error, where the server said nothing: that of the server is then left from an earlier connection."""
    own = _DB_LIB_NUMBER.search(" ".join(map(str, arguments_of(error)[1:])))
    return number if own is None or int(own[1]) == _SEE_THE_SERVERS else int(own[1])


def meaning_of_words(words: str, dialect: str, error: BaseException) -> Meaning | None:
    """The meaning of an error without a code, by its message."""
    if dialect == "sqlite" or isinstance(error, sqlite3.Error):
        return _by_words(words, _SQLITE_WORDS)
    if dialect != "postgresql":
        return None
    meaning = Meaning.PASSING if _LOST.match(words) else _by_words(words, _POSTGRES_WORDS)
    if meaning is None and words.startswith(_OF_LIBPQ) and _OF_THE_SERVER not in words:
        return Meaning.REFUSED  # what the connection asks for is wrong
    return meaning


def meaning_of(error: BaseException, dialect: str) -> Meaning | None:
    """The meaning of an error by its code or message; SQLAlchemy's exceptions wrap those of the driver."""
    cause = getattr(error, "orig", None) or error
    code = code_of(cause, dialect)
    return code.meaning if code is not None else meaning_of_words(str(cause), dialect, cause)


def _by_words(words: str, table: _Patterns) -> Meaning | None:
    lower = words.lower()
    return next((meaning for meaning, patterns in table if any(re.search(one, lower) for one in patterns)), None)


_QUOTE_COLON_OR_DIGIT = re.compile(r"[\"'«»“”‘’`:0-9(\[]")


def without_values(words: str) -> str:
    """A server's message up to the point where it may quote a value: the first quote, colon, bracket or digit."""
    return _QUOTE_COLON_OR_DIGIT.split(words, maxsplit=1)[0].strip()
