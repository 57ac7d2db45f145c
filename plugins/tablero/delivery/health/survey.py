"""Finding the degradations of a run: the counts of its windows, compared with the rules and with earlier weeks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import DATED, UNDATED, Window, day_window, local_day
from tablero.delivery.health.degraded import WEEKS, Cause, Counts, judge
from tablero.outbox.engine import reading
from tablero.outbox.findings import Degradation
from tablero.outbox.ledger import Account
from tablero.outbox.reports import nights, outcomes
from tablero.settings import Settings

_WEEK = timedelta(weeks=1)

#: How many weeks to go back for days to compare with.
_FURTHEST = 60


class Scope(NamedTuple):
    """What a run is about, apart from the windows that it reads besides.

    :ivar own: the run's own day. Of other windows a night judges those that no run had read before, as after a pause; the rest
        were judged by the runs that read them first. ``None`` in a historical load, which judges all of its windows.
    :ivar audits: windows that are read only to be proved again.
    :ivar is_night: whether the run is a scheduled one, whose volume is compared with earlier weeks.
    """

    own: Window | None
    audits: Collection[Window] = ()
    is_night: bool = False


def survey(
    engine: Engine,
    settings: Settings,
    accounts: Collection[Account],
    scope: Scope,
    *,
    run_id: str,
    uncounted: int = 0,
    future: int = 0,
) -> list[Degradation]:
    """The degradations in the windows of a run, over all tries of its tasks.

    :param uncounted: rows that were read and that the source could not count.
    :param future: rows of the view that are dated far ahead.
    """
    own = scope.own
    unusual: list[Degradation] = []
    with reading(engine) as connection:
        read_before = nights.intervals_read(connection, but_by=run_id)
        for account in accounts:
            window = account.window
            if account.read is None:
                continue
            if window in scope.audits:
                counts = Counts(
                    window,
                    account.read,
                    found=nights.rows_found(connection, window, run_id),
                    delivered=account.delivered,
                    gone=nights.newly_gone(connection, account, run_id),
                )
            elif own is None or window == own or window.kind == "undated" or not read_before.contains(window.start, window.end):
                usual = usual_rows(connection, settings, window) if window == own and scope.is_night else None
                counts = Counts(window, account.read, account.rejected.total(), account.excluded, usual=usual)
            else:
                continue
            unusual += judge(
                counts,
                rejected_percent=settings.alert_rejected_percent,
                low_volume_percent=settings.alert_low_volume_percent,
            )
        if accounts:
            whole = own or _whole_load([one.window for one in accounts])
            unusual += _doubtful_rows(connection, run_id, whole)
            if future:
                unusual.append(Degradation.of(Cause.FUTURE.value, whole, future, future))
            if own is None:
                unusual += _nothing_to_send(accounts, whole)
            if uncounted:
                read = sum(one.read or 0 for one in accounts)
                unusual.append(Degradation.of(Cause.NOT_COUNTED.value, whole, uncounted, read))
    return unusual


def usual_rows(connection: Connection, settings: Settings, own: Window) -> list[int] | None:
    """The rows of the same weekday in earlier weeks, without excluded ones. ``None`` if ``own`` is not a whole day.

    They are from days that were read and not themselves degraded: a fault that lasts must not become the norm. Where there is
    no other day of that weekday, as in an institution that is closed on Saturdays, degraded ones do; but nothing is a norm as
    long as the source has never returned a row.
    """
    zone = settings.timezone
    day = local_day(own.start, zone)
    if own != day_window(day, zone):
        return None
    read = nights.intervals_read(connection)
    odd = nights.days_with(connection, [cause.value for cause in (Cause.NO_ROWS, Cause.FEW_ROWS, Cause.ALL_EXCLUDED)])
    weeks = (day - back * _WEEK for back in range(1, _FURTHEST + 1))
    days = (day_window(one, zone) for one in weeks if one >= settings.earliest)
    known = [local_day(one.start, zone) for one in days if read.contains(one.start, one.end)]
    compared = [one for one in known if one not in odd] or known
    if not nights.is_any_row_known(connection):
        return []
    return list(nights.rows_on(connection, compared[:WEEKS], zone).values())


def _whole_load(windows: Sequence[Window]) -> Window:
    """All months of a load as one window, labelled by their years: ``2020-2026``."""
    start, end = min(one.start for one in windows), max(one.end for one in windows)
    years = sorted(one.label[:4] for one in windows if one.kind in DATED)
    return Window("month", "-".join(dict.fromkeys([*years[:1], *years[-1:]])) or UNDATED, start, end)


def _nothing_to_send(accounts: Collection[Account], whole: Window) -> Iterator[Degradation]:
    """A load that found no row to send in any month: the view is empty, or all its requests are older than ``earliest``."""
    read = sum(one.read or 0 for one in accounts)
    if excluded := sum(one.excluded for one in accounts):
        if excluded == read:
            yield Degradation.of(Cause.ALL_EXCLUDED.value, whole, excluded, read)
    elif not read:
        yield Degradation.of(Cause.NO_ROWS.value, whole, 0, 0)


def _doubtful_rows(connection: Connection, run_id: str, whole: Window) -> list[Degradation]:
    """Degradations about rows of which only the dashboard knows how many copies it has."""
    sent = outcomes.of_run(connection, run_id)
    counts = {Cause.UNKNOWN: sent.unknown, Cause.RECOGNISED: sent.recognised, Cause.FEW_REFUSALS: sent.unproved}
    return [Degradation.of(cause.value, whole, rows, sent.delivered) for cause, rows in counts.items() if rows]
