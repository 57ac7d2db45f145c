"""Translation of driver errors at the source, by code, without any value of a row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import exc
from sqlalchemy.engine import Engine
from tablero.contract.status_change import FIELDS
from tablero.errors import SetupError, SourceUnavailable, TableroError, WindowUnreadable
from tablero.source.codes import Meaning, Words, arguments_of, code_of, meaning_of_words, without_values
from tablero.source.dialects.base import UnreadableType
from tablero.texts import source as texts
from tablero.texts.text import Text


@contextmanager
def translated(engine: Engine, name: str, *, own_sql: bool) -> Iterator[None]:
    """Raise errors of the driver as errors of this package.

    :param name: what is read, for the messages.
    :param own_sql: whether that is the institution's own query.
    :raises SetupError, WindowUnreadable: if a retry cannot help.
    :raises SourceUnavailable: if a retry may help.
    """
    driver: Any = engine.dialect.loaded_dbapi
    try:
        yield
    except TableroError:
        raise
    except UnreadableType as error:
        raise SetupError(texts.NO_INSTANTS(view=name, type=error.name)) from error
    except (exc.SQLAlchemyError, driver.Error) as error:
        cause = getattr(error, "orig", None) or error
        ours, said = _judged(cause, engine, name, own_sql=own_sql)
        # A chained exception is printed as well, so one that may quote a value is not chained.
        raise ours from (error if said is Words.NAMES else None)
    except (UnicodeError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError) as error:
        # Drivers raise these for unexpected values and connection options, and quote them.
        raise SetupError(texts.DRIVER_FAILED(view=name, driver=engine.driver, kind=type(error).__name__)) from None


def _judged(cause: BaseException, engine: Engine, name: str, *, own_sql: bool) -> tuple[TableroError, Words]:
    dialect = engine.dialect.name
    code, words = code_of(cause, dialect), words_of(cause)
    meaning = code.meaning if code is not None else meaning_of_words(words, dialect, cause)
    unknown = meaning is None and not _from_connecting(cause)
    said = code.words if code is not None else Words.VALUES if unknown else Words.NAMES
    if meaning is None:
        driver: Any = engine.dialect.loaded_dbapi
        for_good = isinstance(cause, (driver.ProgrammingError, driver.DataError, exc.ArgumentError))
        meaning = Meaning.WRONG if for_good else Meaning.PASSING
    if said is not Words.NAMES:
        words = f"{without_values(words)} …" if said is Words.VALUES else "…"
    marks = ", ".join(filter(None, (code.shown if code is not None else "", _condition(cause))))
    answer = texts.SAYS(view=name, words=f"{words} ({marks})" if marks else words)
    return _error(meaning, answer, name, own_sql=own_sql), said


def _error(meaning: Meaning, said: Text, name: str, *, own_sql: bool) -> TableroError:
    match meaning:
        case Meaning.MISSING if not own_sql:
            return SetupError(texts.NO_VIEW(said=said, view=name, columns=", ".join(FIELDS)))
        case Meaning.REFUSED:
            return SetupError(texts.REFUSED(said=said))
        case Meaning.MISSING | Meaning.WRONG:
            return SetupError(texts.OWN_SQL_FAILS(said=said) if own_sql else texts.VIEW_FAILS(said=said))
        case Meaning.TIME_LIMIT:
            return WindowUnreadable(texts.TIME_LIMIT(said=said))
    return SourceUnavailable(texts.UNAVAILABLE(said=said))


#: What pymssql's library says behind the words of the server, in English and of no use.
_OF_DB_LIB = "DB-Lib error message"


def words_of(error: BaseException) -> str:
    """The database's message on one line, without a driver's formatting: some pass number and message separately, or bytes."""
    return " ".join(_words_of(error).split())


def _words_of(error: BaseException) -> str:
    diagnosis = getattr(error, "diag", None)
    if diagnosis is not None and diagnosis.message_primary:  # psycopg, whose str() also quotes the statement and values
        return str(diagnosis.message_primary).strip()
    match arguments_of(error):
        case (int(), str() | bytes() as words, *_) | (str(), str() | bytes() as words):
            text = words.decode(errors="replace") if isinstance(words, bytes) else words
            return text.partition(_OF_DB_LIB)[0].strip() or text.strip()
    return str(error).strip()


def _condition(error: BaseException) -> str:
    """PostgreSQL's name of the condition (``InvalidDatetimeFormat``), which is psycopg's class name."""
    return type(error).__name__ if getattr(error, "sqlstate", None) else ""


def _from_connecting(error: BaseException) -> bool:
    """Whether an error without a code concerns the connection itself, so that it cannot quote a row."""
    return type(error).__name__ in ("OperationalError", "InterfaceError", "ConnectionTimeout")
