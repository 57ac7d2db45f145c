"""How fast a run is, and when it will be done."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from tablero.outbox.reports.activity import Progress

#: Seconds over which the pace is measured.
LATELY = 60.0


class Pace(NamedTuple):
    """The pace of a run.

    :ivar per_second: rows delivered a second, of late.
    :ivar left: rows still to be delivered; of windows that are not read yet, as many as those that are had on average.
    :ivar ends_at: when they will be delivered at this pace; ``None`` if nothing moves.
    """

    per_second: float
    left: int
    ends_at: datetime | None


def pace(progress: Progress, *, pending: int, windows_left: int, seconds: float, now: datetime) -> Pace:
    """The pace of a run.

    :param pending: rows staged and not yet delivered.
    :param windows_left: windows that the run has not finished.
    :param seconds: the time in which ``progress.recently`` was delivered.
    """
    per_window = progress.rows_new / progress.windows_read if progress.windows_read else 0
    left = pending + round(per_window * windows_left)
    per_second = progress.recently / seconds if seconds > 0 else 0.0
    ends_at = now + timedelta(seconds=left / per_second) if per_second > 0 else None
    return Pace(per_second, left, ends_at)
