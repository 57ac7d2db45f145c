"""Use case: read what a night is about. The trouble of one window is its own: it holds up no other one."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.staging import Tally, stage
from tablero.errors import OutboxUnavailable, TableroError
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
    """Stage each of ``windows`` that can be read; ``reconcile`` tries the others again.

    :param accept_changes: as in :func:`tablero.delivery.staging.stage`.
    :raises OutboxUnavailable: there is nowhere to put anything.
    :raises TableroError: nothing at all could be read; the first cause.
    """
    found = Read([], [])
    failure: TableroError | None = None
    for window in windows:
        try:
            found.tallies.append(
                stage(engine, source, settings, window, run_id=run_id, clock=clock, accept_changes=accept_changes)
            )
        except OutboxUnavailable:
            raise
        except TableroError as error:
            if window.kind == "undated":  # how many there are is worth a remark, and no red run
                log.warning("%s", texts.UNDATED_NOT_READ(words=error.text))
                continue
            log.error("%s", texts.LEFT_OUT(window=window.label, words=error.text))
            failure = failure or error
        found.windows.append(window)
    if failure is not None and not any(tally.window.kind != "undated" for tally in found.tallies):
        raise failure
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
    for window in windows:
        if ledger.is_stale(engine, window, clock() - FRESH):
            try:
                with connect() as source:
                    stage(engine, source, settings, window, run_id=run_id, clock=clock, accept_changes=accept_changes)
            except OutboxUnavailable:
                raise
            except TableroError as error:
                log.warning("%s", texts.LEFT_OUT(window=window.label, words=error.text))
