"""What one POST of one batch came to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

#: Longest text of an answer that is kept, in characters.
MAX_KEPT = 500


class Outcome(Enum):
    """The five ways in which an attempt ends."""

    DELIVERED = "delivered"
    """Acknowledged: a 2xx status, a JSON object, and ``success`` not false."""

    REFUSED = "refused"
    """The dashboard refuses the content of the call; nothing of it was taken."""

    TRANSIENT = "transient"
    """Surely not taken, and a later try may succeed."""

    PERMANENT = "permanent"
    """Surely not taken, and a person must act first."""

    UNKNOWN = "unknown"
    """No answer that can be relied on: it may have been taken. It is posted again, and stays on record."""


@dataclass(frozen=True)
class Answer:
    """The outcome of an attempt and all that is kept of it.

    :ivar outcome: how it ended.
    :ivar status: HTTP status, if there was an answer.
    :ivar seconds: how long it took.
    :ivar error: what went wrong and who must do what, in words for the operator; empty if delivered.
    :ivar message: the other side's own words, cleaned and cut.
    :ivar retry_after: seconds that the other side asked to wait.
    :ivar named: positions in the batch which a refusal names.
    :ivar too_large: the call was refused for its size, not for what is in it.
    :ivar xroad_request_id: id which the security server gave this attempt.
    :ivar xroad_error: type of the X-Road error.
    :ivar xroad_detail: key of the entry in the security server's log.
    """

    outcome: Outcome
    status: int | None = None
    seconds: float = 0.0
    error: str = ""
    message: str = ""
    retry_after: float | None = None
    named: tuple[int, ...] = ()
    too_large: bool = False
    xroad_request_id: str | None = None
    xroad_error: str | None = None
    xroad_detail: str | None = None


def clean(text: object, most: int = MAX_KEPT) -> str:
    """Text of the other side, fit to be kept and shown: one line, no control characters, at most ``most`` of them."""
    kept = re.sub("[\x00-\x20\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(text)[: 4 * most])
    kept = kept.strip()
    return kept if len(kept) <= most else kept[: most - 1] + "…"
