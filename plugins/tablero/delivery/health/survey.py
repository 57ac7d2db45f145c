"""What a run found that is not as usual: the counts of its windows, compared with the rules and with the weeks before."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from itertools import islice

from sqlalchemy.engine import Connection, Engine
from tablero.contract.windows import Window, day_window, local_day
from tablero.delivery.health.degraded import WEEKS, Cause, Counts, judge
from tablero.outbox.engine import reading
from tablero.outbox.findings import Degradation
from tablero.outbox.ledger import Account
from tablero.outbox.reports import calendar, outcomes
from tablero.settings import Settings

_WEEK = timedelta(weeks=1)

#: Weeks within which days that were as usual are looked for.
_FURTHEST = 60


def survey(
    engine: Engine,
    settings: Settings,
    accounts: Collection[Account],
    found: Mapping[str, int],
    *,
    run_id: str,
    own: Window | None,
    audits: Collection[Window],
    on_faith: int = 0,
    is_night: bool = True,
) -> list[Degradation]:
    """What is not as usual in the windows of a run.

    :param found: rows which no reading before ``reconcile`` had found, by label of window.
    :param own: the day that the run is of; the other days were judged when they were new. ``None`` in a historical load, all of
        whose windows are judged.
    :param audits: the windows which were read only to be proved anew.
    :param is_night: whether the run is a scheduled one, of whose day the volume is compared with other weeks.
    :param on_faith: rows that the run set aside with no other row to compare them with.
    """
    unusual: list[Degradation] = []
    with reading(engine) as connection:
        for account in accounts:
            window = account.window
            if account.read is None:
                continue
            if window in audits:
                counts = Counts(window, account.read, found=found.get(window.label, 0))
            elif own is None or window == own or window.kind == "undated":
                usual = usual_rows(connection, settings, window) if window == own and is_night else None
                counts = Counts(window, account.read, account.rejected.total(), account.excluded, usual=usual)
            else:
                continue
            unusual += judge(
                counts,
                rejected_percent=settings.alert_rejected_percent,
                low_volume_percent=settings.alert_low_volume_percent,
            )
        if accounts:
            whole = own or Window(
                "month", "*", min(one.window.start for one in accounts), max(one.window.end for one in accounts)
            )
            unusual += _doubts(connection, run_id, whole, on_faith)
    return unusual


def usual_rows(connection: Connection, settings: Settings, own: Window) -> list[int] | None:
    """The rows of the same weekday in the weeks before, of days that were read and were themselves as usual: what goes on for
    long enough must not become the custom. ``None`` if ``own`` is no whole day.
    """
    zone = settings.timezone
    day = local_day(own.start, zone)
    if own != day_window(day, zone):
        return None
    read = calendar.stretches_read(connection)
    odd = calendar.days_with(connection, [cause.value for cause in (Cause.NO_ROWS, Cause.FEW_ROWS)])
    weeks = (day - back * _WEEK for back in range(1, _FURTHEST + 1))
    known = (one for one in weeks if one >= settings.earliest and one not in odd and _is_read(read, day_window(one, zone)))
    return list(calendar.rows_on(connection, list(islice(known, WEEKS))).values())


def _is_read(read: Collection[calendar.Stretch], window: Window) -> bool:
    return any(start <= window.start and window.end <= end for start, end in read)


def _doubts(connection: Connection, run_id: str, whole: Window, on_faith: int) -> list[Degradation]:
    """Rows of which only the dashboard knows how often it has them."""
    sent = outcomes.of_run(connection, run_id)
    counts = {Cause.UNKNOWN: sent.unknown, Cause.RECOGNISED: sent.recognised, Cause.FEW_REFUSALS: on_faith}
    return [Degradation.of(cause.value, whole, rows, sent.delivered) for cause, rows in counts.items() if rows]
