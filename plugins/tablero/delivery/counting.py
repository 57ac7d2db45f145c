"""Use case: count. The rows that the source counts must be those that were read window by window.

Reading a window again proves what is in it, but says nothing about rows that are in no window, or that the reading skips. So
consecutive windows are counted together, and those of a full load cover the whole view.

The source may change while it is read. If a count differs, the windows that differ are read again between two counts: a number
is right if it lies between them, and if nothing changes they are equal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from tablero.contract.windows import NO_DATE, OLDEST_DATE, Window
from tablero.delivery.reconciling import PASSES, Reconciled
from tablero.errors import NotSettledError, SetupError, SourceUnavailable, WindowUnreadable
from tablero.source.reader import Source
from tablero.texts import delivery as texts
from tablero.texts.text import Text, joined

log = logging.getLogger(__name__)

Again = Callable[[Sequence[Window]], Reconciled]


class Counted(NamedTuple):
    """The result of counting.

    :ivar reconciled: with the accounts of the windows that were read again.
    :ivar complaints: where rows are missing; empty if all sums match, or could not be computed.
    """

    reconciled: Reconciled
    complaints: list[Text]


def compare(source: Source, reconciled: Reconciled, again: Again) -> Counted:
    """Have the source count what was read. If it cannot within its server's time limit, only a warning is logged.

    Windows that could not be read are left out, since the run fails anyway; so are undated rows if only they are read, since
    counting them means reading them.

    :param again: reconciles some windows once more.
    :raises OutboxUnavailable: as ``again``.
    """
    books = _Books(source, reconciled, again)
    complaints: list[Text] = []
    if source.can_count:
        for stretch in stretches(one.window for one in reconciled.accounts if one.recount is not None):
            try:
                complaints += books.compare(stretch)
            except (SetupError, WindowUnreadable, SourceUnavailable) as error:
                log.warning("%s", texts.NOT_COUNTED(windows=_named(stretch), words=error.text))
                if isinstance(error, SourceUnavailable):
                    break
    return Counted(books.reconciled, complaints)


def require_whole(counted: Counted) -> None:
    """Fail unless all sums match.

    :raises NotSettledError: names the windows that lack rows, or says that rows are in no window.
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

    def __init__(self, source: Source, reconciled: Reconciled, again: Again) -> None:
        self._source = source
        self._again = again
        self._accounts = {one.window: one for one in reconciled.accounts}
        self._found = dict(reconciled.found)
        self._failure = reconciled.failure

    @property
    def reconciled(self) -> Reconciled:
        return Reconciled(list(self._accounts.values()), self._found, self._failure)

    def compare(self, windows: list[Window]) -> list[Text]:
        """What is wrong with the sum of consecutive windows."""
        whole = self._count_whole(windows)
        complaints: list[Text] = []
        for _ in range(PASSES):
            if whole == sum(map(self._read, windows)):
                log.info("%s: the source counts %d rows, as many as were read.", _named(windows), whole)
                return []
            before, counts = whole, {window: self._source.count(window) for window in windows}
            differing = [window for window in windows if counts[window] != self._read(window)]
            if differing and not self._read_again(differing):
                return []  # the run fails because of that
            complaints = [
                texts.WINDOW_LACKS_ROWS(window=window.label, counted=counts[window], read=self._read(window))
                for window in differing
                if not _between(self._read(window), counts[window], self._source.count(window))
            ]
            whole = self._count_whole(windows)
            if not _between(total := sum(counts.values()), before, whole):
                complaints.append(texts.ROWS_IN_NO_WINDOW(windows=_named(windows), counted=whole, read=total))
        if not complaints:
            log.info("%s: the source goes on changing; it counts %d rows now, and none is missing.", _named(windows), whole)
        return complaints

    def _read(self, window: Window) -> int:
        return self._accounts[window].recount or 0

    def _read_again(self, windows: list[Window]) -> bool:
        """Read windows again; returns whether all of them could be read."""
        found = self._again(windows)
        self._accounts |= {one.window: one for one in found.accounts}
        for label, rows in found.found.items():
            self._found[label] = self._found.get(label, 0) + rows
        self._failure = self._failure or found.failure
        return found.failure is None and all(one.recount is not None for one in found.accounts)

    def _count_whole(self, windows: list[Window]) -> int:
        first, last = windows[0], windows[-1]
        if first.start != NO_DATE:
            return self._source.count(Window("month", _named(windows), first.start, last.end))
        census = self._source.census(first, last.end)
        assert census is not None  # only called if the source can count
        log.info(
            "The view has %d rows: %d undated, %d before %s, %d from then until %s, %d later.",
            *(census.rows, census.undated, census.older, f"{first.end:%Y-%m-%d %H:%M}Z"),
            *(census.in_windows, f"{last.end:%Y-%m-%d %H:%M}Z", census.future),
        )
        return census.rows - census.future


def _between(figure: int, one: int, other: int) -> bool:
    return min(one, other) <= figure <= max(one, other)


def _named(windows: Sequence[Window]) -> str:
    first, last = windows[0].label, windows[-1].label
    return first if first == last else f"{first} … {last}"
