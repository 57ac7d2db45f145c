"""Use case: reconcile. Prove, window by window, that every row of the source is accounted for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.engine import Engine
from tablero.contract.windows import Window
from tablero.errors import NotSettledError, SourceUnavailable, TableroError
from tablero.outbox import ledger
from tablero.outbox.ledger import Account
from tablero.source.reader import Source

log = logging.getLogger(__name__)

#: How often a window is read again because its source grew in the meantime.
PASSES = 3


def reconcile(
    engine: Engine,
    source: Source,
    windows: Iterable[Window],
    *,
    run_id: str,
    clock: Callable[[], datetime],
    catch_up: Callable[[Window], object],
) -> tuple[list[Account], TableroError | None]:
    """Recount the source and compare; rows which it holds beyond those that were read are fetched and sent.

    :param catch_up: stages and sends a window again.
    :returns: an account of each window, which is also kept in the outbox, and the first thing that went wrong on the way:
        the table is worth having all the same.
    :raises OutboxUnavailable: there is nothing to tell then.
    """
    accounts = []
    failure: TableroError | None = None
    for window in windows:
        found = ledger.account(engine, window)
        try:
            # Once the source has failed it is not asked again: 83 months would each wait for a time-out.
            if not isinstance(failure, SourceUnavailable):
                found = _recounted(engine, source, window)
                for _ in range(PASSES):
                    # What is pending has had its tries; rows that no one has read yet have not.
                    if found.read is None or found.closes:
                        break
                    log.info("%s: the source now holds %s rows; reading it again.", window.label, found.recount)
                    catch_up(window)
                    found = _recounted(engine, source, window)
        except TableroError as error:
            log.error("%s: %s", window.label, error)
            failure = failure or error
            found = replace(ledger.account(engine, window), recount=found.recount)
        ledger.keep(engine, found, run_id, clock())
        accounts.append(found)
    return accounts, failure


def _recounted(engine: Engine, source: Source, window: Window) -> Account:
    recount = source.count(window)
    return replace(ledger.account(engine, window), recount=recount)


def require_settled(accounts: Sequence[Account]) -> None:
    """Let the run fail unless every window is settled.

    :raises NotSettledError: names each window that is not, and what to do.
    """
    open_windows = [_complaint(found) for found in accounts if not found.settled]
    if open_windows:
        raise NotSettledError(
            f"{len(open_windows)} of {len(accounts)} windows are not settled:\n"
            + "\n".join(open_windows)
            + "\nClear the failed task of that month or day with its downstream tasks, or trigger the DAG again: only what is"
            " missing is sent. / Limpie (Clear) la tarea fallida de ese mes o día con sus tareas posteriores (Downstream),"
            " o lance el DAG de nuevo: solo se envía lo que falta."
        )


def _complaint(found: Account) -> str:
    if found.read is None:
        return f"{found.window.label}: never read to its end; {found.recount} rows in the source, {found.pending} staged."
    if found.pending:
        return f"{found.window.label}: {found.pending} rows pending."
    return (
        f"{found.window.label}: the sum does not close: {found.read} read, {found.accounted} accounted for,"
        f" {found.recount} in the source now, {found.gone} gone from it."
    )


_HEADINGS = ("window", "read", "delivered", "rejected", "excluded", "duplicate", "pending", "source", "gone", "")


def table(accounts: Sequence[Account]) -> list[str]:
    """The proof as lines of text: a row for each window, a sum, and the reasons of rejections."""
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
