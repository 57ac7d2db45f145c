"""What one POST of one batch came to."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tablero.texts.text import Text, joined, verbatim

log = logging.getLogger(__name__)

#: Longest text of an answer that is kept, in characters.
MAX_KEPT = 500


class Outcome(Enum):
    """The five ways in which an attempt ends."""

    DELIVERED = "delivered"
    """Acknowledged: a 2xx status and a JSON object in which nothing says otherwise."""

    REFUSED = "refused"
    """The dashboard refuses the content of the call; nothing of it was taken, unless the answer is *partial*."""

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
    :ivar sentence: the same, language by language, where it is one of ours.
    :ivar message: the other side's own words, cleaned and cut.
    :ivar retry_after: seconds that the other side asked to wait.
    :ivar named: positions in the batch which a refusal names.
    :ivar partial: the named rows were refused, and all others taken.
    :ivar too_large: the call was refused for its size, not for what is in it.
    :ivar is_repeat: the dashboard says that it has rows of this call already.
    :ivar may_be_content: an outcome for a person to act on, unless the dashboard has taken rows on this path: then it is about
        the content of this call (its own 403 or 404).
    :ivar unexpected: a 2xx status without the dashboard's answer: a gateway, a portal, another service.
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
    partial: bool = False
    too_large: bool = False
    is_repeat: bool = False
    may_be_content: bool = False
    unexpected: bool = False
    xroad_request_id: str | None = None
    xroad_error: str | None = None
    xroad_detail: str | None = None
    sentence: Text | None = field(default=None, compare=False)

    @classmethod
    def saying(cls, outcome: Outcome, sentence: Text, **kept: Any) -> Answer:
        """An answer that is told by a sentence of the catalogue."""
        return cls(outcome, error=str(sentence), sentence=sentence, **kept)

    @property
    def explained(self) -> Text:
        """What :attr:`explanation` says, language by language."""
        words = [verbatim(f"«{self.message}»")] if self.message else []
        return joined([self.sentence or verbatim(self.error), *words])

    @property
    def explanation(self) -> str:
        """What went wrong, then the other side's own words; empty if delivered."""
        return " ".join(part for part in (self.error, f"«{self.message}»" if self.message else "") if part)


#: Every attempt is logged (guide, section on errors): INFO, WARN or ERROR.
_LEVELS = {Outcome.DELIVERED: logging.INFO, Outcome.PERMANENT: logging.ERROR}


@dataclass(frozen=True)
class Attempt:
    """An attempt that is on record, as those are told of it who watch.

    :ivar batch: the batch's id in the outbox.
    :ivar rows: how many are in it.
    :ivar message_id: sent as ``X-Road-Id``.
    :ivar answer: what it came to.
    :ivar window: label of the window at work that its first row belongs to, if one does.
    """

    batch: int
    rows: int
    message_id: str
    answer: Answer
    window: str | None = None

    def fields(self) -> dict[str, str | int]:
        """What programs look for in the line of the log, by name; what is not known is left out."""
        found = {
            "window": self.window,
            "batch": self.batch,
            "rows": self.rows,
            "outcome": self.answer.outcome.value,
            "status": self.answer.status,
            "milliseconds": round(self.answer.seconds * 1000),
            "xroad_id": self.message_id,
            "xroad_request_id": self.answer.xroad_request_id,
            "xroad_error": self.answer.xroad_error,
            "xroad_detail": self.answer.xroad_detail,
        }
        return {name: value for name, value in found.items() if value is not None}


def log_line(attempt: Attempt) -> None:
    """Write the one line that the log has of an attempt: a sentence, which carries its fields as attributes of the record."""
    answer = attempt.answer
    log.log(
        _LEVELS.get(answer.outcome, logging.WARNING),
        "batch %d, %d rows: %s, HTTP %s, %.0f ms, X-Road-Id %s%s",
        attempt.batch,
        attempt.rows,
        answer.outcome.value,
        answer.status or "-",
        answer.seconds * 1000,
        attempt.message_id,
        f": {answer.explanation}" if answer.explanation and answer.outcome is not Outcome.DELIVERED else "",
        extra=attempt.fields(),
    )


def clean(text: object, most: int = MAX_KEPT) -> str:
    """Text of the other side, fit to be kept and shown: one line, no control characters, at most ``most`` of them."""
    kept = re.sub("[\x00-\x20\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(text)[: 4 * most])
    kept = kept.strip()
    return kept if len(kept) <= most else kept[: most - 1] + "…"
