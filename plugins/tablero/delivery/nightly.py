"""Use case: read the windows of a night. A window that fails does not hold up the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window, dateless_window, span, undated_window
from tablero.delivery.reconciling import answers
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import OutboxUnavailable, SourceUnavailable, TableroError
from tablero.outbox.engine import reading
from tablero.outbox.reports import nights
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)

#: How long a reading counts as up to date when its pending rows are posted.
FRESH = timedelta(minutes=15)

#: Up to this number of rows from before the first month, a night reads them with the undated ones; a view with a long history
#: has millions, which every load reads.
MOST_OLDER = 10_000


class Read(NamedTuple):
    """The result of reading several windows.

    :ivar windows: windows to be proved by ``reconcile``, including those that could not be read.
    :ivar tallies: of the windows that were read.
    """

    windows: list[Window]
    tallies: list[Tally]


def read(engine: Engine, source: Source, settings: Settings, windows: Sequence[Window], run: Run) -> Read:
    """Stage each of ``windows`` that can be read; ``reconcile`` tries the others again, and fails if it cannot read one.

    Also where the source does not answer at all: what is pending must not wait until it does.

    :raises OutboxUnavailable: there is nowhere to put anything.
    """
    found = Read([], [])
    source_answers = True
    for planned in windows:
        window, is_read = planned, False
        try:
            if source_answers:
                window = _with_older_rows(source, settings, planned)
                found.tallies.append(stage(engine, source, settings, window, run))
                is_read = True
        except OutboxUnavailable:
            raise
        except TableroError as error:
            log.error("%s", texts.LEFT_OUT(window=window.label, words=error.text))
            source_answers = not isinstance(error, SourceUnavailable) or answers(source)
        # How many rows have no date is worth a remark, and no red run.
        if is_read or window.kind != "undated":
            found.windows.append(window)
    return found


def _with_older_rows(source: Source, settings: Settings, window: Window) -> Window:
    """With the rows without a date, those from before the first month, among which are the mistyped ones of today."""
    if window != dateless_window():
        return window
    whole = undated_window(settings.earliest, settings.timezone)
    older = span(window.end, whole.end)
    counted = source.count([older])
    return whole if counted is not None and counted.of[older] <= MOST_OLDER else window


def refresh_stale(
    engine: Engine,
    connect: Callable[[], AbstractContextManager[Source]],
    settings: Settings,
    windows: Sequence[Window],
    run: Run,
) -> None:
    """Before the pending rows of ``windows`` are posted, read again each window that was not read recently, so that a retry or
    a deferred task posts nothing that was corrected in the meantime.

    A source that does not answer does not hold up what is pending.

    :param connect: opens the source.
    :raises OutboxUnavailable: if the outbox does not answer.
    """
    with reading(engine) as connection:
        stale = [window for window in windows if nights.is_stale(connection, window, run.clock() - FRESH)]
    if not stale:
        return
    try:
        with connect() as source:
            read(engine, source, settings, stale, run)
    except OutboxUnavailable:
        raise
    except TableroError as error:
        log.warning("%s", texts.LEFT_OUT(window=", ".join(window.label for window in stale), words=error.text))
