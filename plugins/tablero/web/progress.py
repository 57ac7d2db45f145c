"""The speed of a run, and when it will finish."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from tablero.outbox.reports.activity import Progress

#: Seconds over which the speed is measured.
LATELY = 60.0


class Pace(NamedTuple):
    """The speed of a run.

    :ivar per_second: rows delivered per second recently.
    :ivar left: rows still to be delivered; unread windows are estimated by the average of those read.
    :ivar ends_at: expected end; ``None`` if nothing was delivered recently.
    """

    per_second: float
    left: int
    ends_at: datetime | None


def pace(progress: Progress, *, pending: int, windows_left: int, seconds: float, now: datetime) -> Pace:
    """Estimate the speed and the end of a run.

    :param pending: rows staged and not yet delivered.
    :param windows_left: windows that the run has not finished.
    :param seconds: the period in which ``progress.recently`` was delivered.
    :param now: current time, in UTC.
    """
    per_window = progress.rows_new / progress.windows_read if progress.windows_read else 0
    left = pending + round(per_window * windows_left)
    per_second = progress.recently / seconds if seconds > 0 else 0.0
    ends_at = now + timedelta(seconds=left / per_second) if per_second > 0 else None
    return Pace(per_second, left, ends_at)
