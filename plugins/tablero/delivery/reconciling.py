"""Use case: reconcile. Prove for each window that the rows of the source are those of the outbox, and that none is pending.

Equal counts prove nothing, since a row may have changed in place. So each window is read again and merged with the outbox; what
is new is sent, and the window is read once more, until a reading finds nothing new. A retry also sends what an earlier try
staged and could not send.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.delivery.rows import Tally
from tablero.delivery.run import Run
from tablero.delivery.staging import stage
from tablero.errors import Deferral, ImplausibleReading, NotSettledError, SourceUnavailable, TableroError, TransientError
from tablero.outbox import ledger
from tablero.outbox.ledger import Account
from tablero.settings import Settings
from tablero.source.reader import Source
from tablero.texts import delivery as texts
from tablero.texts.text import Text, joined

log = logging.getLogger(__name__)

#: How often new rows are sent and the window is read again.
PASSES = 3


class Reconciled(NamedTuple):
    """The result of a reconciliation.

    :ivar accounts: one per window; also stored in the outbox.
    :ivar failure: the error to raise in the end; ``None`` if there is none. Transient errors take precedence, so that a window
        that cannot be read at all does not keep the others from being retried.
    """

    accounts: list[Account]
    failure: TableroError | None


def reconcile(
    engine: Engine,
    source: Source,
    settings: Settings,
    windows: Iterable[Window],
    run: Run,
    *,
    send: Callable[[Window], object],
    unsent: Collection[Window] = (),
) -> Reconciled:
    """Read each window again, send what is pending, and store the proof. A window that fails does not hold up the others.

    :param send: sends what is pending in a window.
    :param unsent: windows whose own task failed to send them. What is pending there is left to that task, unless this finds
        new rows as well.
    :raises OutboxUnavailable: if the outbox does not answer.
    """
    accounts: list[Account] = []
    read = partial(stage, engine, source, settings, run=run)
    failures: list[TableroError] = []
    stopped: list[Window] = []
    source_answers = True
    for window in windows:
        try:
            # The month of a day that the brake has stopped may look plausible, and would send that day's rows all the same.
            if source_answers and not any(one.overlaps(window) for one in stopped):
                account = _prove(engine, window, read, send, leave_pending=window in unsent)
            else:
                account = ledger.account(engine, window)
        except TableroError as error:
            log.error("%s", texts.WINDOW_FAILED(window=window.label, words=error.text))
            failures.append(error)
            if isinstance(error, ImplausibleReading):
                stopped.append(window)
            account = ledger.account(engine, window)
            source_answers = not isinstance(error, SourceUnavailable) or answers(source)
        ledger.keep(engine, account, run.id, run.clock())
        accounts.append(account)
    return Reconciled(accounts, min(failures, key=_urgency, default=None))


def _prove(
    engine: Engine,
    window: Window,
    read: Callable[[Window], Tally],
    send: Callable[[Window], object],
    *,
    leave_pending: bool,
) -> Account:
    for _ in range(PASSES + 1):
        tally = read(window)
        account = ledger.account(engine, window)
        if not tally.new and (leave_pending or not account.pending):
            return replace(account, recount=tally.read)
        log.info(
            "%s: %d rows which no earlier reading found; %d rows are pending and are sent.",
            *(window.label, tally.new, account.pending),
        )
        send(window)
    return ledger.account(engine, window)


def answers(source: Source) -> bool:
    """Whether the source answers at all: if not, 83 months would each wait for a time-out."""
    try:
        source.check()
    except TableroError:
        return False
    return True


def _urgency(failure: TableroError) -> int:
    if isinstance(failure, Deferral):
        return 0
    return 1 if isinstance(failure, TransientError) else 2


def require_settled(accounts: Sequence[Account]) -> None:
    """Fail unless every window is settled.

    :raises NotSettledError: names each window that is not, and says what to do.
    """
    complaints = [_complaint(found) for found in accounts if not found.settled]
    if complaints:
        raise NotSettledError(texts.NOT_SETTLED(count=len(complaints), all=len(accounts), windows=joined(complaints, "\n")))


def _complaint(found: Account) -> Text:
    window = found.window.label
    if found.read is None:
        return texts.NEVER_READ(window=window, staged=found.pending)
    if found.pending:
        return texts.PENDING(window=window, pending=found.pending)
    if found.recount is None:
        return texts.NOT_READ_AGAIN(window=window)
    return texts.DOES_NOT_CLOSE(window=window, read=found.read, accounted=found.accounted, now=found.recount, gone=found.gone)


_HEADINGS = ("window", "read", "delivered", "rejected", "excluded", "duplicate", "pending", "source", "gone", "")


def table(accounts: Sequence[Account]) -> list[str]:
    """The proof as lines of text: one per window, a total, and the reasons of rejections."""
    rows = [_HEADINGS, *map(_cells, accounts)]
    if len(accounts) > 1:
        rows.append(_total(accounts))
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for found in accounts:
        lines += [f"{found.window.label}: {count} rejected: {reason}" for reason, count in sorted(found.rejected.items())]
    return lines


def _cells(found: Account) -> tuple[str, ...]:
    numbers = (found.delivered, found.rejected.total(), found.excluded, found.duplicates, found.pending)
    return (
        found.window.label,
        "-" if found.read is None else str(found.read),
        *map(str, numbers),
        "-" if found.recount is None else str(found.recount),
        str(found.gone),
        "settled" if found.settled else "OPEN",
    )


def _total(accounts: Sequence[Account]) -> tuple[str, ...]:
    sums = (
        sum(found.read or 0 for found in accounts),
        sum(found.delivered for found in accounts),
        sum(found.rejected.total() for found in accounts),
        sum(found.excluded for found in accounts),
        sum(found.duplicates for found in accounts),
        sum(found.pending for found in accounts),
        sum(found.recount or 0 for found in accounts),
        sum(found.gone for found in accounts),
    )
    return ("total", *map(str, sums), "settled" if all(found.settled for found in accounts) else "OPEN")
