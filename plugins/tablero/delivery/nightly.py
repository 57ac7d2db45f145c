"""Use case: read what a night is about. The trouble of one window is its own: it holds up no other one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.reconciling import answers
from tablero.delivery.staging import Tally, stage
from tablero.errors import OutboxUnavailable, SourceUnavailable, TableroError
from tablero.outbox import ledger
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import delivery as texts

log = logging.getLogger(__name__)

#: How long a reading tells whether the source still says what is pending.
FRESH = timedelta(minutes=15)


class Read(NamedTuple):
    """What could be read.

    :ivar windows: that are to be proved later on; those that could not be read among them.
    :ivar tallies: of those that could.
    """

    windows: list[Window]
    tallies: list[Tally]


def read(
    engine: Engine,
    source: Source,
    settings: Settings,
    windows: Sequence[Window],
    *,
    run_id: str,
    clock: Callable[[], datetime],
    accept_changes: bool = False,
) -> Read:
    """Stage each of ``windows`` that can be read; ``reconcile`` tries the others again, and fails if it cannot read one.

    Also where the source does not answer at all: what is pending must not wait until it does.

    :param accept_changes: as in :func:`tablero.delivery.staging.stage`.
    :raises OutboxUnavailable: there is nowhere to put anything.
    """
    found = Read([], [])
    source_answers = True
    for window in windows:
        is_read = False
        try:
            if source_answers:
                tally = stage(engine, source, settings, window, run_id=run_id, clock=clock, accept_changes=accept_changes)
                found.tallies.append(tally)
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


def ask_again(
    engine: Engine,
    connect: Callable[[], AbstractContextManager[Source]],
    settings: Settings,
    windows: Sequence[Window],
    *,
    run_id: str,
    clock: Callable[[], datetime],
    accept_changes: bool = False,
) -> None:
    """Before what is pending in ``windows`` is posted: see that the source still says it, unless it was asked just now. A later
    try, or one that had to wait, posts nothing that was corrected meanwhile.

    Where the source cannot be asked, that holds up nothing that is pending.

    :param connect: opens the source.
    :raises OutboxUnavailable: there is nowhere to look.
    """
    stale = [window for window in windows if ledger.is_stale(engine, window, clock() - FRESH)]
    if not stale:
        return
    try:
        with connect() as source:
            read(engine, source, settings, stale, run_id=run_id, clock=clock, accept_changes=accept_changes)
    except OutboxUnavailable:
        raise
    except TableroError as error:
        log.warning("%s", texts.LEFT_OUT(window=", ".join(window.label for window in stale), words=error.text))
