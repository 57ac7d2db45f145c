"""Send hours: when sending is allowed, in local time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone, tzinfo


@dataclass(frozen=True)
class SendHours:
    """The hours ``[opens, closes)`` of each day in ``zone``; they span midnight if ``closes`` is earlier than ``opens``.

    :ivar opens: local time of day.
    :ivar closes: local time of day; not equal to ``opens``.
    """

    opens: time
    closes: time
    zone: tzinfo

    def open_at(self, instant: datetime) -> bool:
        """Whether sending is allowed at ``instant`` (timezone-aware)."""
        now = instant.astimezone(self.zone).time()
        if self.opens < self.closes:
            return self.opens <= now < self.closes
        return now >= self.opens or now < self.closes

    def next_opening(self, instant: datetime) -> datetime:
        """The first opening after ``instant``, in UTC; if the clocks skip it, the end of the skipped hour."""
        day = instant.astimezone(self.zone).date()
        for ahead in range(3):
            opening = datetime.combine(day + timedelta(days=ahead), self.opens, self.zone).astimezone(timezone.utc)
            if opening > instant:
                return opening
        raise AssertionError("a day has an opening within two days")
