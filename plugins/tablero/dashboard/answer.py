"""The result of one POST of one batch."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tablero.texts.text import Text, joined, verbatim

log = logging.getLogger(__name__)

#: Longest text kept of an answer, in characters.
MAX_KEPT = 500

#: The end of a text that was truncated.
CUT = "…"


class Outcome(Enum):
    """The five possible outcomes of an attempt."""

    DELIVERED = "delivered"
    """Acknowledged: a 2xx status and a JSON object that contains no objection."""

    REFUSED = "refused"
    """The dashboard refuses the content of the call and accepted nothing of it, unless the answer is *partial*."""

    TRANSIENT = "transient"
    """Certainly not accepted; a retry may succeed."""

    PERMANENT = "permanent"
    """Certainly not accepted; a person must act first."""

    UNKNOWN = "unknown"
    """No reliable answer: the batch may have been accepted. It is posted again, and the uncertainty stays on record."""


@dataclass(frozen=True)
class Answer:
    """The outcome of an attempt, and what is kept of the answer.

    :ivar outcome: the outcome.
    :ivar status: HTTP status, if there was an answer.
    :ivar seconds: duration of the call.
    :ivar error: what went wrong and what to do, for the operator; empty if delivered.
    :ivar sentence: the same as a text of the catalogue, if it is one.
    :ivar message: the message in the answer, sanitised and truncated.
    :ivar retry_after: seconds that the server asked to wait.
    :ivar named: positions in the batch that a refusal names.
    :ivar partial: the named rows were refused, and all others accepted.
    :ivar too_large: the call was refused for its size, not for its content.
    :ivar is_repeat: the dashboard says that it already has rows of this call.
    :ivar may_be_content: a permanent outcome that concerns only the content of this call if the dashboard has accepted rows on
        the same path (the application's own 403 or 404).
    :ivar unexpected: a 2xx status from something else than the dashboard: a gateway, a portal, another service.
    :ivar xroad_request_id: the id that the security server gave this attempt.
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
        """An answer whose error is a sentence of the catalogue."""
        return cls(outcome, error=str(sentence), sentence=sentence, **kept)

    @property
    def explained(self) -> Text:
        """The same as :attr:`explanation`, as a text in both languages."""
        words = [verbatim(f"«{self.message}»")] if self.message else []
        return joined([self.sentence or verbatim(self.error), *words])

    @property
    def explanation(self) -> str:
        """What went wrong, followed by the server's own message; empty if delivered."""
        return " ".join(part for part in (self.error, f"«{self.message}»" if self.message else "") if part)


#: Log level of each outcome, as the guide requires in its section on errors; WARNING for all others.
_LEVELS = {Outcome.DELIVERED: logging.INFO, Outcome.PERMANENT: logging.ERROR}


@dataclass(frozen=True)
class Attempt:
    """A recorded attempt, as passed to observers.

    :ivar batch: id of the batch.
    :ivar rows: number of rows in it.
    :ivar message_id: sent as ``X-Road-Id``.
    :ivar answer: the result.
    :ivar window: label of the window that its first row belongs to, if it is one of those being sent.
    """

    batch: int
    rows: int
    message_id: str
    answer: Answer
    window: str | None = None

    @property
    def accepted(self) -> int:
        """The number of rows that the dashboard accepted: all, none, or all but those that it named."""
        if self.answer.partial:
            return self.rows - len(self.answer.named)
        return self.rows if self.answer.outcome is Outcome.DELIVERED else 0

    def fields(self) -> dict[str, str | int]:
        """The structured fields of its log record; unknown ones are omitted."""
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
    """Log an attempt: one sentence, with its fields as attributes of the log record."""
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
    """Sanitise a text of the other side: one line, no control characters, at most ``most`` characters."""
    kept = re.sub("[\x00-\x20\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]+", " ", str(text)[: 4 * most])
    kept = kept.strip()
    return kept if len(kept) <= most else kept[: most - 1] + CUT
