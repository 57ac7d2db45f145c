"""What an answer means, by status, headers and body, as the contract defines success and X-Road its errors.

Source: guide, section on responses; ``contract.md`` (*Call*, on success); X-Road pr-rest 4.6. Pure functions: no network, no
clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple

import msgspec
import orjson
from tablero.contract.status_change import FIELDS
from tablero.dashboard.answer import Answer, Outcome, clean
from tablero.dashboard.xroad import Verdict, XRoadError, find_error, is_soap_fault
from tablero.texts import dashboard as texts
from tablero.texts.text import joined, verbatim

Redact = Callable[[str], str]

#: The content of the call is refused, and the batch is searched. 409 is not in the guide; it also concerns content.
_REFUSALS = {400, 409, 413, 422}

#: From the application itself, these concern content if rows were accepted on the same path before.
_OF_CONTENT_OR_OF_THE_PATH = {403, 404}

#: The dashboard failed while processing, or a gateway stopped waiting for it: the rows may have been accepted.
_GAVE_UP = {500, 502, 504}

_TRANSIENT = {408, 425, 429}

_VERDICTS = {
    Verdict.CONFIGURATION: Outcome.PERMANENT,
    Verdict.SLOW: Outcome.TRANSIENT,
    Verdict.TRANSIENT: Outcome.TRANSIENT,
    Verdict.UNKNOWN: Outcome.UNKNOWN,
    Verdict.SPLIT: Outcome.REFUSED,
}

#: How services say that they already have what was sent. "ya está inactivo" and "duplicate entries in the call" are ordinary
#: refusals: a row that is taken for a repeat by mistake is lost, and one that is not can be seen as refused.
_REPEAT = re.compile(
    r"already (exist|(been )?(registered|received|loaded))"
    r"|ya (existen?\b|(fue(ron)?|han? sido|est[a\xe1]n?|se encuentran?) (registrad|recibid|cargad))"
    r"|unique (constraint|violation)|duplicated? key|(llave|clave) duplicada"
    r"|(code|c[o\xf3]digo|sqlstate)\W{0,3}(23505|P2002)\b",
    re.IGNORECASE,
)

#: Codes of a unique violation: PostgreSQL's and Prisma's.
_CODES_OF_A_REPEAT = ("23505", "P2002")

#: Limits for the names searched for in an answer: their number and their length.
_MOST_NAMES, _LONGEST_NAME = 2000, 500

#: Characters of an answer searched for secrets before it is truncated.
_MOST_WORDS = 64 * 1024


class Received(NamedTuple):
    """An answer as it was received, as far as it was read."""

    status_code: int
    headers: Mapping[str, str]
    text: str


class Body(msgspec.Struct):
    """The fields of an answer that matter; all others, possibly everything that was sent, are skipped by the parser."""

    success: Any = None
    code: Any = None
    statusCode: Any = None  # as NestJS spells it
    status: Any = None
    error: Any = None
    errors: Any = None
    message: Any = None
    detail: Any = None
    inserted: Any = None
    count: Any = None


_DECODER = msgspec.json.Decoder(Body)


def body_of(text: str) -> Body | None:
    """The JSON object in an answer; ``None`` if there is none."""
    try:
        return _DECODER.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return None
    except RecursionError:  # nested too deeply for Python, in a field that may not matter
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        known = {name: value.get(name) for name in Body.__struct_fields__} if isinstance(value, dict) else None
        return Body(**known) if known is not None else None


def judge(seen: Received, now: datetime, redact: Redact, sent: bytes = b"") -> Answer:
    """Judge an answer.

    :param now: timezone-aware; for a ``Retry-After`` that is a date.
    :param redact: removes secrets from what is kept.
    :param sent: the body of the call, to count its rows and to find those that the answer quotes.
    """
    status, headers, text = seen
    body = body_of(text)
    kept: dict[str, Any] = {
        "status": status,
        "message": _words(body, text, redact),
        "retry_after": _retry_after(headers, now),
        "xroad_request_id": request_id(headers, redact),
    }
    fault = find_error(headers, {"message": body.message, "detail": body.detail} if body else None)
    if fault is not None:
        return _xroad(fault, kept, redact)
    if is_soap_fault(headers.get("Content-Type", ""), text):
        return Answer.saying(Outcome.PERMANENT, texts.SOAP_INTERFACE, **kept)
    if 200 <= status < 300:
        return _success(body, sent, kept)
    if status in _REFUSALS:
        return Answer.saying(
            Outcome.REFUSED,
            texts.REFUSED(status=str(status)),
            named=_named(body, sent),
            too_large=status == 413,
            is_repeat=status == 409 or _is_repeat(body, kept["message"]),
            **kept,
        )
    if status in _GAVE_UP:
        return Answer.saying(Outcome.UNKNOWN, texts.FAILED_ON_THE_WAY(status=str(status)), **kept)
    if status in _TRANSIENT or (status >= 500 and status not in (501, 505)):
        return Answer.saying(Outcome.TRANSIENT, texts.UNAVAILABLE(status=str(status)), **kept)
    if 300 <= status < 400:
        place = clean(redact(headers.get("Location", "")), 200)
        return Answer.saying(
            Outcome.PERMANENT, texts.REDIRECTS(status=str(status), place=verbatim(place) if place else texts.NOWHERE), **kept
        )
    return Answer.saying(
        Outcome.PERMANENT,
        texts.NO(status=str(status), check=texts.CHECK),
        may_be_content=status in _OF_CONTENT_OR_OF_THE_PATH and _is_the_applications_own(status, body),
        named=_named(body, sent),
        **kept,
    )


def judge_cut_short(status: int, headers: Mapping[str, str], words: str, redact: Redact) -> Answer:
    """Judge an answer of which the status arrived, but not the body."""
    certain = not 200 <= status < 300 and status not in _GAVE_UP
    return Answer.saying(
        Outcome.TRANSIENT if certain else Outcome.UNKNOWN,
        texts.INCOMPLETE(status=str(status), words=words),
        status=status,
        xroad_request_id=request_id(headers, redact),
    )


def request_id(headers: Mapping[str, str], redact: Redact) -> str | None:
    """The id that the security server gave the call."""
    value = headers.get("X-Road-Request-Id")
    return clean(redact(value), 100) if value else None


def http_date(value: str) -> datetime | None:
    """Parse an HTTP date (timezone-aware); ``None`` if it is invalid."""
    try:
        date = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=timezone.utc)


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
        return Answer.saying(Outcome.UNKNOWN, texts.NOT_THE_DASHBOARD(status=status), unexpected=True, **kept)
    named, is_all_named = _named_errors(body, sent)
    objection = _objection(body)
    is_partial = body.success is True and objection in ("error", "errors") and is_all_named and len(named) < _rows_in(sent)
    if objection is not None and not is_partial:
        number = _number(getattr(body, objection))
        if objection in _CODES and number is not None and number >= 500:
            return Answer.saying(Outcome.UNKNOWN, texts.FAILED_ON_THE_WAY(status=f"{status}, {objection} {number:.0f}"), **kept)
        said = f"{objection} {number:.0f}" if number is not None else objection
        return Answer.saying(
            Outcome.REFUSED,
            texts.REFUSED_IN_SUCCESS(status=status, field=said),
            named=_named(body, sent),
            is_repeat=number == 409 or _is_repeat(body, kept["message"]),
            **kept,
        )
    taken = min((number for number in map(_number, (body.inserted, body.count)) if number is not None), default=None)
    if taken is not None and taken < _rows_in(sent) - (len(named) if is_partial else 0):
        return Answer.saying(Outcome.UNKNOWN, texts.FEWER_THAN_SENT(taken=int(max(taken, 0)), sent=_rows_in(sent)), **kept)
    if is_partial:
        return Answer.saying(
            Outcome.REFUSED, texts.REFUSED_SOME(status=status, rows=len(named)), named=named, partial=True, **kept
        )
    return Answer(Outcome.DELIVERED, **kept)


_CODES = ("code", "statusCode", "status")


def _objection(body: Body) -> str | None:
    """The field of a 2xx answer that contains an objection, the clearest first; ``None`` if there is none."""
    if body.success is not None and body.success is not True:
        return "success"
    for name in _CODES:
        number = _number(getattr(body, name))
        if number is not None and not number < 400:
            return name
    return next((name for name in ("errors", "error") if getattr(body, name)), None)


def _number(value: object) -> float | None:
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15 else None


def _is_the_applications_own(status: int, body: Body | None) -> bool:
    """Whether the application answered, and not a gateway. NestJS's ``Cannot POST`` for an unknown path does not count."""
    if body is None or re.match(r"Cannot (POST|GET) ", str(body.message)):
        return False
    return status in (body.statusCode, body.code, body.status) or body.success is False


def _rows_in(sent: bytes) -> int:
    # Within a value the quotes would be escaped.
    return sent.count(b'"request_id":')


# -- what an answer names ----------------------------------------------------------------------------------------------------


def _named(body: Body | None, sent: bytes) -> tuple[int, ...]:
    """Positions that a refusal names anywhere, as places to cut; none in a call of one row."""
    if body is None or _rows_in(sent) == 1:
        return ()
    by_words = {place for line in _lines(body.message)[:_MOST_NAMES] for place in _places(str(line))}
    return tuple(sorted(by_words | set(_named_errors(body, sent)[0])))


def _named_errors(body: Body, sent: bytes) -> tuple[tuple[int, ...], bool]:
    """Positions in the call that ``errors`` names, and whether every entry names exactly one."""
    entries = body.errors if isinstance(body.errors, list) else [body.errors] if body.errors else []
    if not entries or len(entries) > _MOST_NAMES:
        return (), False
    quoted = _Quoted(sent)
    places = [_place_of(entry, quoted) for entry in entries]
    found = {place for place in places if place is not None}
    return tuple(sorted(found)), None not in places and not (body.error and not isinstance(body.error, str))


class _Quoted:
    """Finds rows of a call by their values; parses the call only when needed."""

    def __init__(self, sent: bytes) -> None:
        self._sent = sent
        self._count = _rows_in(sent)
        self._rows: list[dict[str, Any]] | None = None

    def only(self, places: Collection[int]) -> int | None:
        """The position, if there is only one and the call has it. Someone who counts from 1 names one that it does not have."""
        return next(iter(places)) if len(places) == 1 and all(0 <= place < self._count for place in places) else None

    def find(self, values: Mapping[str, Any]) -> int | None:
        """The position of the only row with these values; ``None`` if there is none, or several."""
        if self._rows is None:
            self._rows = orjson.loads(self._sent)["requests"] if self._sent else []
        places = [
            place
            for place, row in enumerate(self._rows)
            if all(str(row.get(name)) == str(value) for name, value in values.items())
        ]
        return self.only(places)


def _place_of(entry: object, quoted: _Quoted) -> int | None:
    """The position that an entry of ``errors`` concerns: by ``index``, by content, or by the path that NestJS writes; ``None``
    if it names none of the call, several, or contradicts itself.
    """
    if isinstance(entry, str):
        return quoted.only(set(_places(entry)))
    if not isinstance(entry, dict):
        return None
    values = {name: entry[name] for name in FIELDS if name in entry and "request_id" in entry}
    by_content = quoted.find(values) if values else None
    index = entry.get("index")
    if isinstance(index, int) and not isinstance(index, bool):
        return quoted.only({index} if by_content is None else {index, by_content})
    if by_content is not None:
        return by_content
    return quoted.only({place for value in entry.values() if isinstance(value, str) for place in _places(value)})


def _places(line: str) -> Iterator[int]:
    """Positions in NestJS's messages: ``requests.3.status_id must be ...``."""
    return (int(match.group(1)) for match in re.finditer(r"requests\W{1,2}(\d{1,4})\b", line[:_LONGEST_NAME]))


def _is_repeat(body: Body | None, message: str) -> bool:
    """Whether a refusal says of everything it objects to that the dashboard already has it.

    :param message: what is kept of an answer that is not a JSON object.
    """
    if body is None:
        return bool(_REPEAT.search(message))
    objections = next((said for said in (body.errors, body.message, body.error) if said), None)
    entries = objections if isinstance(objections, list) else [objections]
    return body.code in _CODES_OF_A_REPEAT or all(
        any(line in _CODES_OF_A_REPEAT or _REPEAT.search(str(line)[:_LONGEST_NAME]) for line in _lines(entry))
        for entry in entries
    )


def _lines(message: Any) -> list[str | int | float]:
    # Only one level of objects: deeper nesting could exceed what Python can print.
    entries: Iterable[Any] = message if isinstance(message, list) else [message]
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else (entry,))]
    return [value for value in values if isinstance(value, (str, int, float)) and value != ""]


def _words(body: Body | None, text: str, redact: Redact) -> str:
    """The message of an answer: its ``message`` and errors; of an answer that is not a JSON object, the beginning."""
    if body is None:
        # A truncated JSON text probably contains what was sent. Redact before truncating, or part of a secret could remain.
        return "" if text.lstrip()[:1] in ("{", "[") else clean(redact(text[:_MOST_WORDS]))
    errors = body.errors if isinstance(body.errors, list) else [body.errors]
    without_rows = [_without_row(entry) for entry in errors[:50]]
    said = [str(line) for source in (body.message, without_rows, body.error) for line in _lines(source)[:50]]
    return clean(redact("; ".join(dict.fromkeys(said))[:_MOST_WORDS]))


def _without_row(entry: object) -> object:
    return {name: value for name, value in entry.items() if name not in FIELDS} if isinstance(entry, dict) else entry


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait, from either form of ``Retry-After`` (RFC 9110, 10.2.3), also with the suffix of a named limit as in
    NestJS's throttler; ``None`` if there is none.
    """
    values = [
        value for name, value in headers.items() if name.lower() == "retry-after" or name.lower().startswith("retry-after-")
    ]
    waits = [_seconds(value, now) for value in values]
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(value: str, now: datetime) -> float | None:
    if re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        return float(value)
    date = http_date(value)
    return None if date is None else max(0.0, (date - now).total_seconds())
