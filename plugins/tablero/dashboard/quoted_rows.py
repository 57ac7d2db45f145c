"""Hiding the rows that the other side quotes: the outbox keeps its message, and all others get it without ids and dates."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Collection, Iterable
from dataclasses import replace

from tablero.contract.status_change import StatusChange
from tablero.dashboard.answer import CUT, Answer, Outcome, clean

HIDDEN = "***"

#: Shorter values are hidden only as whole words, or they would hide half a sentence; shorter beginnings of values not at all.
_LONG_ENOUGH = 6

#: An instant in any spelling. Those in a refusal are the rows', in UTC or in the zone of the service.
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d(T\d[\d:.]*| \d\d:[\d:.]*)( ?(Z|[+-]\d\d:?\d\d))?", re.IGNORECASE)

#: A date as people write it, the day or the month first, perhaps with a time: no part of a message but a value of a row.
_WRITTEN_DATE = re.compile(r"\b\d\d?([/.])\d\d?\1\d{4}\b([T ,]+\d\d?:\d\d(:\d\d)?(\.\d+)?( ?[ap]\.?m\b\.?)?)?", re.IGNORECASE)

#: A word that may be the beginning of an id, with what shows that it was cut, if anything does.
_WORD = re.compile(r"(?<![^\W_])([^\s\"'`,;:()\[\]{}<>=«»“”…]*[^\W_])(\.{2,}|…|\*+)?")


def without_values(answer: Answer, changes: Iterable[StatusChange]) -> Answer:
    """An answer for use outside the outbox: its message without values of the rows that were posted.

    The message of an acknowledgement is shown nowhere, and left out.
    """
    if not answer.message:
        return answer
    return replace(answer, message="" if answer.outcome is Outcome.DELIVERED else hide_rows(answer.message, changes))


def hide_rows(message: str, changes: Iterable[StatusChange]) -> str:
    """Replace the ids and dates of rows in a message. Status ids are left: they are numbers like any other.

    :param message: of an :class:`Answer`: sanitised, and perhaps truncated within a value.
    """
    services: set[str] = set()
    values: set[str] = set()
    for row in changes:
        services.add(clean(row.service_id))
        values.add(clean(row.request_id))
        values |= {f"{date:%Y-%m-%d}" for date in (row.opening_date, row.last_modified_date)}
    # A service may be called "licencia", and the message speak of "licencias"; what names a request is hidden in any word.
    names = {service for service in services - values if service.isalpha()}
    values |= services
    words = _WRITTEN_DATE.sub(HIDDEN, _INSTANT.sub(HIDDEN, message))
    lower = words.lower()
    for value in sorted((value for value in values if value in words or value.lower() in lower), key=len, reverse=True):
        words = re.sub(_pattern(value, is_name=value in names), HIDDEN, words, flags=re.IGNORECASE)
    words = _without_beginnings(words, values)
    kept = words.removesuffix(CUT)
    return words if kept == words else _without_cut_value(kept, values) + CUT


def _pattern(value: str, *, is_name: bool) -> str:
    escaped = re.escape(value)
    if len(value) >= _LONG_ENOUGH:
        return rf"(?<![^\W_]){escaped}(?![^\W_])" if is_name else escaped
    # "7" is hidden in "service 7." and "(7)", and not in "requests.7.status_id", where it is a position.
    return rf"(?<!\w)(?<!\w[./-]){escaped}(?![./-]*\w)"


def _without_beginnings(words: str, values: Collection[str]) -> str:
    """Replace words that are the beginning of a value, which the other side has cut short. A word of letters alone is one of
    its sentence, unless it shows that it was cut.
    """
    ordered = sorted(value.lower() for value in values)

    def hidden(found: re.Match[str]) -> str:
        word, cut = found[1].lower(), found[2]
        if len(word) < _LONG_ENOUGH or not (cut or any(sign.isdigit() for sign in word)):
            return found[0]
        following = bisect_left(ordered, word)
        is_beginning = following < len(ordered) and ordered[following].startswith(word)
        return f"{HIDDEN}{cut or ''}" if is_beginning else found[0]

    return _WORD.sub(hidden, words)


def _without_cut_value(words: str, values: Collection[str]) -> str:
    """Replace the beginning of a value that is the end of a text."""
    longest = max((_beginning_at_end(words, value) for value in values), default=0)
    return words[: len(words) - longest] + HIDDEN if longest else words


def _beginning_at_end(words: str, value: str) -> int:
    """How many characters of a value a text ends with, if a word begins there."""
    lengths = range(min(len(words), len(value) - 1), 0, -1)
    words, value = words.lower(), value.lower()
    return next((n for n in lengths if words.endswith(value[:n]) and not words[: len(words) - n][-1:].isalnum()), 0)
