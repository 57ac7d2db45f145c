"""How services say that they already have what was sent, or that they are busy with it.

A row that is taken for a repeat by mistake is lost, and one that is not can be seen as refused. So the words count only if they
mean nothing else, if they are said of everything an answer objects to, and, elsewhere, only after an unknown attempt of the
same rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tablero.dashboard.body import Body

#: Longest line searched for words.
LONGEST = 500

_DONE = r"(registrad|recibid|cargad|procesad|ingresad|insertad|enviad|guardad|almacenad|reportad|importad)"

#: In a call of any size. "ya está inactivo" and "duplicate entries in the call" are ordinary refusals.
_REPEAT = re.compile(
    r"already (exist|present\b|in the database)"
    r"|already (been )?(registered|received|loaded|processed|submitted|stored|saved|imported|sent)\b"
    r"|exists already|record exists"
    r"|ya (exist(e|en|[i\xed]an?)\b|se (registr|recibi|proces|carg|guard)"
    rf"|(fu(e|\xe9)(ron)?|han? sido|hab[i\xed]an? sido|est[a\xe1]n?|se encuentran?) {_DONE})"
    rf"|ya {_DONE}|previamente {_DONE}"
    r"|unique (constraint|violation|key constraint|index)|violates unique|ER_DUP_ENTRY|ORA-00001"
    r"|(restricci[o\xf3]n (de )?(\xfanica|unica|unicidad|unique))"
    r"|duplicated? key|duplicate entry '|(llave|clave) duplicad[ao]|entrada duplicada '"
    r"|(code|c[o\xf3]digo|sqlstate)\W{0,3}(23505|P2002)\b",
    re.IGNORECASE,
)

#: In a call of one row, which cannot contain the same entry twice.
_DUPLICATE = re.compile(r"\bduplicate(d|s)?\b|\bduplicad[ao]s?\b|\brepetid[ao]s?\b", re.IGNORECASE)

#: Someone else's call, or an earlier one of ours, is still being handled: nothing is known about this one's rows.
_BUSY = re.compile(
    r"in (process|progress)\b|being processed|\block(ed)?\b|\bbusy\b|try again|\bwait\b|concurren"
    r"|en (proceso|curso|ejecuci[o\xf3]n)\b|(est[a\xe1]n?|siendo) (procesando|procesad)|procesando"
    r"|bloquead|ocupad|\bespere|int[e\xe9]nte(lo)? (de nuevo|m[a\xe1]s tarde)|reintent|otra carga",
    re.IGNORECASE,
)

#: What a 409 says that says nothing.
_CONFLICT = re.compile(r"(http )?(409)?[ :]*(conflict(exception)?|conflicto)?\.?", re.IGNORECASE)

#: Codes of a unique violation: PostgreSQL's, Prisma's and MySQL's.
_CODES = ("23505", "P2002", "ER_DUP_ENTRY")


def is_repeat(body: Body | None, message: str, rows: int) -> bool:
    """Whether a refusal says of everything it objects to that the dashboard already has it.

    :param message: what is kept of an answer that is not a JSON object.
    :param rows: in the call.
    """
    if body is None:
        return _is_line_of_repeat(message, rows)
    entries = _objections(body)
    return body.code in _CODES or (
        bool(entries) and all(any(_is_line_of_repeat(line, rows) for line in lines_of(entry)) for entry in entries)
    )


def is_busy(body: Body | None, message: str) -> bool:
    """Whether a conflict is with a call that is still being handled."""
    if body is None:
        return bool(_BUSY.search(message))
    return any(_BUSY.search(str(line)[:LONGEST]) for entry in _objections(body) for line in lines_of(entry))


def says_only_conflict(body: Body | None) -> bool:
    """Whether a 409 says nothing beyond its status; a page says nothing either."""
    said = (body.message, body.errors, body.error, body.detail, body.title) if body is not None else ()
    lines = [line for entry in said for line in lines_of(entry)]
    return all(_CONFLICT.fullmatch(str(line)[:LONGEST].strip()) for line in lines)


def lines_of(message: Any) -> list[str | int | float]:
    """The words in a message, which may be a list or an object."""
    # Only one level of objects: deeper nesting could exceed what Python can print.
    entries: Iterable[Any] = message if isinstance(message, list) else [message]
    values = [value for entry in entries for value in (entry.values() if isinstance(entry, dict) else (entry,))]
    return [value for value in values if isinstance(value, (str, int, float)) and value != ""]


def _objections(body: Body) -> list[Any]:
    said: Iterator[Any] = iter((body.errors, body.message, body.error, body.detail, body.title))
    objections = next((words for words in said if words), None)
    entries = objections if isinstance(objections, list) else [objections]
    return [*entries, *(entry for _, entry in body.failures)] if objections else [entry for _, entry in body.failures]


def _is_line_of_repeat(line: object, rows: int) -> bool:
    words = str(line)[:LONGEST]
    return line in _CODES or bool(_REPEAT.search(words)) or (rows == 1 and bool(_DUPLICATE.search(words)))
