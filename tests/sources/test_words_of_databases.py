"""What databases say when something is wrong: what will not pass by itself is told from what may."""

from __future__ import annotations

import pytest
from tablero.source import dialects

MISSING = [
    'relation "tablero_status_changes" does not exist',
    "Table 'solicitudes.tablero_status_changes' doesn't exist",
    "View 'solicitudes.v' references invalid table(s) or column(s) or function(s) or definer/invoker of view lack rights",
    "no such column: opening_date",
    "Invalid object name 'tablero_status_changes'.",
    "Invalid column name 'opening_date'.",
    "ORA-00942: table or view does not exist",
    'ORA-00904: "OPENING_DATE": invalid identifier',
]
REFUSED = [
    'FATAL:  password authentication failed for user "tablero"',
    "permission denied for view tablero_status_changes",
    "Access denied for user 'tablero'@'10.0.0.1' (using password: YES)",
    "SELECT command denied to user 'tablero'@'10.0.0.1' for table `solicitudes`.`v`",
    "Host '10.0.0.1' is not allowed to connect to this MariaDB server",
    "Login failed for user 'tablero'.",
    'Cannot open database "solicitudes" requested by the login. The login failed.',
    "ORA-01017: invalid credential or not authorized; logon denied",
    "ORA-01031: insufficient privileges",
]
PASSING = [
    "could not connect to server: Connection refused",
    "Lost connection to MySQL server during query",
    "Deadlock found when trying to get lock; try restarting transaction",
    "DB-Lib error message 20009, severity 9:\nUnable to connect: TDS server is unavailable or does not exist (db)",
    "DPY-6005: cannot connect to database",
    "ORA-12541: Cannot connect. No listener at host db port 1521.",
]


@pytest.mark.parametrize("words", MISSING)
def test_an_object_that_is_not_there(words: str) -> None:
    """In the words of each database."""
    assert dialects.tells_of_missing_object(words)


@pytest.mark.parametrize("words", REFUSED)
def test_a_refusal(words: str) -> None:
    """The same."""
    assert dialects.tells_of_refusal(words)
    assert not dialects.tells_of_missing_object(words)


@pytest.mark.parametrize("words", PASSING)
def test_what_may_pass(words: str) -> None:
    """Is neither."""
    assert not dialects.tells_of_missing_object(words)
    assert not dialects.tells_of_refusal(words)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Exception("as it is\n"), "as it is"),
        (Exception(1146, "Table 'v' doesn't exist"), "Table 'v' doesn't exist (1146)"),
        (Exception(20009, b"Unable to connect\n"), "Unable to connect (20009)"),
    ],
)
def test_words_are_those_of_the_database(error: Exception, words: str) -> None:
    """Without the form in which its driver gives them."""
    assert dialects.words_of(error) == words
