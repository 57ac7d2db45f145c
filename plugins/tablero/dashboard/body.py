"""The text of an answer in any encoding, the fields of it that matter, and whether they say no."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

#: Objects and lists in an answer that may say how the call, or each of its rows, ended; beside an echo of the rows.
_INNER = ("data", "result", "results", "response")

#: Other spellings of ``success``. Only a clear no counts, since their values may be anything.
_ALSO_SUCCESS = ("issuccess", "succeeded", "ok")

_NO, _YES = ("false", "0", "no"), ("true", "1")

_STATUS_OF_FAILURE = re.compile(r"\s*(error|fail(ed|ure)?|ko|rejected|rechazad[oa]|fallid[oa])\s*", re.IGNORECASE)

#: Status codes, by the names that services give them.
CODES = ("code", "statusCode", "status")


@dataclass
class Body:
    """The fields of a JSON object; capitals in their names do not matter, and all other fields are skipped by the parser.

    :ivar results: entries of lists of results, one for each row or for each failure.
    """

    success: Any = None
    code: Any = None
    statusCode: Any = None
    status: Any = None
    error: Any = None
    errors: Any = None
    message: Any = None
    detail: Any = None
    title: Any = None
    inserted: Any = None
    count: Any = None
    accepted: Any = None
    failed: Any = None
    rejected: Any = None
    results: Sequence[Any] = ()

    @property
    def is_acknowledged(self) -> bool:
        """Whether ``success`` says yes, also as text or number."""
        return _says(self.success, _YES)

    @property
    def objection(self) -> str | None:
        """The field that says no, the clearest first; ``None`` if there is none."""
        if self.success is not None and not self.is_acknowledged:
            return "success"
        for name in CODES:
            value = number(getattr(self, name))
            if value is not None and not value < 400:
                return name
        if isinstance(self.status, str) and _STATUS_OF_FAILURE.fullmatch(self.status):
            return "status"
        found = next((name for name in ("errors", "error") if getattr(self, name)), None)
        return found or ("results" if any(True for _ in self.failures) else None)

    @property
    def failures(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The results that say no, with their positions. Only unmistakable signs count: an echo may have any field."""
        for place, entry in enumerate(self.results):
            if isinstance(entry, dict) and _is_failure(entry):
                yield place, entry

    @property
    def has_counts(self) -> bool:
        """Whether it says how many rows it accepted, or did not."""
        return any(given is not None for given in (self.inserted, self.count, self.accepted, self.failed, self.rejected))

    def taken(self, rows: int) -> float | None:
        """How many rows of so many it says to have accepted, by any of its counts; ``None`` if it has none."""
        left = [rows - value for value in map(number, (self.failed, self.rejected)) if value is not None]
        counts = [value for value in map(number, (self.inserted, self.count, self.accepted)) if value is not None]
        return min(counts + left, default=None)


_NAMES = {name.lower(): name for name in Body.__dataclass_fields__ if name != "results"}


def body_of(text: str) -> Body | None:
    """The JSON object in an answer; ``None`` if there is none."""
    try:
        return _read(_FIELDS.decode(text), is_inner=False)
    except (msgspec.DecodeError, UnicodeError):
        return None
    except RecursionError:  # nested too deeply for Python, in a field that may not matter
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None
        known = {_NAMES[name.lower()]: given for name, given in value.items() if name.lower() in _NAMES}
        return Body(**known)


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _read(fields: dict[str, msgspec.Raw], *, is_inner: bool) -> Body:
    body = Body()
    inner = []
    for spelling, raw in fields.items():
        name = spelling.lower()
        if name in _NAMES:
            setattr(body, _NAMES[name], msgspec.json.decode(raw))
        elif name in _INNER and not is_inner:
            inner.append(raw)
    if any(_says(msgspec.json.decode(raw), _NO) for spelling, raw in fields.items() if spelling.lower() in _ALSO_SUCCESS):
        body.success = False
    for raw in inner:
        _add(body, bytes(raw))
    return body


def _add(body: Body, raw: bytes) -> None:
    """Add what an inner object or list says, as far as the answer does not say it itself."""
    if raw.startswith(b"["):
        body.results = [*body.results, *_results(raw)]
    elif raw.startswith(b"{"):
        inner = _read(_FIELDS.decode(raw), is_inner=True)
        if _says(inner.success, _NO):
            body.success = False
        for name in CODES:
            if _is_failing_status(getattr(inner, name)):
                setattr(body, name, getattr(inner, name))
        for name in ("errors", "error", "message", "inserted", "accepted", "failed", "rejected"):
            if getattr(body, name) is None:
                setattr(body, name, getattr(inner, name))


class _Result(msgspec.Struct):
    success: Any = None
    status: Any = None
    statusCode: Any = None
    error: Any = None
    errors: Any = None


_RESULTS = msgspec.json.Decoder(list[_Result])


def _results(raw: bytes) -> list[Any]:
    """The entries of a list, if any of them says no: the parser skips an echo of the rows."""
    try:
        entries = _RESULTS.decode(raw)
    except msgspec.ValidationError:  # a list of anything else
        return []
    if not any(_is_failure(msgspec.structs.asdict(entry)) for entry in entries):
        return []
    found = orjson.loads(raw)
    return found if isinstance(found, list) else []


def _is_failure(entry: dict[str, Any]) -> bool:
    status = entry.get("status")
    return (
        _says(entry.get("success"), _NO)
        or _is_failing_status(status)
        or _is_failing_status(entry.get("statusCode"))
        or (isinstance(status, str) and _STATUS_OF_FAILURE.fullmatch(status) is not None)
        or bool(entry.get("error") or entry.get("errors"))
    )


def _is_failing_status(value: object) -> bool:
    found = number(value)
    return found is not None and 400 <= found < 600


def _says(value: object, words: tuple[str, ...]) -> bool:
    return isinstance(value, (bool, int, float, str)) and str(value).strip().lower().removesuffix(".0") in words


def number(value: object) -> float | None:
    """A number, also written as text; ``None`` for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,9}\s*", value, re.ASCII):
        return float(value)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e15 else None


# -- encodings --------------------------------------------------------------------------------------------------------------

#: The encodings that are understood; Python knows others, some of which are none or take very long.
_ENCODINGS = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "ascii", "iso8859-1", "iso8859-15", "cp1252"}

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(content: bytes | bytearray, content_type: str) -> str:
    """Decode a body by its byte order mark, the charset it declares, or as UTF-8; undecodable bytes are replaced.

    JSON has no byte order mark (RFC 8259, 8.1), but ASP.NET sends one, and parsers refuse it.
    """
    encoding = "utf-16" if content.startswith(_UTF_16) else _declared(content_type)
    return content.decode(encoding, errors="replace").removeprefix("\ufeff")


def _declared(content_type: str) -> str:
    found = re.search(r"charset\s*=\s*[\"']?([\w.:-]+)", content_type, re.IGNORECASE | re.ASCII)
    try:
        encoding = codecs.lookup(found.group(1)).name if found else "utf-8"
    except LookupError:
        return "utf-8"
    return encoding if encoding in _ENCODINGS else "utf-8"
