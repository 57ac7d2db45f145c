"""Which rows of a call an answer names: by position, by content, or by the path that NestJS writes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import orjson
from tablero.contract.status_change import FIELDS
from tablero.dashboard.body import Body
from tablero.dashboard.repeats import LONGEST, lines_of

#: Most names searched for in an answer.
_MOST_NAMES = 2000


def rows_in(sent: bytes) -> int:
    """The number of rows in the body of a call."""
    # Within a value the quotes would be escaped.
    return sent.count(b'"request_id":')


def named_by(body: Body | None, sent: bytes) -> tuple[int, ...]:
    """Positions that a refusal names anywhere, as places to cut; none in a call of one row."""
    if body is None or rows_in(sent) == 1:
        return ()
    by_words = {place for line in lines_of(body.message)[:_MOST_NAMES] for place in _places(str(line))}
    return tuple(sorted(by_words | set(named_errors(body, sent)[0])))


def named_errors(body: Body, sent: bytes) -> tuple[tuple[int, ...], bool]:
    """Positions in the call that ``errors`` names, and whether every entry names exactly one."""
    entries = body.errors if isinstance(body.errors, list) else [body.errors] if body.errors else []
    for place, entry in body.failures:
        # A result for each row: its position is the row's.
        is_in_place = len(body.results) == rows_in(sent) and "request_id" not in entry
        entries = [*entries, {"index": place, **entry} if is_in_place else entry]
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
        self._count = rows_in(sent)
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
    return (int(match.group(1)) for match in re.finditer(r"requests\W{1,2}(\d{1,4})\b", line[:LONGEST]))
