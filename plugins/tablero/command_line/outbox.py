"""Commands that query the outbox: ``status``, ``rows``, ``rejections``. They only read, and never create an outbox."""

from __future__ import annotations

import argparse
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tablero.command_line.printing import dump, each, say
from tablero.contract.status_change import FIELDS, StatusChange
from tablero.contract.windows import NO_DATE, UNDATED
from tablero.errors import ParameterError, SetupError, TableroError
from tablero.texts import command_line as texts
from tablero.texts.text import Text, verbatim

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection
    from tablero.contract.windows import Window

#: Rows or batches read at a time.
_PAGE = 500

#: Seconds for each statement.
_PATIENCE = 600.0

_ROW_COLUMNS = (*FIELDS, "state", "batch", "settled_at", "words")

_REJECTION_COLUMNS = ("reason", *FIELDS, "changed_at", "words")


def status(asked: argparse.Namespace) -> int:
    """Print the state; the exit status tells it to machines. Any error on the way means *unknown*."""
    from tablero.web import status as answers

    may_quote_rows = False
    try:
        from tablero.airflow import configuration  # which fails where Airflow's own configuration is wrong

        settings = configuration.read_settings()
        with _asking() as connection:
            may_quote_rows = True
            found = answers.status(connection, settings, configuration.clock())
    except TableroError as error:
        found = answers.unknown(error.text)
    except Exception as error:  # uncaught, it would end the process with the exit status of *degraded*
        found = answers.unknown(_unexpected(error) if may_quote_rows else verbatim(f"{type(error).__name__}: {error}"))
    with suppress(BrokenPipeError):  # nobody reads it, and the exit status is told all the same
        if asked.json:
            dump(found.to_json())
        else:
            say(found.line())
    return found.state.exit_status


def _unexpected(error: Exception) -> Text:
    """An error that is not ours, without its words, which monitors would send on: its class, and the line that raised it."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return texts.UNEXPECTED(kind=type(error).__name__, place=f"{Path(last.filename).name}:{last.lineno}")


def rows(asked: argparse.Namespace) -> int:
    """Print status changes with their state."""
    each(_rows(asked), columns=_ROW_COLUMNS, as_csv=asked.csv)
    return 0


def _rows(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with _asking() as connection:
        if asked.request is not None:
            yield from _of_request(connection, asked.request.strip())
        elif asked.month is not None:
            yield from _of_month(connection, _month(asked.month))
        else:
            yield from _of_batch(connection, asked.batch)


def _of_request(connection: Connection, request_id: str) -> Iterator[dict[str, Any]]:
    from tablero.outbox.reports.requests import changes_of_request

    for one in changes_of_request(connection, request_id):
        yield _row(one.change, one.state, one.batch_id, one.settled_at, one.words)


def _of_month(connection: Connection, window: Window) -> Iterator[dict[str, Any]]:
    from tablero.outbox.reports import windows

    after = 0
    while batches := windows.batches_of(connection, window, state=None, after=after, limit=_PAGE):
        for batch in batches:
            for change in windows.rows_of(connection, batch.id, skip=0, limit=1_000):
                if change.last_modified_date in window:
                    yield _row(change, batch.state, batch.id, batch.settled_at, batch.words)
        after = batches[-1].id


def _of_batch(connection: Connection, identity: int) -> Iterator[dict[str, Any]]:
    from tablero.outbox.reports import windows

    batch = windows.batch_of(connection, identity)
    if batch is None:
        raise ParameterError(texts.NO_BATCH(batch=str(identity)))
    for change in windows.rows_of(connection, identity, skip=0, limit=1_000):
        yield _row(change, batch.state, identity, batch.settled_at, batch.words)


def _row(change: StatusChange, state: str, batch_id: int, settled_at: Any, words: str | None) -> dict[str, Any]:
    return dict(zip(_ROW_COLUMNS, (*change, state, batch_id, settled_at, words), strict=True))


def rejections(asked: argparse.Namespace) -> int:
    """Print rejected and refused rows with their reasons."""
    each(_rejections(asked), columns=_REJECTION_COLUMNS, as_csv=asked.csv)
    return 0


def _rejections(asked: argparse.Namespace) -> Iterator[dict[str, Any]]:
    from tablero.contract.reasons import Reason
    from tablero.outbox.reports.rejections import page_of
    from tablero.outbox.requeue import Filter

    codes = [reason.value for reason in Reason]
    if asked.reason and asked.reason not in codes:
        raise ParameterError(texts.BAD_REASON(given=asked.reason, allowed=", ".join(codes)))
    window = _undated() if asked.month == UNDATED else _month(asked.month) if asked.month else None
    chosen = Filter(start=window.start, end=window.end) if window else Filter()
    with _asking() as connection:
        for reason in [asked.reason] if asked.reason else codes:
            before = None
            while found := page_of(connection, chosen._replace(reason=reason), before=before, limit=_PAGE):
                for one in found:
                    changed_at = None if one.changed_at == NO_DATE else one.changed_at
                    yield dict(zip(_REJECTION_COLUMNS, (one.reason, *one.values, changed_at, one.words), strict=True))
                before = found[-1].changed_at, found[-1].key


def _month(label: str) -> Window:
    from tablero.airflow import configuration
    from tablero.contract.windows import window_of

    try:
        if len(label) != len("YYYY-MM"):
            raise ValueError(label)
        return window_of(label, configuration.read_settings().timezone)
    except ValueError:
        raise ParameterError(texts.BAD_MONTH(given=label)) from None


def _undated() -> Window:
    from tablero.airflow import configuration
    from tablero.contract.windows import undated_window

    settings = configuration.read_settings()
    return undated_window(settings.earliest, settings.timezone)


@contextmanager
def _asking() -> Iterator[Connection]:
    """A connection for reading, which sees one state of the outbox: a batch that is cut meanwhile is printed once.

    :raises SetupError: there is no outbox yet, or a task must upgrade its schema first.
    """
    from tablero.airflow import configuration
    from tablero.outbox.engine import address_of, connect
    from tablero.outbox.reports.snapshot import Readiness, readiness, snapshot

    engine = connect(configuration.outbox_url())
    try:
        # Connecting would create an empty SQLite file.
        missing = engine.dialect.name == "sqlite" and not Path(engine.url.database or "").is_file()
        found = Readiness.EMPTY if missing else readiness(engine)
        if found is not Readiness.READY:
            said = texts.NO_OUTBOX if found is Readiness.EMPTY else texts.OLDER_OUTBOX
            raise SetupError(said(outbox=address_of(engine)))
        with snapshot(engine, seconds=_PATIENCE) as connection:
            yield connection
    finally:
        engine.dispose()
