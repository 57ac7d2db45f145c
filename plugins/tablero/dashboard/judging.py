"""What an answer means, by status, headers and body, as the contract defines success and X-Road its errors.

Source: guide, section on responses; ``contract.md`` (*Call*, on success); X-Road pr-rest 4.6. Pure functions: no network, no
clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tablero.contract.status_change import FIELDS
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.dashboard.body import CODES, Body, body_of, number
from tablero.dashboard.names import named_by, named_errors, rows_in
from tablero.dashboard.repeats import is_busy, is_repeat, lines_of, says_only_conflict
from tablero.dashboard.retry_after import Patience, seconds_to_wait
from tablero.dashboard.xroad import Verdict, XRoadError, find_error, is_soap_fault
from tablero.texts import dashboard as texts
from tablero.texts.text import joined, verbatim

Redact = Callable[[str], str]

#: The content of the call is refused, and the batch is searched.
_REFUSALS = {400, 413, 422}

#: From the application itself, these concern content if rows were accepted on the same path before.
_OF_CONTENT_OR_OF_THE_PATH = {403, 404, 406, 410, 412, 424, 451}

#: Certainly not processed, and may pass by itself.
_TRANSIENT = {423, 425, 429, 503, 511}

#: The server cannot handle such calls at all.
_NOT_SUPPORTED = {501, 505}

#: A gateway or the server stopped waiting: the rows may have been accepted.
_STOPPED_WAITING = {408, 499}

_VERDICTS = {
    Verdict.CONFIGURATION: Outcome.PERMANENT,
    Verdict.SLOW: Outcome.TRANSIENT,
    Verdict.TRANSIENT: Outcome.TRANSIENT,
    Verdict.UNKNOWN: Outcome.UNKNOWN,
    Verdict.SPLIT: Outcome.REFUSED,
}

#: For whoever asks once, and does not wait.
_NO_PATIENCE = Patience(usual=60.0, most=3600.0)

#: Characters of an answer searched for secrets before it is truncated.
_MOST_WORDS = 64 * 1024


class Received(NamedTuple):
    """An answer as it was received, as far as it was read."""

    status_code: int
    headers: Mapping[str, str]
    text: str


def judge(seen: Received, now: datetime, redact: Redact, sent: bytes = b"", patience: Patience = _NO_PATIENCE) -> Answer:
    """Judge an answer.

    :param now: timezone-aware; for a ``Retry-After`` that is a date.
    :param redact: removes secrets from what is kept.
    :param sent: the body of the call, to count its rows and to find those that the answer quotes.
    :param patience: how long to wait if the answer asks for it.
    """
    status, headers, text = seen
    body = body_of(text)
    kept: dict[str, Any] = {
        "status": status,
        "message": _words(body, text, redact),
        "retry_after": seconds_to_wait(status, headers, now, patience),
        "xroad_request_id": request_id(headers, redact),
    }
    fault = find_error(headers, {"message": body.message, "detail": body.detail} if body else None)
    if fault is not None:
        return _xroad(fault, kept, redact)
    if is_soap_fault(text):
        return Answer.saying(Outcome.PERMANENT, texts.SOAP_INTERFACE, **kept)
    if 200 <= status < 300:
        return _success(body, sent, kept)
    if _is_refused(status, body, sent, kept):
        return _refusal(status, body, sent, kept)
    if 300 <= status < 400:
        place = _without_secrets(redact(headers.get("Location", "")))
        return Answer.saying(
            Outcome.PERMANENT, texts.REDIRECTS(status=str(status), place=verbatim(place) if place else texts.NOWHERE), **kept
        )
    outcome = _outcome_of(status)
    if outcome is Outcome.UNKNOWN:
        return Answer.saying(outcome, texts.FAILED_ON_THE_WAY(status=str(status)), **kept)
    # A limit is often answered by 403, and then says for how long; a conflict with another call passes.
    if outcome is Outcome.TRANSIENT or status == 409 or (status == 403 and kept["retry_after"] is not None):
        return Answer.saying(Outcome.TRANSIENT, texts.UNAVAILABLE(status=str(status)), **kept)
    return Answer.saying(
        Outcome.PERMANENT,
        texts.TOO_LARGE_ALONE if status == 413 else texts.NO(status=str(status), check=texts.CHECK),
        may_be_content=status in _OF_CONTENT_OR_OF_THE_PATH and _is_the_applications_own(status, body),
        named=named_by(body, sent),
        **kept,
    )


def _outcome_of(status: int) -> Outcome:
    """What a status alone says for certain; 409 depends on the words.

    A 5xx is *unknown* unless it means by definition that nothing was processed: gateways have numbers of their own, such as 520
    to 530, 598 and 599, for a server that fell silent.
    """
    if status in _TRANSIENT or status == 409:
        return Outcome.TRANSIENT
    if status in _REFUSALS:
        return Outcome.REFUSED
    if status in _STOPPED_WAITING or not 300 <= status < 500:
        return Outcome.PERMANENT if status in _NOT_SUPPORTED else Outcome.UNKNOWN
    return Outcome.PERMANENT


def judge_cut_short(status: int, headers: Mapping[str, str], words: str, redact: Redact) -> Answer:
    """Judge an answer of which the status arrived, but not the body."""
    kept: dict[str, Any] = {"status": status, "xroad_request_id": request_id(headers, redact)}
    fault = find_error(headers, None)
    if fault is not None:
        return _xroad(fault, kept, redact)
    outcome = _outcome_of(status)
    return Answer.saying(
        Outcome.TRANSIENT if outcome is Outcome.PERMANENT else outcome,  # it may have said that only the content is refused
        texts.INCOMPLETE(status=str(status), words=words),
        too_large=status == 413,
        **kept,
    )


def request_id(headers: Mapping[str, str], redact: Redact) -> str | None:
    """The id that the security server gave the call."""
    value = headers.get("X-Road-Request-Id")
    return clean(redact(value), 100) if value else None


def _xroad(fault: XRoadError, kept: Mapping[str, Any], redact: Redact) -> Answer:
    judgement = fault.judge()
    return Answer.saying(
        _VERDICTS[judgement.verdict],
        joined([verbatim(f"X-Road {clean(redact(fault.type), 100)}:"), judgement.advice]),
        too_large=judgement.verdict is Verdict.SPLIT,
        xroad_error=clean(redact(fault.type), 200),
        xroad_detail=clean(redact(fault.detail), 200),
        **kept,
    )


def _success(body: Body | None, sent: bytes, kept: Mapping[str, Any]) -> Answer:
    """Judge a 2xx status: a success unless the body contains an objection, or acknowledges fewer rows than it should.

    *Partial* is an answer that says ``success: true`` and whose errors name each refused row beyond doubt.
    """
    status = str(kept["status"])
    if body is None:
        if kept["status"] == 208:  # Already Reported
            return Answer.saying(Outcome.REFUSED, texts.REFUSED(status=status), is_repeat=True, **kept)
        return Answer.saying(Outcome.UNKNOWN, texts.NOT_THE_DASHBOARD(status=status), unexpected=True, **kept)
    objection = body.objection
    named, is_all_named = named_errors(body, sent) if objection is not None else ((), False)
    is_partial = (
        body.is_acknowledged and objection in ("error", "errors", "results") and is_all_named and len(named) < rows_in(sent)
    )
    if objection is not None and not is_partial:
        code = number(getattr(body, objection))
        if objection in CODES and code is not None and code >= 500:
            return Answer.saying(Outcome.UNKNOWN, texts.FAILED_ON_THE_WAY(status=f"{status}, {objection} {code:.0f}"), **kept)
        said = f"{objection} {code:.0f}" if code is not None else objection
        return Answer.saying(
            Outcome.REFUSED,
            texts.REFUSED_IN_SUCCESS(status=status, field=said),
            named=named_by(body, sent),
            is_repeat=_is_repeat(int(code) if code == 409 else 0, body, sent, kept),
            **kept,
        )
    if body.has_counts:
        rows = rows_in(sent)
        taken = body.taken(rows)
        if taken is not None and taken < rows - len(named):
            return Answer.saying(Outcome.UNKNOWN, texts.FEWER_THAN_SENT(taken=int(max(taken, 0)), sent=rows), **kept)
    if is_partial:
        return Answer.saying(
            Outcome.REFUSED, texts.REFUSED_SOME(status=status, rows=len(named)), named=named, partial=True, **kept
        )
    return Answer(Outcome.DELIVERED, **kept)


def _is_refused(status: int, body: Body | None, sent: bytes, kept: Mapping[str, Any]) -> bool:
    """Whether an answer with this status concerns the content of the call."""
    if status == 413:
        return rows_in(sent) != 1  # a smaller call does not exist
    if status == 409:
        return _is_repeat(status, body, sent, kept) or not is_busy(body, kept["message"])
    if status in _OF_CONTENT_OR_OF_THE_PATH:
        return body is not None and _is_repeat(status, body, sent, kept)
    # A service that fails on a row which it has already may have taken some rows of a larger call.
    return status in _REFUSALS or (status == 500 and rows_in(sent) == 1 and _is_repeat(status, body, sent, kept))


def _refusal(status: int, body: Body | None, sent: bytes, kept: Mapping[str, Any]) -> Answer:
    return Answer.saying(
        Outcome.REFUSED,
        texts.REFUSED(status=str(status)),
        named=named_by(body, sent),
        too_large=status == 413,
        is_repeat=_is_repeat(status, body, sent, kept),
        **kept,
    )


def _is_repeat(status: int, body: Body | None, sent: bytes, kept: Mapping[str, Any]) -> bool:
    """Whether the dashboard says that it already has the rows of this call."""
    words = str(kept["message"])
    if status == 409 and is_busy(body, words):
        return False
    return is_repeat(body, words, rows_in(sent)) or (status == 409 and says_only_conflict(body))


def _is_the_applications_own(status: int, body: Body | None) -> bool:
    """Whether the application answered, and not a gateway or the router of a framework, which knows nothing but the path."""
    if body is None or _OF_THE_PATH.match(str(body.message)):
        return False
    if status in map(number, (body.statusCode, body.code, body.status)) or body.success is False:
        return True
    said = (body.message, body.errors, body.error, body.detail)
    return any(not _STATUS_PHRASE.fullmatch(str(line)) for words in said for line in lines_of(words))


#: NestJS's answer to an unknown path, and Kong's.
_OF_THE_PATH = re.compile(r"Cannot (POST|GET) |no Route matched", re.IGNORECASE)

_STATUS_PHRASE = re.compile(r"\s*(not found|forbidden|gone|not acceptable|precondition failed|\d{3})\.?\s*", re.IGNORECASE)


def _without_secrets(location: str) -> str:
    """The address of a redirect, without login, query and fragment."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return clean(f"{parts.scheme}://{host}{parts.path}" if host else parts.path, 200)


def _words(body: Body | None, text: str, redact: Redact) -> str:
    """The message of an answer: its ``message`` and errors; of an answer that is not a JSON object, the beginning."""
    if body is None:
        # A truncated JSON text probably contains what was sent. Redact before truncating, or part of a secret could remain.
        return "" if text.lstrip()[:1] in ("{", "[") else clean(redact(text[:_MOST_WORDS]))
    errors = body.errors if isinstance(body.errors, list) else [body.errors]
    errors = [*errors[:50], *(entry for _, entry in body.failures)]
    without_rows = [_without_row(entry) for entry in errors[:50]]
    sources = (body.message, without_rows, body.error, body.detail, body.title)
    said = [str(line) for source in sources for line in lines_of(source)[:50]]
    return clean(redact("; ".join(dict.fromkeys(said))[:_MOST_WORDS]))


def _without_row(entry: object) -> object:
    return {name: value for name, value in entry.items() if name not in FIELDS} if isinstance(entry, dict) else entry
