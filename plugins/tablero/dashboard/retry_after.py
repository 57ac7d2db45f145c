"""How long the other side asks to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import NamedTuple


class Patience(NamedTuple):
    """How long this institution waits when it is asked to.

    :ivar usual: seconds, if the other side does not say for how long.
    :ivar most: seconds; what is asked for beyond that is asked again. A wrong date must not stop the DAG for years.
    """

    usual: float
    most: float


def seconds_to_wait(status: int, headers: Mapping[str, str], now: datetime, patience: Patience) -> float | None:
    """Seconds to wait, more than 0; ``None`` if nobody asks.

    A 429 asks for it with or without ``Retry-After`` (RFC 9110, 10.2.3), any other answer with the header, whatever its value.
    NestJS's throttler adds the name of a limit to the header's.

    :param now: timezone-aware; for a date, if the answer has no ``Date``.
    """
    values = [
        value for name, value in headers.items() if name.lower() == "retry-after" or name.lower().startswith("retry-after-")
    ]
    if not values and status != 429:
        return None
    # By the other side's clock, which may differ from ours.
    sent_at = http_date(headers.get("Date", "")) or now
    asked = max((_seconds(value, sent_at) for value in values), default=0.0)
    return min(asked if asked > 0 else patience.usual, patience.most)


def http_date(value: str) -> datetime | None:
    """Parse an HTTP date (timezone-aware); ``None`` if it is invalid."""
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


def _seconds(value: str, sent_at: datetime) -> float:
    if re.fullmatch(r"\s*\d+(\.\d+)?\s*", value[:100], re.ASCII):
        return float(value)
    date = http_date(value)
    return (date - sent_at).total_seconds() if date is not None else 0.0
