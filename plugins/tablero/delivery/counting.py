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
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from tablero.contract.windows import NO_DATE, Window, span
from tablero.delivery.reconciling import PASSES, Reconciled
from tablero.errors import NotSettledError, SetupError, SourceUnavailable, TableroError, TransientError, WindowUnreadable
from tablero.outbox.findings import CountResult, ViewCount
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
    :ivar view: the count of the whole view; ``None`` if the windows are not all of it, or could not be read.
    """

    reconciled: Reconciled
    complaints: list[Text]
    uncounted: int
    view: ViewCount | None = None


class _Comparison(NamedTuple):
    """The count of a stretch, compared with what was read.

    :ivar read: rows that were read window by window.
    :ivar counted: rows that the source counts in the windows; ``None`` if it cannot.
    :ivar later: rows of the view after the last window; ``None`` unless it counted the whole view.
    """

    result: CountResult
    read: int
    counted: int | None = None
    later: int | None = None


def compare(source: Source, reconciled: Reconciled, again: Again, keep: Keep, *, is_load: bool = True) -> Counted:
    """Have the source count what was read. If it cannot, a warning is logged; if it does not answer, the run fails.

    Windows that could not be read are left out, since the run fails anyway.

    :param is_load: whether the windows are those of a historical load. A night leaves undated rows out, since counting them
        means to look at the whole view.
    :param again: reconciles some windows once more.
    :param keep: stores the account of a window that lacks rows.
    :raises OutboxUnavailable: as ``again`` and ``keep``.
    """
    accounts, uncounted, view = _Accounts(source, reconciled, again, keep), 0, None
    read = (one.window for one in reconciled.accounts if one.recount is not None)
    for stretch in stretches(window for window in read if is_load or window.kind != "undated"):
        try:
            found = accounts.compare(stretch)
        except (SetupError, WindowUnreadable) as error:
            late = isinstance(error, WindowUnreadable)
            text = texts.NOT_COUNTED_IN_TIME if late else texts.NOT_COUNTABLE
            log.warning("%s", text(windows=_named(stretch), words=error.text))
            uncounted += accounts.read(stretch)
            found = _Comparison(CountResult.NOT_IN_TIME if late else CountResult.NOT_POSSIBLE, accounts.read(stretch))
        except SourceUnavailable as error:
            log.error("%s", texts.WINDOW_FAILED(window=_named(stretch), words=error.text))
            accounts.fail(error)
            break
        if found is not None and _is_whole(stretch):
            view = ViewCount(found.result.value, stretch[-1].end, found.read, found.counted, found.later)
    return Counted(accounts.reconciled, accounts.complaints, uncounted, view)


def count_future(source: Source, now: datetime) -> int:
    """Rows dated more than a day ahead, which are probably mistyped and would not be sent for years; 0 if the source cannot
    count them.
    """
    ahead = span(now + timedelta(days=1), datetime.max.replace(year=9998, tzinfo=timezone.utc))
    try:
        counted = source.count([ahead])
    except TableroError as error:
        log.warning("%s", texts.NOT_COUNTABLE(windows=f"> {ahead.start:%Y-%m-%d}", words=error.text))
        return 0
    return counted.of[ahead] if counted else 0


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
        if found and found[-1][-1].end == window.start:
            found[-1].append(window)
        else:
            found.append([window])
    return found


def _is_whole(stretch: Sequence[Window]) -> bool:
    """Whether nothing of the view lies before or between the windows: undated rows, and the months from the first one."""
    return stretch[0].start == NO_DATE and len(stretch) > 1


class _Accounts:
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

    def read(self, windows: Iterable[Window]) -> int:
        return sum(self._accounts[window].recount or 0 for window in windows)

    def fail(self, error: TableroError | None) -> None:
        """Transient errors take precedence, as in a reconciliation."""
        if not isinstance(self._failure, TransientError):
            self._failure = error or self._failure

    def compare(self, windows: list[Window]) -> _Comparison | None:
        """Compare the windows of a stretch, and read those that differ again. ``None`` if one can no longer be read."""
        found = self._source.count(windows)
        if found is None:
            return _Comparison(CountResult.OWN_SQL, self.read(windows))
        counts, moving = dict(found.of), set[Window]()
        later = found.rows - sum(counts.values()) if windows[0].start == NO_DATE else None
        if later is not None:
            log.info("The view has %d rows: %d in %s, %d later.", found.rows, found.rows - later, _named(windows), later)
        differing = windows
        for number in range(PASSES + 1):
            differing = [window for window in differing if counts[window] != self.read([window])]
            if not differing:
                log.info("%s: the source counts %d rows, as many as were read.", _named(windows), self.read(windows))
            if not differing or number == PASSES:
                break
            if not self._read_again(differing):
                return None  # the run fails because of that
            again = self._source.count(differing)
            assert again is not None  # it was counted before
            moving |= {window for window in differing if again.of[window] != counts[window]}
            counts |= again.of
        read = self.read(windows)
        lacking = [window for window in differing if window not in moving]
        for window in differing:
            if window in moving:
                log.info("%s: the source goes on changing; it counts %d rows now.", window.label, counts[window])
        for window in lacking:
            self._complain(window, counts[window])
        result = CountResult.DIFFERS if lacking else CountResult.CHANGING if differing else CountResult.COMPLETE
        return _Comparison(result, read, sum(counts.values()), later)

    def _complain(self, window: Window, counted: int) -> None:
        self.complaints.append(texts.WINDOW_LACKS_ROWS(window=window.label, counted=counted, read=self.read([window])))
        self._accounts[window] = replace(self._accounts[window], recount=counted)  # so it is not settled
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
