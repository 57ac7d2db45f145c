"""Use case: count. The rows that the source counts must be those that were read window by window.

Reading a window again proves what is in it, but not that the reading skips nothing. So the source itself counts consecutive
windows, all of them in one statement; those of a full load are the whole view, so that no row lies outside.

The source may change meanwhile, so windows whose count differs are read and counted again. A stretch costs one count, and at
most :data:`PASSES` more, of the windows that differ. A window lacks rows if its count never moved and no reading returned as
many; if it moved, by whatever rows came and went, the difference proves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

from tablero.contract.windows import NO_DATE, OLDEST_DATE, Window
from tablero.delivery.reconciling import PASSES, Reconciled
from tablero.errors import NotSettledError, SetupError, SourceUnavailable, TableroError, TransientError, WindowUnreadable
from tablero.outbox.ledger import Account
from tablero.source.reader import Source
from tablero.texts import delivery as texts
from tablero.texts.text import Text, joined

log = logging.getLogger(__name__)

Again = Callable[[Sequence[Window]], Reconciled]
Keep = Callable[[Account], object]


class Counted(NamedTuple):
    """The result of counting.

    :ivar reconciled: with the accounts of windows that were read again, and of those that lack rows, which are not settled.
    :ivar complaints: where rows are missing; empty if all counts match, or could not be compared.
    :ivar uncounted: rows read of windows that the source could not count.
    """

    reconciled: Reconciled
    complaints: list[Text]
    uncounted: int


def compare(source: Source, reconciled: Reconciled, again: Again, keep: Keep) -> Counted:
    """Have the source count what was read. If it cannot, a warning is logged; if it does not answer, the run fails.

    Windows that could not be read are left out, since the run fails anyway; so are undated rows if only they are read, since
    counting them means reading them.

    :param again: reconciles some windows once more.
    :param keep: stores the account of a window that lacks rows.
    :raises OutboxUnavailable: as ``again`` and ``keep``.
    """
    books, uncounted = _Books(source, reconciled, again, keep), 0
    for stretch in stretches(one.window for one in reconciled.accounts if one.recount is not None):
        try:
            books.compare(stretch)
        except (SetupError, WindowUnreadable) as error:
            text = texts.NOT_COUNTED_IN_TIME if isinstance(error, WindowUnreadable) else texts.NOT_COUNTABLE
            log.warning("%s", text(windows=_named(stretch), words=error.text))
            uncounted += sum(map(books.read, stretch))
        except SourceUnavailable as error:
            log.error("%s", texts.WINDOW_FAILED(window=_named(stretch), words=error.text))
            books.fail(error)
            break
    return Counted(books.reconciled, books.complaints, uncounted)


def require_whole(counted: Counted) -> None:
    """Fail if the source counts rows that no reading returned.

    :raises NotSettledError: names the windows that lack rows.
    """
    if counted.complaints:
        raise NotSettledError(texts.COUNT_DIFFERS(complaints=joined(counted.complaints, "\n")))


def stretches(windows: Iterable[Window]) -> list[list[Window]]:
    """Groups of consecutive windows without a gap, in order of time."""
    found: list[list[Window]] = []
    for window in sorted(windows, key=lambda one: (one.start, -one.end.timestamp())):
        if window.start == NO_DATE and window.end <= OLDEST_DATE:
            continue
        if found and found[-1][-1].end == window.start:
            found[-1].append(window)
        else:
            found.append([window])
    return found


class _Books:
    """The accounts, updated as windows are read again."""

    def __init__(self, source: Source, reconciled: Reconciled, again: Again, keep: Keep) -> None:
        self._source = source
        self._again = again
        self._keep = keep
        self._accounts = {one.window: one for one in reconciled.accounts}
        self._failure = reconciled.failure
        self.complaints: list[Text] = []

    @property
    def reconciled(self) -> Reconciled:
        return Reconciled(list(self._accounts.values()), self._failure)

    def read(self, window: Window) -> int:
        return self._accounts[window].recount or 0

    def fail(self, error: TableroError | None) -> None:
        """Transient errors take precedence, as in a reconciliation."""
        if not isinstance(self._failure, TransientError):
            self._failure = error or self._failure

    def compare(self, windows: list[Window]) -> None:
        """Compare the windows of a stretch, and read those that differ again."""
        found = self._source.count(windows)
        if found is None:
            return  # the institution's own SQL
        if windows[0].start == NO_DATE:
            inside = sum(found.of.values())
            log.info("The view has %d rows: %d in %s, %d later.", found.rows, inside, _named(windows), found.rows - inside)
        counts, moving = found.of, set[Window]()
        for number in range(PASSES + 1):
            differing = [window for window, rows in counts.items() if rows != self.read(window)]
            if not differing:
                log.info("%s: the source counts %d rows, as many as were read.", _named(windows), sum(map(self.read, windows)))
            if not differing or number == PASSES:
                break
            if not self._read_again(differing):
                return  # the run fails because of that
            again = self._source.count(differing)
            assert again is not None  # it was counted before
            moving |= {window for window in differing if again.of[window] != counts[window]}
            counts = again.of
        for window in differing:
            if window in moving:
                log.info("%s: the source goes on changing; it counts %d rows now.", window.label, counts[window])
                continue
            self.complaints.append(texts.WINDOW_LACKS_ROWS(window=window.label, counted=counts[window], read=self.read(window)))
            self._accounts[window] = replace(self._accounts[window], recount=counts[window])  # so it is not settled
            self._keep(self._accounts[window])

    def _read_again(self, windows: list[Window]) -> bool:
        """Read windows again; whether all of them could be read."""
        found = self._again(windows)
        self._accounts |= {one.window: one for one in found.accounts}
        self.fail(found.failure)
        return found.failure is None and all(one.recount is not None for one in found.accounts)


def _named(windows: Sequence[Window]) -> str:
    first, last = windows[0].label, windows[-1].label
    return first if first == last else f"{first} … {last}"
