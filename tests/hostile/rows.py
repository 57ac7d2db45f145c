"""Generated rows that no institution should have, and a source that yields them without a driver.

Types, encodings, lone surrogates, NUL, years 1 and 9999, infinities, huge text, booleans for numbers, bytes, decimals with
huge exponents, nested objects.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from tablero.contract.windows import NO_DATE, Window
from tablero.source.reader import Source

HostileRow = tuple[Any, ...]
Maker = Callable[[random.Random], Any]


class Unprintable:
    """An object of a driver's own whose conversion to text raises."""

    def __str__(self) -> str:
        raise RuntimeError("this value has no text")

    __repr__ = __str__


def rows(rng: random.Random, count: int, inside: datetime) -> Iterator[HostileRow]:
    """Rows in which any value may be anything; most have just one invalid value, so that each kind occurs.

    :param inside: an instant of the window that they are to be read by.
    """
    for number in range(count):
        row: list[Any] = [
            str(rng.randint(1, 3)),
            f"R-{number}",
            inside - timedelta(days=rng.randint(0, 30), seconds=rng.randint(0, 86_400)),
            rng.randint(1, 21),
            inside + timedelta(seconds=rng.randint(0, 3_000)),
        ]
        for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
            place = rng.randrange(5)
            row[place] = rng.choice(_MAKERS)(rng)
        yield tuple(row)


def _text(rng: random.Random) -> str:
    alphabet = rng.choice(
        (
            "abc 123",
            "ñÑáéíóúü¿¡",
            "\x00\x01\x1b\x7f\x85\x9f",
            "\ud800\udbff\udc00\udfff",
            "\u202e\u2066\u200b\ufeff\u00ad",
            "😀👩\u200d👩\u200d👧🏳️",
            "\u0301\u0300e",
            "'\";--<script>{}$%\\",
            "０１２３４５６７８９٠١٢٣²½Ⅷ",
            " \t\r\n\v\f\u00a0\u2003\u3000",
            "".join(map(chr, range(0x10000 - 20, 0x10000 + 20))),
        )
    )
    return "".join(rng.choice(alphabet) for _ in range(rng.choice((0, 1, 3, 20, 254, 255, 256, 300, 5_000))))


def _huge_text(rng: random.Random) -> str:
    return rng.choice(_HUGE_TEXTS if rng.random() < 0.02 else _LONG_TEXTS)


def _number_text(rng: random.Random) -> str:
    return rng.choice(_NUMBER_TEXTS)


def _integer(rng: random.Random) -> int:
    return rng.choice(_INTEGERS)


def _float(rng: random.Random) -> float:
    return rng.choice((0.0, -0.0, 2.0, 2.5, 1e308, 5e-324, float("inf"), float("-inf"), float("nan"), 1e22, 21.000000000000004))


def _decimal(rng: random.Random) -> Decimal:
    texts = (
        "2",
        "2.0",
        "2.50",
        "1e999999",
        "-1e999999",
        "1e-999999",
        "NaN",
        "sNaN",
        "Infinity",
        "-0",
        "12345678901234567890",
        "1E+254",
    )
    return Decimal(rng.choice(texts))


def _instant(rng: random.Random) -> Any:
    zone = rng.choice(
        (None, timezone.utc, timezone(timedelta(hours=14)), timezone(-timedelta(hours=23, minutes=59)), _Nowhere())
    )
    moment = rng.choice(
        (
            datetime.min,  # noqa: DTZ901
            datetime.max,  # noqa: DTZ901
            datetime(1, 1, 1, 3),  # noqa: DTZ001 zones are put on below
            datetime(9999, 12, 31, 21),  # noqa: DTZ001
            datetime(2020, 2, 29),  # noqa: DTZ001
            datetime(2020, 2, 10, 12, fold=1),  # noqa: DTZ001
            datetime(2020, 2, 10, 12, 0, 0, 999_999),  # noqa: DTZ001
        )
    )
    return rng.choice((moment.replace(tzinfo=zone), moment.date(), moment.time(), moment.isoformat(), str(moment) + "Z"))


def _date_text(rng: random.Random) -> str:
    return rng.choice(_DATE_TEXTS)


def _object(rng: random.Random) -> Any:
    return rng.choice(_OBJECTS)


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


class _Nowhere(tzinfo):
    """A zone that does not know its offset."""

    def utcoffset(self, _moment: datetime | None) -> None:
        return None

    def dst(self, _moment: datetime | None) -> None:
        return None

    def tzname(self, _moment: datetime | None) -> str:
        return "nowhere"


_NUMBER_TEXTS: tuple[Any, ...] = (
    "0",
    "-1",
    "+2",
    "2.0",
    "2e0",
    " 7 ",
    "١٢",
    "²",
    "0x2",
    "1_0",
    "٣",
    "9" * 5_000,
    "inf",
    "nan",
    "True",
    "02",
    "2\x00",
)
_INTEGERS: tuple[Any, ...] = (0, -1, 22, 7, 2**31, 2**63, 2**64, -(2**63), 10**255, 10**254, 10**4_400, -(10**5_000))
_DATE_TEXTS: tuple[Any, ...] = (
    "0000-00-00 00:00:00",
    "2020-02-30",
    "2020-02-10T24:00:00",
    "2020-02-10T23:59:60",
    "2020-02-10 12:00:00+99:99",
    "2020-02-10 12:00:00 -0430",
    "2020-02-10T12:00:00.123456789012Z",
    "2020-W07-1",
    "2020-041",
    "20200210",
    "10/02/2020",
    "２０２０-02-10",
    "2020-02-10\x00",
    "+2020-02-10",
    "99999-01-01",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2020-02-10 12:00:00 America/Santo_Domingo",
    "2020-02-1" + "0" * 10_000,
    "Mon Feb 10 2020",
    "1581350400",
    "2020-02-10T12:00:00Z; DROP TABLE batch",
)
_OBJECTS: tuple[Any, ...] = (
    None,
    True,
    False,
    b"bytes",
    b"\xff\xfe\x00",
    bytearray(b"2"),
    memoryview(b"2"),
    [],
    [1, [2, [3]]],
    {"request_id": {"nested": None}},
    {1, 2},
    (1, 2),
    object(),
    Unprintable(),
    UUID(int=0),
    UUID(int=2**128 - 1),
    Fraction(1, 3),
    2 + 0j,
    timedelta(days=1),
    time(12),
    range(3),
    type,
    len,
    Ellipsis,
    _nested(900),
    _nested(100_000),
)
_LONG_TEXTS = [char * 2_000 for char in "x\x00ñ\ud8009 "]
_HUGE_TEXTS = [char * 200_000 for char in "x\x00ñ\ud8009 "]

_MAKERS: tuple[Maker, ...] = (
    *(_text,) * 4,
    *(_number_text, _integer, _float, _decimal, _instant, _instant, _date_text, _date_text, _object, _object),
    _huge_text,
)


class Rows(Source):
    """A source that yields the given rows without a database.

    Rows without a valid date are in every window, so that each has to be accounted for.
    """

    def __init__(self, content: Sequence[HostileRow], zone: tzinfo) -> None:
        super().__init__(sa.create_engine("sqlite://"), table="nowhere", sql=None, zone=zone, day_zone=zone)
        self._content = content

    def chunks(self, window: Window) -> Generator[list[Any], None, None]:
        """All rows, whatever the window."""
        for start in range(0, len(self._content), 1_000):
            yield list(self._content[start : start + 1_000])

    def holds(self, window: Window, value: object) -> bool:
        """Whether the row is in the window, or has no date."""
        place = self.place(value)
        return place == NO_DATE or place in window

    def rows_in(self, window: Window) -> int:
        """How many rows lie in the window."""
        return sum(self.holds(window, row[-1]) for row in self._content)
